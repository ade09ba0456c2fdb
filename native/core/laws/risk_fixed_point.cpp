#include "core/laws/risk_fixed_point.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

namespace prompt_attention {

namespace {

constexpr int kCoarseDraws = 512;
constexpr int kMaximumNewtonSteps = 60;
constexpr int kMaximumHalvings = 40;
constexpr double kTargetResidual = 1e-10;
constexpr double kPathResidual = 1e-6;
constexpr double kLeastPathStep = 1e-3;
constexpr int kMaximumPathSteps = 300;  // across every power of ten of double precision there are some 200
constexpr double kSmallestTerm = 1e-7;
constexpr double kPathStart = 10.0;
constexpr int kMaximumStarts = 8;
// Passes over all points that one fixed point may take; a pass over a share of them counts as that share.
constexpr double kMaximumPasses = 3000.0;
// A dual scale beyond this is on its way to infinity.
constexpr double kLargestScale = 1e100;
// Powers of ten that stand in for λ → 0: λ = 0 itself is tried from each of them in turn.
constexpr int kFirstVanishingPower = -3;
constexpr int kLastVanishingPower = -14;
// 1/α_c that counts as 0.
constexpr double kLeastSeparation = 1e-12;
// Fewer points than this are not worth the hand-over to another thread.
constexpr size_t kPointsWorthThreads = 20000;

using Vector4 = std::array<double, 4>;

double largest(const Vector4& f) {
  double size = 0.0;
  for (const double value : f) {
    if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
    size = std::max(size, std::abs(value));
  }
  return size;
}

double squares(const Vector4& f) {
  double sum = 0.0;
  for (const double value : f) sum += value * value;
  return std::isfinite(sum) ? sum : std::numeric_limits<double>::infinity();
}

double slopeAtZero(MarginLoss loss) {
  return loss == MarginLoss::kLogistic ? 0.5 : 1.0;
}

void moveHead(RiskState& state, double by1, double by2) {
  state.w1 += by1;
  state.w2 += by2;
  state.offset = state.offset + PlaneVector{by1, by2};
}

class FixedPointSolver {
 public:
  FixedPointSolver(const RiskProblem& problem, PartRunner& runner, const std::atomic<bool>& cancelled,
                   double* passes = nullptr)
      : problem_(problem),
        points_(problem.points),
        alpha_(problem.sampleRatio),
        hardMargin_(problem.loss == MarginLoss::kHardMargin),
        runner_(runner),
        cancelled_(cancelled),
        passes_(passes == nullptr ? &ownPasses_ : passes) {}

  FixedPoint solve() {
    const std::vector<RiskLevel> levels = riskLevels(points_);
    FixedPoint point{};
    bool followed = false;
    for (size_t i = 0; i < levels.size(); ++i) {
      const bool last = i + 1 == levels.size();
      const FixedPoint before = point;
      if (followed) point = newton(levels[i], point, last ? kTargetResidual : kPathResidual);
      if (!followed || largest(point.residuals) > (last ? kRiskTolerance : kPathResidual)) {
        point = follow(levels[i], last ? kTargetResidual : kPathResidual);
        followed = largest(point.residuals) <= kPathResidual;
        if (!followed && !last) point = before;
      }
      if (cancelled_ || (stopped() && !last)) return point;
    }
    point.converged = largest(point.residuals) <= kRiskTolerance;
    return point;
  }

  // The equations from the sums, with their Jacobian; relative to terms of the size that `reference`, a value
  // of Q, gives them.
  void equations(const MarginSums& sums, double reference, const FixedPoint& point, Vector4& f,
                 RiskJacobian* J) const {
    const auto& [w1, w2, r, chi, _] = point.state;
    const double lambda = point.ridge;
    const double R = noiseNorm(points_, point.state);
    // e is a difference of numbers of order 1: terms where it is below 1e-7 are not known to eight digits.
    const double scale = std::max(std::sqrt(reference / points_.variance), kSmallestTerm);
    const double scale1 = positiveOr(std::sqrt(points_.b1Squares) * scale, 1.0);
    const double scale2 = positiveOr(std::sqrt(points_.b2Squares) * scale, 1.0);
    const double ac = alpha_ * chi;
    const double rate1 = points_.uniform ? 1.0 / ac : lambda;
    f = {(rate1 * w1 - sums[kB1]) / scale1, (w2 / ac - sums[kB2]) / scale2,
         std::log(r * r / (alpha_ * chi * chi * sums[kQ])), ac * (sums[kH] + lambda) - 1.0};
    if (J == nullptr) return;
    const Vector4 dR{points_.uniform ? w1 / R : 0.0, w2 / R, r * r / R, 0.0};
    const double dc = hardMargin_ ? 0.0 : chi;
    const auto row = [&](double by1, double by2, double byR, double byC) {
      return Vector4{by1 + byR * dR[0], by2 + byR * dR[1], byR * dR[2], byC * dc};
    };
    const Vector4 B1 = row(sums[kB11], sums[kB12], sums[kB1t], sums[kB1c]);
    const Vector4 B2 = row(sums[kB12], sums[kB22], sums[kB2t], sums[kB2c]);
    const Vector4 Q = row(sums[kQ1], sums[kQ2], sums[kQt], sums[kQc]);
    const Vector4 H = row(sums[kH1], sums[kH2], sums[kHt], sums[kHc]);
    for (int j = 0; j < 4; ++j) {
      (*J)[0][j] = -B1[j] / scale1;
      (*J)[1][j] = -B2[j] / scale2;
      (*J)[2][j] = -Q[j] / sums[kQ];
      (*J)[3][j] = ac * H[j];
    }
    (*J)[0][0] += rate1 / scale1;
    (*J)[1][1] += 1.0 / (ac * scale2);
    (*J)[2][2] += 2.0;
    if (hardMargin_) {
      if (!points_.uniform) (*J)[0][3] += lambda * w1 / scale1;
      (*J)[3][3] += alpha_ * lambda;
    } else {
      if (points_.uniform) (*J)[0][3] -= w1 / (ac * scale1);
      (*J)[1][3] -= w2 / (ac * scale2);
      (*J)[2][3] -= 2.0;
      (*J)[3][3] += ac * (sums[kH] + lambda);
    }
  }

  // The sums of the batches of the level.
  std::vector<MarginSums> batchSums(RiskLevel level, const RiskState& state) {
    std::vector<MarginSums> parts(level.batches);
    const auto part = [&](int batch, int) {
      parts[batch] = marginSums(points_, batch, level.draws, problem_.loss, state);
    };
    *passes_ += static_cast<double>(level.batches) * level.draws /
                (static_cast<double>(points_.batches.size()) * points_.batches[0][0].count);
    const size_t perDraw = points_.eta1.size() / points_.batches.size() / points_.batches[0][0].count;
    if (level.batches * static_cast<size_t>(level.draws) * perDraw < kPointsWorthThreads)
      SerialRunner().run(level.batches, part);
    else
      runner_.run(level.batches, part);
    return parts;
  }

  static MarginSums meanOf(const std::vector<MarginSums>& batches) {
    MarginSums mean{};
    for (const MarginSums& sums : batches)
      for (int i = 0; i < kMarginSums; ++i) mean[i] += sums[i] / static_cast<double>(batches.size());
    return mean;
  }

  MarginSums sumsOf(RiskLevel level, const RiskState& state) { return meanOf(batchSums(level, state)); }

  // Residuals and Jacobian at the point's state.
  void evaluate(RiskLevel level, FixedPoint& point) {
    const RiskState& state = point.state;
    if (!(std::abs(state.w1) + std::abs(state.w2) + state.r < kLargestScale && state.chi < kLargestScale)) {
      point.residuals.fill(std::numeric_limits<double>::infinity());
      return;
    }
    point.batches = batchSums(level, point.state);
    const MarginSums sums = meanOf(point.batches);
    equations(sums, sums[kQ], point, point.residuals, &point.jacobian);
  }

 private:
  bool stopped() const { return cancelled_ || *passes_ > kMaximumPasses; }

  static double positiveOr(double value, double otherwise) { return value > 0.0 ? value : otherwise; }

  // The state after `length` of the step.
  FixedPoint moved(const FixedPoint& point, const Vector4& step, double length) const {
    FixedPoint next = point;
    moveHead(next.state, length * step[0], length * step[1]);
    next.state.r *= std::exp(length * step[2]);
    (hardMargin_ ? next.ridge : next.state.chi) *= std::exp(length * step[3]);
    return next;
  }

  FixedPoint newton(RiskLevel level, FixedPoint point, double target) {
    evaluate(level, point);
    for (int iteration = 0; iteration < kMaximumNewtonSteps && !stopped(); ++iteration) {
      const double before = squares(point.residuals);
      Vector4 step;
      if (largest(point.residuals) <= target || !std::isfinite(before) ||
          !solveNewton(point.jacobian, point.residuals, step))
        break;
      // A factor e⁴ of r or χ in one step leaves the region where the linear model means anything.
      double length = std::min(1.0, 4.0 / std::max({std::abs(step[2]), std::abs(step[3]), 4.0}));
      bool accepted = false;
      for (int halving = 0; halving < kMaximumHalvings && !accepted && !stopped(); ++halving, length *= 0.5) {
        FixedPoint next = moved(point, step, length);
        evaluate(level, next);
        accepted = squares(next.residuals) < before * (1.0 - 1e-4 * length);
        if (accepted) point = std::move(next);
      }
      if (!accepted) break;
    }
    return point;
  }

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
      FixedPointSolver hinge({points_, MarginLoss::kHinge, alpha_, ridge}, runner_, cancelled_, passes_);
      FixedPoint point = hinge.follow(level, kPathResidual);
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
      FixedPointSolver start({points_, problem_.loss, alpha_, from}, runner_, cancelled_, passes_);
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

  const RiskProblem problem_;
  const RiskPoints& points_;
  double alpha_;
  const bool hardMargin_;
  PartRunner& runner_;
  const std::atomic<bool>& cancelled_;
  double ownPasses_ = 0.0;
  double* const passes_;  // of the solver that started this one, or its own
};

}  // namespace

bool solveNewton(RiskJacobian J, Vector4 f, Vector4& x) {
  for (int i = 0; i < 4; ++i) {
    double size = 0.0;
    for (const double value : J[i]) size = std::max(size, std::abs(value));
    if (!(size > 0.0) || !std::isfinite(size)) return false;
    for (double& value : J[i]) value /= size;
    f[i] /= -size;
  }
  for (int column = 0; column < 4; ++column) {
    int pivot = column;
    for (int i = column + 1; i < 4; ++i)
      if (std::abs(J[i][column]) > std::abs(J[pivot][column])) pivot = i;
    if (J[pivot][column] == 0.0) return false;
    std::swap(J[pivot], J[column]);
    std::swap(f[pivot], f[column]);
    for (int i = column + 1; i < 4; ++i) {
      const double factor = J[i][column] / J[column][column];
      for (int j = column; j < 4; ++j) J[i][j] -= factor * J[column][j];
      f[i] -= factor * f[column];
    }
  }
  for (int i = 3; i >= 0; --i) {
    for (int j = i + 1; j < 4; ++j) f[i] -= J[i][j] * x[j];
    x[i] = f[i] / J[i][i];
  }
  return std::all_of(x.begin(), x.end(), [](double value) { return std::isfinite(value); });
}

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

FixedPoint solveFixedPoint(const RiskProblem& problem, PartRunner& runner,
                           const std::atomic<bool>& cancelled) {
  return FixedPointSolver(problem, runner, cancelled).solve();
}

FixedPoint fixedPointAt(const RiskProblem& problem, const RiskState& state, PartRunner& runner) {
  const std::atomic<bool> never{false};
  FixedPoint point{state, problem.ridge, {}, {}, {}, false};
  FixedPointSolver(problem, runner, never).evaluate(riskLevels(problem.points).back(), point);
  point.converged = largest(point.residuals) <= kRiskTolerance;
  return point;
}

std::vector<RiskResiduals> batchResiduals(const RiskProblem& problem, const FixedPoint& point) {
  const std::atomic<bool> never{false};
  SerialRunner serial;
  const FixedPointSolver solver(problem, serial, never);
  const double reference = FixedPointSolver::meanOf(point.batches)[kQ];
  std::vector<RiskResiduals> residuals(point.batches.size());
  for (size_t batch = 0; batch < residuals.size(); ++batch)
    solver.equations(point.batches[batch], reference, point, residuals[batch], nullptr);
  return residuals;
}

Separability separability(const RiskPoints& points, PartRunner& runner) {
  const std::atomic<bool> never{false};
  FixedPointSolver sums({points, MarginLoss::kSeparation, 1.0, 0.0}, runner, never);
  const RiskLevel level = riskLevels(points).back();
  RiskState state = stateAt(points, {0.0, 0.0}, 1.0, 1.0);
  MarginSums at = sums.sumsOf(level, state);
  for (int iteration = 0; iteration < kMaximumNewtonSteps; ++iteration) {
    // Beyond every sample ratio: the head would grow for ever without telling more.
    if (at[kQ] < kLeastSeparation) return {std::numeric_limits<double>::infinity(), at[kQ], {}};
    // Half the gradient and Hessian of E[(−ω)₊²/s²]; the noise coordinates of w enter through R too.
    const double R = noiseNorm(points, state);
    const double noise1 = points.uniform ? 1.0 : 0.0;
    const double g1 = -at[kB1] + noise1 * state.w1 * at[kH];
    const double g2 = -at[kB2] + state.w2 * at[kH];
    const double r1 = noise1 * state.w1 / R;
    const double r2 = state.w2 / R;
    const double h11 = -at[kB11] - at[kB1t] * r1 + noise1 * (at[kH] + state.w1 * (at[kH1] + at[kHt] * r1));
    const double h12 = -at[kB12] - at[kB1t] * r2 + noise1 * state.w1 * (at[kH2] + at[kHt] * r2);
    const double h22 = -at[kB22] - at[kB2t] * r2 + at[kH] + state.w2 * (at[kH2] + at[kHt] * r2);
    const double determinant = h11 * h22 - h12 * h12;
    const bool plane = determinant > 1e-14 * h11 * h22;
    const double step1 = plane ? -(h22 * g1 - h12 * g2) / determinant : 0.0;
    const double step2 = plane ? -(h11 * g2 - h12 * g1) / determinant : -g2 / h22;
    const double decrease = -(g1 * step1 + g2 * step2);
    if (!(decrease > 1e-15 * at[kQ])) break;
    double length = 1.0;
    MarginSums next = at;
    RiskState trial = state;
    for (int halving = 0; halving < kMaximumHalvings; ++halving, length *= 0.5) {
      trial = state;
      moveHead(trial, length * step1, length * step2);
      next = sums.sumsOf(level, trial);
      if (next[kQ] <= at[kQ] - 1e-4 * length * decrease) break;
    }
    if (!(next[kQ] < at[kQ])) break;
    state = trial;
    at = next;
  }
  // By the envelope theorem, how the minimiser moves is of second order.
  Separability found{1.0 / at[kQ], at[kQ], {}};
  for (const MarginSums& batch : sums.batchSums(level, state)) found.batches.push_back(batch[kQ]);
  return found;
}

}  // namespace prompt_attention
