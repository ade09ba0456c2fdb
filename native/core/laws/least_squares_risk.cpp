#include "core/laws/least_squares_risk.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/convergence_failure.h"
#include "core/heads/hinge_head.h"
#include "core/heads/weighted_averaging.h"

namespace prompt_attention {

namespace {

constexpr int kIterationLimit = 5000;
constexpr int kMaximumNewtonSteps = 200;
constexpr int kMaximumHalvings = 60;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

PlaneSums operator+(const PlaneSums& a, const PlaneSums& b) {
  return {a.b11 + b.b11, a.b12 + b.b12, a.b22 + b.b22,   a.variance + b.variance,
          a.b1 + b.b1,   a.b2 + b.b2,   a.gap1 + b.gap1, a.gap2 + b.gap2};
}

PlaneSums operator*(double scale, const PlaneSums& a) {
  return {scale * a.b11, scale * a.b12, scale * a.b22,  scale * a.variance,
          scale * a.b1,  scale * a.b2,  scale * a.gap1, scale * a.gap2};
}

ShrinkageSums operator+(const ShrinkageSums& a, const ShrinkageSums& b) {
  return {a.value + b.value, a.slope + b.slope};
}

ShrinkageSums operator*(double scale, const ShrinkageSums& a) {
  return {scale * a.value, scale * a.slope};
}

// The mean over the batches of what average(batch) gives, summed in their order.
template <class Average>
auto overBatches(BatchRange range, PartRunner& runner, Average average) {
  std::vector<decltype(average(0))> parts(range.last - range.first);
  runner.run(static_cast<int>(parts.size()), [&](int i, int) { parts[i] = average(range.first + i); });
  auto total = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) total = total + parts[i];
  return (1.0 / static_cast<double>(parts.size())) * total;
}

BatchRange allBatches(const RiskPoints& points) {
  return {0, static_cast<int>(points.batches.size())};
}

// ω of a point in the unit of 1/σ²; without noise, in which every irrelevant score is the same, in that of m.
double weightAt(const RiskPoints& points, size_t i) {
  const double mass = points.irrelevantMasses[i];
  const double spread = points.noiseless ? std::max(mass * mass, kLeastPurity) : points.variances[i];
  return (1.0 - mass) / std::max(spread, std::numeric_limits<double>::min());
}

// 1 over the largest weight, or 0 if all are 0.
double unitOfWeights(const RiskPoints& points) {
  double largest = 0.0;
  for (size_t i = 0; i < points.variances.size(); ++i) largest = std::max(largest, weightAt(points, i));
  return largest > 0.0 ? 1.0 / largest : 0.0;
}

// (E[c uuᵀ] + ridge·I)⁻¹ E[c u y] for the weights c of the sums; the least-norm solution where the matrix is
// singular.
PlaneVector planeSolution(const PlaneSums& sums, bool uniform, double ridge) {
  const double a11 = sums.b11 + (uniform ? sums.variance : 0.0) + ridge;
  const double a22 = sums.b22 + sums.variance + ridge;
  const double trace = a11 + a22;
  if (trace == 0.0) return {0.0, 0.0};
  // Elimination from the larger diagonal entry has a small residual however close to singular the matrix is.
  const bool swapped = a22 > a11;
  const double pivot = swapped ? a22 : a11;
  const double factor = sums.b12 / pivot;
  const double rest = (swapped ? a11 : a22) - factor * sums.b12;
  // Rank one: A = trace · vvᵀ, so A⁺b = A b / trace².
  if (!(rest > 1e-15 * pivot))
    return {(a11 * sums.b1 + sums.b12 * sums.b2) / (trace * trace),
            (sums.b12 * sums.b1 + a22 * sums.b2) / (trace * trace)};
  const double top = swapped ? sums.b2 : sums.b1;
  const double second = ((swapped ? sums.b1 : sums.b2) - factor * top) / rest;
  const double first = top / pivot - factor * second;
  return swapped ? PlaneVector{second, first} : PlaneVector{first, second};
}

// The offset of planeSolution from the origin w0: (E[c uuᵀ] + ridge·I)⁻¹ (E[c b (1 − w0ᵀb)] − noise and ridge
// of w0), in which nothing cancels however close to w0 the solution is.
PlaneVector planeOffset(const RiskPoints& points, PlaneSums sums, double ridge) {
  sums.b1 = sums.gap1 - (ridge + (points.uniform ? sums.variance : 0.0)) * points.origin.e1;
  sums.b2 = sums.gap2 - (ridge + sums.variance) * points.origin.e2;
  return planeSolution(sums, points.uniform, ridge);
}

// Root of F(χ) = α E[s²χ/(1+s²χ)] + αλχ − 1 on the draws of the level, from `start`. F is concave and
// increasing and s²χ/(1+s²χ) ≤ s²χ: Newton's iteration rises to the root monotonically from
// χ₀ = 1/(α(E[s²]+λ)), and from any start after its first step.
double solveChi(const RiskPoints& points, RiskLevel level, double alpha, double ridge, double start,
                double tolerance, PartRunner& runner) {
  const double least = 1.0 / (alpha * (points.variance + ridge));
  double chi = start > 0.0 ? start : least;
  for (int iteration = 0; iteration < kIterationLimit; ++iteration) {
    const ShrinkageSums sums = overBatches({0, level.batches}, runner, [&](int batch) {
      return shrinkageSums(points, batch, level.draws, chi);
    });
    const double residual = alpha * (sums.value + ridge * chi) - 1.0;
    const double step = -residual / (alpha * (sums.slope + ridge));
    const double next = chi + step > 0.0 ? chi + step : 0.5 * chi;
    chi = next;
    if (std::abs(step) <= tolerance * chi) return chi;
  }
  throw ConvergenceFailure("the fixed point of the risk equations was not found: chi reached " +
                           std::to_string(chi) + " at sample ratio " + std::to_string(alpha));
}

}  // namespace

RiskState leastSquaresState(const RiskPoints& points, double alpha, double ridge, PartRunner& runner) {
  // Newton's steps square the relative error: below 1e-8 the next one would be rounding.
  double chi = 0.0;
  for (const RiskLevel& level : riskLevels(points)) {
    SerialRunner serial;
    const bool all = level.batches == static_cast<int>(points.batches.size());
    chi = solveChi(points, level, alpha, ridge, chi, all ? 1e-8 : 1e-3, all ? runner : serial);
  }
  const BatchRange all = allBatches(points);
  const PlaneSums sums = overBatches(all, runner, [&](int batch) { return planeSums(points, batch, chi); });
  RiskState state = stateFrom(points, planeOffset(points, sums, ridge), 0.0, chi);
  // At r = 0, Q is what the equation of r has without r; E[s²κ²] + λ is what r² has for a factor.
  const double Q = overBatches(all, runner, [&](int batch) {
    return marginSums(points, batch, INT32_MAX, MarginLoss::kSquare, state)[kQ];
  });
  const double shrunk =
      overBatches(all, runner, [&](int batch) { return shrinkageSums(points, batch, INT32_MAX, chi); }).slope;
  state.r = std::sqrt(chi * Q / (shrunk + ridge));
  return state;
}

RiskState interpolationState(const RiskPoints& points, BatchRange range, double alpha) {
  // Weights 1/s², relative to the smallest s² so that they cannot overflow.
  const double chi = 1.0 / *std::min_element(points.variances.begin(), points.variances.end());
  SerialRunner serial;
  const PlaneSums sums =
      overBatches(range, serial, [&](int batch) { return planeSums(points, batch, chi, true); });
  RiskState state =
      stateFrom(points, planeOffset(points, sums, (1.0 - alpha) / alpha / chi), kInfinity, kInfinity);
  if (alpha == 1.0) return state;
  // r² (1 − α)/α = E[(1 − a)²/s²] + w2² (+ w1² at τ = 0)
  const double gaps =
      overBatches(range, serial, [&](int batch) { return relativeGapSquares(points, batch, chi, state); });
  state.r = 0.0;
  state.r = std::sqrt(alpha / (1.0 - alpha)) *
            std::hypot(std::sqrt(chi) * std::sqrt(gaps), noiseNorm(points, state));
  return state;
}

RiskState averagingState(const RiskPoints& points, BatchRange range, double alpha) {
  SerialRunner serial;
  const PlaneSums sums = overBatches(range, serial, [&](int batch) { return planeSums(points, batch, 0.0); });
  return stateAt(points, {sums.b1, sums.b2}, std::sqrt(sums.variance / alpha), 1.0 / alpha);
}

RiskState weightedAveragingState(const RiskPoints& points, BatchRange range, double alpha) {
  const double unit = unitOfWeights(points);
  double total = 0.0;    // E ω
  double across = 0.0;   // E ω b2
  double squares = 0.0;  // E ω² s², with s in units of its own
  const double clean = *std::min_element(points.variances.begin(), points.variances.end());
  const double scale = clean > 0.0 ? clean : 1.0;
  for (int batch = range.first; batch < range.last; ++batch)
    for (const RiskSegment& segment : points.batches[batch]) {
      const double share = segment.probability / segment.count;
      for (size_t i = segment.begin; i < segment.begin + segment.count; ++i) {
        const double mass = 1.0 - points.irrelevantMasses[i];
        const double omega = unit * weightAt(points, i);
        total += share * omega;
        across += share * omega * (mass * segment.relevant.e2 + points.eta2[i]);
        squares += share * omega * omega * (points.variances[i] / scale);
      }
    }
  if (total == 0.0) return stateAt(points, {0.0, 0.0}, 0.0, 1.0 / alpha);
  const double perBatch = 1.0 / (range.last - range.first);
  const double r = std::sqrt(scale) * std::sqrt(perBatch * squares / alpha) / (perBatch * total);
  return stateAt(points, {0.0, across / total}, r, 1.0 / alpha);
}

double drawsOfWeights(const RiskPoints& points) {
  const double unit = unitOfWeights(points);
  double sum = 0.0;
  double squares = 0.0;
  for (const std::vector<RiskSegment>& batch : points.batches) {
    const RiskSegment& segment = batch[0];
    for (size_t i = segment.begin; i < segment.begin + segment.count; ++i) {
      const double value = unit * weightAt(points, i) * (1.0 - points.irrelevantMasses[i]);
      sum += value;
      squares += value * value;
    }
  }
  return squares > 0.0 ? sum * (sum / squares) : std::numeric_limits<double>::infinity();
}

PlaneVector firstMargin(const RiskPoints& points, const RiskSegment& segment) {
  return (1.0 - points.irrelevantMasses[segment.begin]) * segment.relevant +
         PlaneVector{points.eta1[segment.begin], points.eta2[segment.begin]};
}

namespace {

PlaneVector noiselessHingeHead(const RiskPoints& points, double ridge) {
  std::vector<double> features;
  std::vector<double> weights;
  for (const RiskSegment& segment : points.batches[0]) {
    const PlaneVector b = firstMargin(points, segment);
    features.push_back(b.e1);
    features.push_back(b.e2);
    weights.push_back(segment.probability);
  }
  const std::vector<double> labels(weights.size(), 1.0);
  const std::atomic<bool> never{false};
  double w[2];
  const LinearHeadResult result = fitHingeHead(features.data(), labels.data(), weights.data(),
                                               static_cast<int>(weights.size()), 2, ridge, w, never);
  if (result.status != LinearHeadStatus::kOk)
    throw ConvergenceFailure("the hinge head without noise was not found: residual " +
                             std::to_string(result.residual));
  return {w[0], w[1]};
}

PlaneVector noiselessSmoothHead(const RiskPoints& points, MarginLoss loss, double ridge) {
  // Newton's method; steps are halved while the norm of the gradient grows. Without noise H and Q are 0.
  RiskState state = stateAt(points, {0.0, 0.0}, 1.0, 0.0);
  const auto gradientAt = [&](const RiskState& at, MarginSums& sums) {
    sums = marginSums(points, 0, INT32_MAX, loss, at);
    return PlaneVector{ridge * at.w1 - sums[kB1], ridge * at.w2 - sums[kB2]};
  };
  MarginSums sums;
  PlaneVector g = gradientAt(state, sums);
  for (int iteration = 0; iteration < kMaximumNewtonSteps; ++iteration) {
    const PlaneVector step =
        planeSolution({-sums[kB11], -sums[kB12], -sums[kB22], 0.0, -g.e1, -g.e2, 0.0, 0.0}, false, ridge);
    const double before = std::hypot(g.e1, g.e2);
    double length = 1.0;
    RiskState next = state;
    for (int halving = 0; halving < kMaximumHalvings; ++halving, length *= 0.5) {
      next = stateAt(points, PlaneVector{state.w1, state.w2} + length * step, 1.0, 0.0);
      g = gradientAt(next, sums);
      if (std::hypot(g.e1, g.e2) < before) break;
    }
    if (!(std::hypot(g.e1, g.e2) < before)) break;
    state = next;
  }
  return {state.w1, state.w2};
}

}  // namespace

PlaneVector noiselessHead(const RiskPoints& points, MarginLoss loss, double ridge) {
  switch (loss) {
    case MarginLoss::kSquare:
      return planeSolution(planeSums(points, 0, 0.0), false, ridge);
    case MarginLoss::kHinge:
      return noiselessHingeHead(points, ridge);
    case MarginLoss::kLogistic:
    case MarginLoss::kHardMargin:
    case MarginLoss::kSeparation:
      break;
  }
  return noiselessSmoothHead(points, loss, ridge);
}

}  // namespace prompt_attention
