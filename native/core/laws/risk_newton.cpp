#include "core/laws/risk_newton.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace prompt_attention {

namespace {

using Vector = RiskResiduals;

// A dual scale beyond this is on its way to infinity; that of least squares is of order 1/s², whose square
// must not overflow.
constexpr double kLargestScale = 1e100;
constexpr double kLargestSquareScale = 1e150;
constexpr double kSmallestTerm = 1e-7;
// Fewer points than this are not worth the hand-over to another thread.
constexpr size_t kPointsWorthThreads = 20000;

double squares(const Vector& f) {
  double sum = 0.0;
  for (const double value : f) sum += value * value;
  return std::isfinite(sum) ? sum : std::numeric_limits<double>::infinity();
}

}  // namespace

double largest(const Vector& f) {
  double size = 0.0;
  for (const double value : f) {
    if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
    size = std::max(size, std::abs(value));
  }
  return size;
}

double positiveOr(double value, double otherwise) {
  return value > 0.0 ? value : otherwise;
}

void moveHead(RiskState& state, double by1, double by2, double byIntercept) {
  state.intercept += byIntercept;
  state.w1 += by1;
  state.w2 += by2;
  state.offset = state.offset + PlaneVector{by1, by2};
}

RiskNewton::RiskNewton(const RiskProblem& problem, PartRunner& runner, const std::atomic<bool>& cancelled,
                       Passes& passes)
    : problem_(problem),
      points_(problem.points),
      alpha_(problem.sampleRatio),
      hardMargin_(problem.loss == MarginLoss::kHardMargin),
      unknowns_(problem.interceptIsFree ? 5 : 4),
      runner_(runner),
      cancelled_(cancelled),
      passes_(passes) {}

void RiskNewton::equations(const MarginSums& sums, double reference, const FixedPoint& point, Vector& f,
                           RiskJacobian* J) const {
  const auto& [w1, w2, r, chi, offset, intercept] = point.state;
  const double lambda = point.ridge;
  const double R = noiseNorm(points_, point.state);
  // e is a difference of numbers of order 1: terms where it is below 1e-7 are not known to eight digits.
  const double scale = std::max(std::sqrt(reference / points_.variance), kSmallestTerm);
  const double scale1 = positiveOr(std::sqrt(points_.b1Squares) * scale, 1.0);
  const double scale2 = positiveOr(std::sqrt(points_.b2Squares) * scale, 1.0);
  const double ac = alpha_ * chi;
  const double rate1 = points_.uniform ? 1.0 / ac : lambda;
  f = {(rate1 * w1 - sums[kB1]) / scale1, (w2 / ac - sums[kB2]) / scale2,
       std::log(r * r / (alpha_ * chi * chi * sums[kQ])), ac * (sums[kH] + lambda) - 1.0,
       unknowns_ == 5 ? -sums[kB0] / scale : 0.0};
  if (J == nullptr) return;
  const Vector dR{points_.uniform ? w1 / R : 0.0, w2 / R, r * r / R, 0.0, 0.0};
  const double dc = hardMargin_ ? 0.0 : chi;
  const auto row = [&](double by1, double by2, double byR, double byC, double by0) {
    return Vector{by1 + byR * dR[0], by2 + byR * dR[1], byR * dR[2], byC * dc, by0};
  };
  const Vector B1 = row(sums[kB11], sums[kB12], sums[kB1t], sums[kB1c], sums[kB01]);
  const Vector B2 = row(sums[kB12], sums[kB22], sums[kB2t], sums[kB2c], sums[kB02]);
  const Vector B0 = row(sums[kB01], sums[kB02], sums[kB0t], sums[kB0c], sums[kB00]);
  const Vector Q = row(sums[kQ1], sums[kQ2], sums[kQt], sums[kQc], sums[kQ0]);
  const Vector H = row(sums[kH1], sums[kH2], sums[kHt], sums[kHc], sums[kH0]);
  for (int j = 0; j < unknowns_; ++j) {
    (*J)[4][j] = -B0[j] / scale;
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

std::vector<MarginSums> RiskNewton::batchSums(RiskLevel level, const RiskState& state) {
  std::vector<MarginSums> parts(level.batches);
  const auto part = [&](int batch, int) {
    parts[batch] = marginSums(points_, batch, level.draws, problem_.loss, state);
  };
  passes_.spent += static_cast<double>(level.batches) * level.draws /
                   (static_cast<double>(points_.batches.size()) * points_.batches[0][0].count);
  const size_t perDraw = points_.eta1.size() / points_.batches.size() / points_.batches[0][0].count;
  if (level.batches * static_cast<size_t>(level.draws) * perDraw < kPointsWorthThreads)
    SerialRunner().run(level.batches, part);
  else
    runner_.run(level.batches, part);
  return parts;
}

MarginSums RiskNewton::meanOf(const std::vector<MarginSums>& batches) {
  MarginSums mean{};
  for (const MarginSums& sums : batches)
    for (int i = 0; i < kMarginSums; ++i) mean[i] += sums[i] / static_cast<double>(batches.size());
  return mean;
}

void RiskNewton::evaluate(RiskLevel level, FixedPoint& point) {
  const RiskState& state = point.state;
  const double most = problem_.loss == MarginLoss::kSquare ? kLargestSquareScale : kLargestScale;
  if (!(std::abs(state.w1) + std::abs(state.w2) + state.r < kLargestScale && state.chi < most)) {
    point.residuals.fill(std::numeric_limits<double>::infinity());
    return;
  }
  point.batches = batchSums(level, point.state);
  const MarginSums sums = meanOf(point.batches);
  equations(sums, sums[kQ], point, point.residuals, &point.jacobian);
}

FixedPoint RiskNewton::moved(const FixedPoint& point, const Vector& step, double length) const {
  FixedPoint next = point;
  moveHead(next.state, length * step[0], length * step[1], length * step[4]);
  next.state.r *= std::exp(length * step[2]);
  (hardMargin_ ? next.ridge : next.state.chi) *= std::exp(length * step[3]);
  return next;
}

FixedPoint RiskNewton::newton(RiskLevel level, FixedPoint point, double target, NewtonBounds bounds) {
  evaluate(level, point);
  for (int iteration = 0; iteration < bounds.steps && !stopped(); ++iteration) {
    const double before = squares(point.residuals);
    Vector step{};
    if (largest(point.residuals) <= target || !std::isfinite(before) ||
        !solveNewton(point.jacobian, point.residuals, unknowns_, step))
      break;
    // A factor e⁴ of r or χ in one step leaves the region where the linear model means anything.
    double length = std::min(1.0, 4.0 / std::max({std::abs(step[2]), std::abs(step[3]), 4.0}));
    bool accepted = false;
    for (int halving = 0; halving < bounds.halvings && !accepted && !stopped(); ++halving, length *= 0.5) {
      FixedPoint next = moved(point, step, length);
      evaluate(level, next);
      accepted = squares(next.residuals) < before * (1.0 - 1e-4 * length);
      if (accepted) point = std::move(next);
    }
    if (!accepted) break;
  }
  return point;
}

bool solveNewton(RiskJacobian J, Vector f, int unknowns, Vector& x) {
  for (int i = 0; i < unknowns; ++i) {
    double size = 0.0;
    for (int j = 0; j < unknowns; ++j) size = std::max(size, std::abs(J[i][j]));
    if (!(size > 0.0) || !std::isfinite(size)) return false;
    for (double& value : J[i]) value /= size;
    f[i] /= -size;
  }
  for (int column = 0; column < unknowns; ++column) {
    int pivot = column;
    for (int i = column + 1; i < unknowns; ++i)
      if (std::abs(J[i][column]) > std::abs(J[pivot][column])) pivot = i;
    if (J[pivot][column] == 0.0) return false;
    std::swap(J[pivot], J[column]);
    std::swap(f[pivot], f[column]);
    for (int i = column + 1; i < unknowns; ++i) {
      const double factor = J[i][column] / J[column][column];
      for (int j = column; j < unknowns; ++j) J[i][j] -= factor * J[column][j];
      f[i] -= factor * f[column];
    }
  }
  for (int i = unknowns - 1; i >= 0; --i) {
    for (int j = i + 1; j < unknowns; ++j) f[i] -= J[i][j] * x[j];
    x[i] = f[i] / J[i][i];
  }
  return std::all_of(x.begin(), x.end(), [](double value) { return std::isfinite(value); });
}

}  // namespace prompt_attention
