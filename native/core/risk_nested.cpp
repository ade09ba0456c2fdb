#include "core/risk_nested.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace prompt_attention {

namespace {

constexpr int kInnerSteps = 40;
constexpr int kOuterSteps = 80;
constexpr int kHalvings = 20;
constexpr double kInnerDecrement = 1e-14;
constexpr double kRootWidth = 1e-10;
// Growth of r beyond which the least value counts as at infinity: κ is too large.
constexpr double kFurthest = 1e12;
constexpr double kRunaway = -1.0;

using Vector3 = std::array<double, 3>;
using Matrix3 = std::array<Vector3, 3>;

double dot(const Vector3& a, const Vector3& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

struct Local {
  MarginSums sums;
  Vector3 gradient;
  Matrix3 hessian;
};

Local localAt(const NestedProblem& problem, const RiskState& state, double kappa) {
  Local at{problem.sums(state), {}, {}};
  const MarginSums& s = at.sums;
  const double noise1 = problem.points.uniform ? 1.0 : 0.0;
  const double root = std::sqrt(problem.sampleRatio);
  const double R = noiseNorm(problem.points, state);
  const double rate = s[kH] + problem.ridge;
  const double perR = 0.5 / (kappa * root);
  at.gradient = {-s[kB1] + (noise1 * s[kH] + problem.ridge) * state.w1, -s[kB2] + rate * state.w2,
                 rate * state.r - perR * s[kQ] - 0.5 * kappa / root};
  const Vector3 dR{noise1 * state.w1 / R, state.w2 / R, state.r / R};
  const double dChi = state.chi / state.r;
  const auto row = [&](double by1, double by2, double byR, double byC) {
    return Vector3{by1 + byR * dR[0], by2 + byR * dR[1], byR * dR[2] + byC * dChi};
  };
  const Vector3 B1 = row(s[kB11], s[kB12], s[kB1t], s[kB1c]);
  const Vector3 B2 = row(s[kB12], s[kB22], s[kB2t], s[kB2c]);
  const Vector3 Q = row(s[kQ1], s[kQ2], s[kQt], s[kQc]);
  const Vector3 H = row(s[kH1], s[kH2], s[kHt], s[kHc]);
  for (int j = 0; j < 3; ++j) {
    at.hessian[0][j] = -B1[j] + noise1 * state.w1 * H[j];
    at.hessian[1][j] = -B2[j] + state.w2 * H[j];
    at.hessian[2][j] = state.r * H[j] - perR * Q[j];
  }
  at.hessian[0][0] += noise1 * s[kH] + problem.ridge;
  at.hessian[1][1] += rate;
  at.hessian[2][2] += rate;
  return at;
}

// −(A + damping)⁻¹ g by Cholesky of the matrix scaled to a unit diagonal; damping grows until it is positive.
Vector3 descent(const Local& at) {
  Vector3 scale;
  for (int i = 0; i < 3; ++i) scale[i] = std::sqrt(std::max(std::abs(at.hessian[i][i]), 1e-290));
  for (double damping = 1e-15; damping < 1e3; damping *= 10.0) {
    Matrix3 L{};
    bool positive = true;
    for (int i = 0; i < 3 && positive; ++i) {
      for (int j = 0; j <= i; ++j) {
        double value = 0.5 * (at.hessian[i][j] + at.hessian[j][i]) / (scale[i] * scale[j]);
        if (i == j) value += damping;
        for (int k = 0; k < j; ++k) value -= L[i][k] * L[j][k];
        if (i == j) positive = value > 1e-15;
        L[i][j] = i == j ? std::sqrt(value) : value / L[j][j];
      }
    }
    if (!positive) continue;
    Vector3 x;
    for (int i = 0; i < 3; ++i) {
      x[i] = -at.gradient[i] / scale[i];
      for (int k = 0; k < i; ++k) x[i] -= L[i][k] * x[k];
      x[i] /= L[i][i];
    }
    for (int i = 2; i >= 0; --i) {
      for (int k = i + 1; k < 3; ++k) x[i] -= L[k][i] * x[k];
      x[i] /= L[i][i];
    }
    for (int i = 0; i < 3; ++i) x[i] /= scale[i];
    return x;
  }
  return {};
}

RiskState movedBy(const RiskState& from, const Vector3& step, double length) {
  RiskState to = from;
  to.w1 += length * step[0];
  to.w2 += length * step[1];
  to.offset = to.offset + PlaneVector{length * step[0], length * step[1]};
  to.r += length * step[2];
  to.chi *= to.r / from.r;
  return to;
}

// log(Q/κ²) at the least value for κ.
double minimise(const NestedProblem& problem, double kappa, RiskState& state) {
  const RiskState start = state;
  state.chi = state.r / (kappa * std::sqrt(problem.sampleRatio));
  Local at = localAt(problem, state, kappa);
  for (int i = 0; i < kInnerSteps && !problem.stopped(); ++i) {
    const Vector3 step = descent(at);
    const double slope = dot(at.gradient, step);
    const double size = state.r * kappa / std::sqrt(problem.sampleRatio);
    if (!(slope < -kInnerDecrement * size)) break;
    if (state.r > kFurthest * start.r) {
      state = start;
      return kRunaway;
    }
    double length = step[2] < 0.0 ? std::min(1.0, -0.9 * state.r / step[2]) : 1.0;
    bool accepted = false;
    for (int halving = 0; halving < kHalvings && !accepted; ++halving, length *= 0.5) {
      const RiskState next = movedBy(state, step, length);
      const Local there = localAt(problem, next, kappa);
      accepted = dot(there.gradient, step) <= -0.9 * slope;
      if (!accepted) continue;
      state = next;
      at = there;
    }
    if (!accepted) break;
  }
  return std::log(at.sums[kQ] / (kappa * kappa));
}

}  // namespace

bool solveNested(const NestedProblem& problem, double chi) {
  // Slopes of the losses are at most 1: κ² = Q is at most E s².
  double high = 0.5 * std::log(problem.points.variance) + 0.05;
  double low = high;
  double kappa = std::exp(high);
  RiskState state = stateAt(problem.points, {0.0, 0.0}, chi * kappa * std::sqrt(problem.sampleRatio), chi);
  double atHigh = minimise(problem, kappa, state);
  double atLow = atHigh;
  double stride = 0.5;
  while (atLow < 0.0 && !problem.stopped() && stride < 100.0) {
    high = low;
    atHigh = atLow;
    low -= stride;
    stride *= 1.5;
    atLow = minimise(problem, std::exp(low), state);
  }
  double tried = 1.0;
  for (int i = 0; i < kOuterSteps && high - low > kRootWidth && !problem.stopped(); ++i) {
    double share = atLow / (atLow - atHigh);
    if (!(share > 0.02 && share < 0.98) || i % 3 == 2) share = 0.5;
    const double middle = low + share * (high - low);
    const double value = minimise(problem, std::exp(middle), state);
    if (std::abs(value) < tried) {
      if (problem.accept(state)) return true;
      tried = 0.03 * std::abs(value);
    }
    (value > 0.0 ? low : high) = middle;
    (value > 0.0 ? atLow : atHigh) = value;
  }
  return problem.accept(state);
}

}  // namespace prompt_attention
