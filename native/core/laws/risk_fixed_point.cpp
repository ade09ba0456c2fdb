#include "core/laws/risk_fixed_point.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "core/laws/risk_newton.h"

namespace prompt_attention {

namespace {

constexpr int kCoarseDraws = 512;
constexpr double kTargetResidual = 1e-10;
constexpr double kPathResidual = 1e-6;
constexpr double kLeastPathStep = 1e-3;
constexpr int kMaximumPathSteps = 300;  // across every power of ten of double precision there are some 200
constexpr double kPathStart = 10.0;
// Of the intercept, in margins.
constexpr double kInterceptStep = 0.5;
constexpr int kMaximumInterceptSteps = 100;
constexpr double kNoSlope = 1e-14;
constexpr int kMaximumStarts = 8;
// Of the logarithm of the variance along the path of noise, and by which factor it falls between tries at the
// points themselves.
constexpr double kLargestNoiseStep = 2.3;
constexpr double kNoiseBetweenTries = 0.01;
// Newton's method from a state that is said to be near.
constexpr NewtonBounds kStepsFromStart{8, 2};
// Passes that each of the two paths may take, and points that it may look at, which is a second's work.
constexpr double kMaximumPasses = 3000.0;
constexpr double kMaximumPointsSeen = 1e8;
// Powers of ten that stand in for λ → 0: λ = 0 itself is tried from each of them in turn.
constexpr int kFirstVanishingPower = -3;
constexpr int kLastVanishingPower = -14;

double passesAllowed(const RiskPoints& points) {
  return std::min(kMaximumPasses, kMaximumPointsSeen / static_cast<double>(points.variances.size()));
}

// The points with noise of variance `added` on top, along which a solution is followed to where there is
// none.
class NoisierPoints {
 public:
  explicit NoisierPoints(const RiskPoints& points) : original_(points), points_(points) {
    least_ = *std::min_element(points.variances.begin(), points.variances.end());
  }
  void set(double added) {
    for (size_t i = 0; i < original_.variances.size(); ++i)
      points_.variances[i] = original_.variances[i] + added;
    points_.variance = original_.variance + added;
    points_.b2Squares = original_.b2Squares + added;
    points_.b1Squares = original_.b1Squares + (points_.uniform ? added : 0.0);
  }
  const RiskPoints& points() const { return points_; }
  double least() const { return least_; }

 private:
  const RiskPoints& original_;
  RiskPoints points_;
  double least_;
};

class PathFollower : public RiskNewton {
 public:
  using RiskNewton::RiskNewton;

  FixedPoint solve(const std::optional<RiskState>& start) {
    const std::vector<RiskLevel> levels = riskLevels(points_);
    if (start && !hardMargin_) {
      FixedPoint near = newton(levels.back(), {*start, problem_.ridge, {}, {}, {}, false}, kTargetResidual,
                               kStepsFromStart);
      near.converged = largest(near.residuals) <= kRiskTolerance;
      if (near.converged || stopped()) return near;
    }
    FixedPoint point{};
    bool followed = false;
    for (size_t i = 0; i < levels.size(); ++i) {
      const bool last = i + 1 == levels.size();
      const FixedPoint before = point;
      if (followed) point = newton(levels[i], point, last ? kTargetResidual : kPathResidual);
      if (!followed || largest(point.residuals) > (last ? kRiskTolerance : kPathResidual)) {
        point = approach(levels[i], last ? kTargetResidual : kPathResidual);
        followed = largest(point.residuals) <= kPathResidual;
        if (!followed && !last) point = before;
      }
      if (cancelled_ || (stopped() && !last)) return point;
    }
    point.converged = largest(point.residuals) <= kRiskTolerance;
    return point;
  }

 private:
  // The solution to first order: e = e₀ everywhere, or for the hard margin e = 1/s².
  FixedPoint explicitStart(RiskLevel level) {
    FixedPoint point{};
    point.ridge = problem_.ridge;
    if (hardMargin_) {
      point.state = stateAt(points_, {0.0, 0.0}, std::sqrt(alpha_ / points_.variance) * 1e-12, 1.0);
      const MarginSums sums = sumsOf(level, point.state);
      point.ridge = positiveOr(1.0 / alpha_ - sums[kH], 0.5 / alpha_);
      point.state =
          stateAt(points_, {alpha_ * sums[kB1], alpha_ * sums[kB2]}, std::sqrt(alpha_ * sums[kQ]), 1.0);
      return point;
    }
    const double e0 = slopeAtZero(problem_.loss);
    const PlaneSums means = planeSums(points_, 0, 0.0);
    const double chi = 1.0 / (alpha_ * (point.ridge + points_.variance));
    const double rate1 = points_.uniform ? alpha_ * chi : 1.0 / point.ridge;
    point.state = stateAt(points_, {e0 * means.b1 * rate1, e0 * means.b2 * alpha_ * chi},
                          chi * e0 * std::sqrt(alpha_ * points_.variance), chi);
    return point;
  }

  // Along the ridge, and where that is not done within its share of passes, along the noise.
  FixedPoint approach(RiskLevel level, double target) {
    if (problem_.interceptIsFree) return letGo(level, target);
    FixedPoint point = follow(level, target);
    if (isSolved(point, target) || cancelled_ || !points_.hasDraws()) return point;
    passes_.most = passes_.spent + passesAllowed(points_);
    return fromNoisier(level, target);
  }

  // The same with a free intercept: from where it is held at 0, and where that does not lead there along the
  // noise with it; for a margin that can be kept with an intercept only from the hinge.
  FixedPoint letGo(RiskLevel level, double target) {
    FixedPoint point = fromHeld(level, target);
    if (isSolved(point, target) || cancelled_) return point;
    passes_.most = passes_.spent + passesAllowed(points_);
    point = fromNoisier(level, target);
    if (isSolved(point, target) || cancelled_ || !hardMargin_) return point;
    passes_.most = passes_.spent + passesAllowed(points_);
    return fromHinge(level, point, target);
  }

  FixedPoint fromHeld(RiskLevel level, double target) {
    PathFollower held({points_, problem_.loss, alpha_, problem_.ridge}, runner_, cancelled_, passes_);
    const FixedPoint point = held.approach(level, kPathResidual);
    if (largest(point.residuals) > kPathResidual) return at(level, point, point.ridge);
    passes_.most = passes_.spent + passesAllowed(points_);
    return freed(level, point, target, held);
  }

  // From a point at which the other equations hold.
  FixedPoint freed(RiskLevel level, FixedPoint point, double target, PathFollower& held) {
    double length = kInterceptStep;
    bool isBracketed = false;  // the solution is within `length`
    FixedPoint all = newton(level, point, target);
    for (int steps = 0; steps < kMaximumInterceptSteps && !isSolved(all, target) && !stopped(); ++steps) {
      const double slope = RiskNewton::meanOf(point.batches)[kB0];
      // Where every example counts alike any intercept between theirs is as good.
      if (std::abs(slope) < kNoSlope) return at(level, held.newton(level, point, target), point.ridge);
      FixedPoint next = point;
      next.state.intercept += std::copysign(isBracketed ? 0.5 * length : length, slope);
      next = held.newton(level, next, kPathResidual);
      const bool isFound = largest(next.residuals) <= kPathResidual;
      const bool isBeyond = !isFound || RiskNewton::meanOf(next.batches)[kB0] * slope < 0.0;
      if (isBracketed) length *= 0.5;
      if (isBeyond && !isBracketed && isFound) isBracketed = true;
      if (!isFound && !isBracketed) length *= 0.5;
      if (!isBeyond) point = next;
      if (isFound) all = newton(level, next, target);
    }
    return all;
  }

  static bool isSolved(const FixedPoint& point, double target) {
    return largest(point.residuals) <= std::max(target, kRiskTolerance);
  }

  // From the solution with noise as large as the features, which is then taken away by and by: where examples
  // are so clean that the solution turns sharply at some ridge, this path is smooth.
  FixedPoint fromNoisier(RiskLevel level, double target) {
    NoisierPoints noisier(points_);
    const bool isFree = problem_.interceptIsFree;
    PathFollower solver({noisier.points(), problem_.loss, alpha_, problem_.ridge, isFree}, runner_,
                        cancelled_, passes_);
    NoisePosition now{0.1 * (points_.b1Squares + points_.b2Squares), {}};
    noisier.set(now.added);
    now.point = isFree ? solver.fromHeld(level, kPathResidual) : solver.follow(level, kPathResidual);
    NoisePosition before = now;
    double step = kLargestNoiseStep;
    double next = kNoiseBetweenTries * now.added;
    while (!stopped() && largest(now.point.residuals) <= kPathResidual && step > kLeastPathStep) {
      if (now.added <= next) {
        FixedPoint limit = newton(level, now.point, target, {8, 3});
        if (isSolved(limit, target) || now.added < 1e-6 * noisier.least()) return limit;
        next = kNoiseBetweenTries * now.added;
      }
      const double added = now.added * std::exp(-step);
      noisier.set(added);
      FixedPoint point = solver.newton(level, extrapolated(before, now, added), kPathResidual, {10, 4});
      if (largest(point.residuals) > kPathResidual)
        point = solver.newton(level, now.point, kPathResidual, {10, 4});
      if (largest(point.residuals) <= kPathResidual) {
        before = std::exchange(now, {added, point});
        step = std::min(1.5 * step, kLargestNoiseStep);
      } else {
        step *= 0.4;
      }
    }
    return at(level, now.point, now.point.ridge);
  }

  struct NoisePosition {
    double added;
    FixedPoint point;
  };

  // What is said of powers of the noise by two positions.
  FixedPoint extrapolated(const NoisePosition& before, const NoisePosition& now, double added) const {
    FixedPoint point = now.point;
    if (before.added == now.added) return point;
    const double share = std::log(now.added / added) / std::log(before.added / now.added);
    const auto ahead = [&](double at, double then) {
      const double ratio = at / then;
      return ratio > 1e-3 && ratio < 1e3 ? at * std::pow(ratio, share) : at + share * (at - then);
    };
    const RiskState& at = now.point.state;
    const RiskState& then = before.point.state;
    const double r = ahead(at.r, then.r);
    const double chi = hardMargin_ ? at.chi : ahead(at.chi, then.chi);
    if (hardMargin_) point.ridge = ahead(now.point.ridge, before.point.ridge);
    point.state = stateFrom(
        points_, {ahead(at.offset.e1, then.offset.e1), ahead(at.offset.e2, then.offset.e2)}, r, chi);
    point.state.intercept = ahead(at.intercept, then.intercept);
    return point;
  }

  // Follows the solution from where it is explicit to the problem's own parameters.
  FixedPoint follow(RiskLevel level, double target) {
    if (!hardMargin_) return followRidge(level, target);
    const FixedPoint point = followSampleRatio(level, target);
    return largest(point.residuals) <= kPathResidual ? point : fromHinge(level, point, target);
  }

  // The hard margin from the hinge's solution at small ridges, where few examples lose all of their slope:
  // the start that does not ask how 1/s² spreads. `otherwise` where that fails too.
  FixedPoint fromHinge(RiskLevel level, const FixedPoint& otherwise, double target) {
    const double scale = points_.b1Squares + points_.b2Squares + points_.variance / alpha_;
    for (int power = kFirstVanishingPower; power >= kLastVanishingPower && !stopped(); --power) {
      const double ridge = std::pow(10.0, power) * scale;
      PathFollower hinge({points_, MarginLoss::kHinge, alpha_, ridge, problem_.interceptIsFree}, runner_,
                         cancelled_, passes_);
      FixedPoint point =
          problem_.interceptIsFree ? hinge.letGo(level, kPathResidual) : hinge.follow(level, kPathResidual);
      if (largest(point.residuals) > kPathResidual) return otherwise;
      point.ridge = ridge * point.state.chi;
      point.state.chi = 1.0;
      point = newton(level, point, target);
      if (largest(point.residuals) <= kRiskTolerance) return point;
    }
    return otherwise;
  }

  FixedPoint followRidge(RiskLevel level, double target) {
    const double lambda = problem_.ridge;
    const double explicitFrom =
        kPathStart * (points_.b1Squares + points_.b2Squares + points_.variance / alpha_);
    FixedPoint point{};
    double from = std::max(lambda, explicitFrom);
    for (int attempt = 0; attempt < kMaximumStarts; ++attempt, from *= kPathStart) {
      PathFollower start({points_, problem_.loss, alpha_, from}, runner_, cancelled_, passes_);
      point = start.newton(level, start.explicitStart(level), kPathResidual);
      if (largest(point.residuals) <= kPathResidual) break;
    }
    if (largest(point.residuals) > kPathResidual) return point;
    if (lambda > 0.0) return followTo(level, point, lambda, target);
    for (int power = kFirstVanishingPower; power >= kLastVanishingPower; --power) {
      point = followTo(level, point, std::pow(10.0, power) * explicitFrom, kPathResidual);
      if (largest(point.residuals) > kPathResidual || stopped()) return point;
      FixedPoint limit = point;
      limit.ridge = 0.0;
      limit = newton(level, limit, target);
      if (largest(limit.residuals) <= kRiskTolerance) return limit;
    }
    return point;
  }

  // The point's state, which solves other equations, with its residuals in those of the ridge and α_.
  FixedPoint at(RiskLevel level, FixedPoint point, double ridge) {
    point.ridge = ridge;
    evaluate(level, point);
    return point;
  }

  FixedPoint followTo(RiskLevel level, FixedPoint point, double lambda, double target) {
    double step = std::log(10.0);
    for (int steps = 0; steps < kMaximumPathSteps && !stopped(); ++steps) {
      const double left = std::log(point.ridge / lambda);
      const bool last = std::abs(left) <= step;
      FixedPoint next = point;
      next.ridge = last ? lambda : point.ridge * std::exp(left > 0.0 ? -step : step);
      next = newton(level, next, last ? target : kPathResidual);
      if (largest(next.residuals) <= std::max(target, last ? kRiskTolerance : kPathResidual)) {
        point = next;
        if (last) return point;
        step = std::min(2.0 * step, std::log(1000.0));
      } else {
        step *= 0.25;
        if (step < kLeastPathStep) return next;
      }
    }
    return at(level, point, lambda);
  }

  FixedPoint followSampleRatio(RiskLevel level, double target) {
    const double end = problem_.sampleRatio;
    alpha_ = std::min(end, 0.01);
    FixedPoint point = newton(level, explicitStart(level), alpha_ == end ? target : kPathResidual);
    double step = std::log(4.0);
    for (int steps = 0; steps < kMaximumPathSteps && alpha_ != end && !stopped(); ++steps) {
      const double from = alpha_;
      alpha_ = std::min(end, from * std::exp(step));
      FixedPoint next = point;
      next.ridge *= from / alpha_;
      next.state.r *= std::sqrt(alpha_ / from);
      next = newton(level, next, alpha_ == end ? target : kPathResidual);
      if (largest(next.residuals) <= (alpha_ == end ? kRiskTolerance : kPathResidual)) {
        point = next;
        continue;
      }
      step *= 0.25;
      if (step < kLeastPathStep) {
        alpha_ = end;
        return next;
      }
      alpha_ = from;
    }
    if (alpha_ == end) return point;
    alpha_ = end;
    return at(level, point, point.ridge);
  }
};

}  // namespace

std::vector<RiskLevel> riskLevels(const RiskPoints& points) {
  const int all = static_cast<int>(points.batches.size());
  const int perBatch = points.batches[0][0].count;
  std::vector<RiskLevel> levels;
  if (points.hasDraws() && perBatch > kCoarseDraws / 2) {
    levels.push_back({1, std::min(kCoarseDraws, perBatch)});
    if (perBatch > 4 * kCoarseDraws) levels.push_back({1, perBatch});
  }
  levels.push_back({all, perBatch});
  return levels;
}

FixedPoint solveFixedPoint(const RiskProblem& problem, const std::optional<RiskState>& start,
                           PartRunner& runner, const std::atomic<bool>& cancelled) {
  Passes passes{0.0, passesAllowed(problem.points)};
  return PathFollower(problem, runner, cancelled, passes).solve(start);
}

FixedPoint fixedPointAt(const RiskProblem& problem, const RiskState& state, PartRunner& runner) {
  const std::atomic<bool> never{false};
  FixedPoint point{state, problem.ridge, {}, {}, {}, false};
  Passes passes{0.0, std::numeric_limits<double>::infinity()};
  RiskNewton(problem, runner, never, passes).evaluate(riskLevels(problem.points).back(), point);
  point.converged = largest(point.residuals) <= kRiskTolerance;
  return point;
}

std::vector<RiskResiduals> batchResiduals(const RiskProblem& problem, const FixedPoint& point) {
  const std::atomic<bool> never{false};
  SerialRunner serial;
  Passes passes{0.0, std::numeric_limits<double>::infinity()};
  const RiskNewton solver(problem, serial, never, passes);
  const double reference = RiskNewton::meanOf(point.batches)[kQ];
  std::vector<RiskResiduals> residuals(point.batches.size());
  for (size_t batch = 0; batch < residuals.size(); ++batch)
    solver.equations(point.batches[batch], reference, point, residuals[batch], nullptr);
  return residuals;
}

}  // namespace prompt_attention
