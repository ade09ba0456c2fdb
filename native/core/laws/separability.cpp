#include <algorithm>
#include <cmath>
#include <limits>

#include "core/laws/risk_newton.h"

namespace prompt_attention {

namespace {

constexpr int kMaximumNewtonSteps = 60;
constexpr int kMaximumHalvings = 40;
// 1/α_c that counts as 0.
constexpr double kLeastSeparation = 1e-12;

}  // namespace

Separability separability(const RiskPoints& points, PartRunner& runner) {
  const std::atomic<bool> never{false};
  Passes passes{0.0, std::numeric_limits<double>::infinity()};
  RiskNewton sums({points, MarginLoss::kSeparation, 1.0, 0.0}, runner, never, passes);
  const RiskLevel level = riskLevels(points).back();
  RiskState state = stateAt(points, {0.0, 0.0}, 1.0, 1.0);
  MarginSums at = sums.sumsOf(level, state);
  for (int iteration = 0; iteration < kMaximumNewtonSteps; ++iteration) {
    // Beyond every sample ratio: the head would grow for ever without telling more.
    if (at[kQ] < kLeastSeparation) return {std::numeric_limits<double>::infinity(), at[kQ], {}};
    // Half the gradient and Hessian of E[(−ω)₊²/s²]; the noise coordinates of w enter through R too.
    const double R = noiseNorm(points, state);
    const double noise1 = points.uniform ? 1.0 : 0.0;
    double g1 = -at[kB1] + noise1 * state.w1 * at[kH];
    double g2 = -at[kB2] + state.w2 * at[kH];
    const double r1 = noise1 * state.w1 / R;
    const double r2 = state.w2 / R;
    double h11 = -at[kB11] - at[kB1t] * r1 + noise1 * (at[kH] + state.w1 * (at[kH1] + at[kHt] * r1));
    double h12 = -at[kB12] - at[kB1t] * r2 + noise1 * state.w1 * (at[kH2] + at[kHt] * r2);
    double h22 = -at[kB22] - at[kB2t] * r2 + at[kH] + state.w2 * (at[kH2] + at[kHt] * r2);
    // A free intercept is eliminated.
    const double h00 = -at[kB00];
    const bool isFree = points.intercept && h00 > 0.0;
    const double g0 = isFree ? -at[kB0] / h00 : 0.0;
    const double h01 = isFree ? -at[kB01] - at[kB0t] * r1 : 0.0;
    const double h02 = isFree ? -at[kB02] - at[kB0t] * r2 : 0.0;
    if (isFree) {
      g1 -= h01 * g0;
      g2 -= h02 * g0;
      h11 -= h01 * h01 / h00;
      h12 -= h01 * h02 / h00;
      h22 -= h02 * h02 / h00;
    }
    const double determinant = h11 * h22 - h12 * h12;
    const bool plane = determinant > 1e-14 * h11 * h22;
    const double step1 = plane ? -(h22 * g1 - h12 * g2) / determinant : 0.0;
    const double step2 = plane ? -(h11 * g2 - h12 * g1) / determinant : -g2 / h22;
    const double step0 = isFree ? -g0 - (h01 * step1 + h02 * step2) / h00 : 0.0;
    const double decrease = -(g1 * step1 + g2 * step2) + g0 * g0 * h00;
    if (!(decrease > 1e-15 * at[kQ])) break;
    double length = 1.0;
    MarginSums next = at;
    RiskState trial = state;
    for (int halving = 0; halving < kMaximumHalvings; ++halving, length *= 0.5) {
      trial = state;
      moveHead(trial, length * step1, length * step2, length * step0);
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
