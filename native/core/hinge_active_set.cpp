#include "core/hinge_active_set.h"

#include <algorithm>
#include <cmath>

#include "core/blas.h"

namespace prompt_attention {

namespace {

constexpr int kMostChanges = 40;
constexpr double kTolerance = 1e-11;
// Least diagonal of R for features of norm 1.
constexpr double kLeastPivot = 1e-7;

}  // namespace

bool solveActiveSet(const double* V, const double* y, const double* cost, int n, int d, double ridge,
                    std::vector<Side> sides, double* w, double* a, const std::atomic<bool>& cancelled) {
  std::vector<double> norms(n);
  for (int i = 0; i < n; ++i) {
    const double* v = V + static_cast<size_t>(i) * d;
    norms[i] = std::sqrt(dot(v, v, d));
  }
  std::vector<double> X;
  std::vector<double> R;
  std::vector<double> tau;
  std::vector<double> inFrame(d);
  std::vector<double> candidate(d);
  std::vector<double> margins(n);
  std::vector<double> multipliers(n);
  int most = kMostChanges;
  for (int change = 0; change <= most && !cancelled; ++change) {
    std::vector<int> at;
    std::vector<double> pull(d, 0.0);
    for (int i = 0; i < n; ++i) {
      multipliers[i] = sides[i] == Side::kBelow ? cost[i] : 0.0;
      if (sides[i] == Side::kAt) at.push_back(i);
      if (sides[i] == Side::kBelow) addScaled(cost[i] * y[i], V + static_cast<size_t>(i) * d, d, pull.data());
    }
    const int count = static_cast<int>(at.size());
    // More than span the space: the last cannot be needed.
    if (count > d) {
      for (int k = d; k < count; ++k) sides[at[k]] = Side::kAbove;
      most = std::max(most, kMostChanges + 3 * (count - d));
      continue;
    }
    // Rows of norm 1: their sizes must not decide what is dependent.
    X.resize(static_cast<size_t>(count) * d);
    for (int k = 0; k < count; ++k) {
      if (!(norms[at[k]] > 0.0)) return false;
      const double scale = y[at[k]] / norms[at[k]];
      const double* v = V + static_cast<size_t>(at[k]) * d;
      for (int j = 0; j < d; ++j) X[static_cast<size_t>(k) * d + j] = scale * v[j];
    }
    std::copy(pull.begin(), pull.end(), inFrame.begin());
    if (count > 0) {
      tau.resize(count);
      R.resize(static_cast<size_t>(count) * count);
      lowerFactor(X.data(), count, d, tau.data(), R.data());
      applyOrthogonal(X.data(), count, d, tau.data(), inFrame.data(), true);
    }
    // R is stored as the lower triangular Rᵀ.
    // Of equal examples one is enough, until its multiplier reaches its cost.
    int dropped = 0;
    for (int k = 0; k < count; ++k) {
      if (std::abs(R[static_cast<size_t>(k) * count + k]) >= kLeastPivot) continue;
      sides[at[k]] = Side::kAbove;
      ++dropped;
    }
    if (dropped > 0) {
      most = std::max(most, kMostChanges + 3 * dropped);
      continue;
    }
    std::vector<double> along(count);
    for (int k = 0; k < count; ++k) {
      const double* row = R.data() + static_cast<size_t>(k) * count;
      along[k] = (1.0 / norms[at[k]] - dot(row, along.data(), k)) / row[k];
    }
    std::vector<double> rest(count);
    for (int k = 0; k < count; ++k) rest[k] = ridge * along[k] - inFrame[k];
    double largest = 0.0;
    for (int k = count - 1; k >= 0; --k) {
      const double* row = R.data() + static_cast<size_t>(k) * count;
      rest[k] /= row[k];
      addScaled(-rest[k], row, k, rest.data());
      multipliers[at[k]] = rest[k] / norms[at[k]];
      largest = std::max(largest, std::abs(rest[k]));
    }
    for (int j = 0; j < d; ++j) candidate[j] = j < count ? along[j] : inFrame[j] / ridge;
    if (count > 0) applyOrthogonal(X.data(), count, d, tau.data(), candidate.data(), false);
    product(V, n, d, candidate.data(), margins.data());
    const double size = std::sqrt(dot(candidate.data(), candidate.data(), d));
    double worst = 0.0;
    int which = -1;
    Side next = Side::kAt;
    const auto violated = [&](int i, double by, Side side) {
      if (!(by > worst)) return;
      worst = by;
      which = i;
      next = side;
    };
    for (int i = 0; i < n; ++i) {
      const double beyond = y[i] * margins[i] - 1.0;
      const double slack = kTolerance * (1.0 + norms[i] * size);
      const double share = multipliers[i] / cost[i];
      if (sides[i] == Side::kAt) {
        // What rounding leaves is relative to the largest multiplier: of size λ where no margin is below 1.
        const double rounding = kTolerance * largest / (norms[i] * cost[i]);
        violated(i, -share - rounding, Side::kAbove);
        violated(i, share - 1.0 - rounding, Side::kBelow);
      } else {
        violated(i, (sides[i] == Side::kBelow ? beyond : -beyond) - slack, Side::kAt);
      }
    }
    if (which < 0) {
      if (!std::isfinite(size)) return false;
      std::copy(candidate.begin(), candidate.end(), w);
      std::copy(multipliers.begin(), multipliers.end(), a);
      return true;
    }
    sides[which] = next;
  }
  return false;
}

}  // namespace prompt_attention
