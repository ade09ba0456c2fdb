#include "core/heads/hinge_polish.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/blas.h"
#include "core/heads/hinge_head.h"
#include "core/heads/hinge_sets.h"

namespace prompt_attention {

namespace {

constexpr double kAccuracy = 1e-6;
constexpr double kFurtherTarget = 1e-15;
// Wider features, whose matrix is d×d here, are left as they are.
constexpr int kMostColumnsPerRow = 4;

// The example of the smallest distance.
template <class Distance>
int nearest(int n, Distance distance) {
  int best = 0;
  for (int i = 1; i < n; ++i)
    if (distance(i) < distance(best)) best = i;
  return best;
}

// The exact head with a free intercept, told from an example of margin 1: one whose multiplier is between its
// bounds, or, where none is and the intercept may be anything in an interval, one at an end of it.
bool polishFreely(const HeadFeatures& features, double ridge, const std::vector<double>& multipliers,
                  double* w, const std::atomic<bool>& cancelled) {
  const int n = features.n;
  const int d = features.d;
  const double* V = features.V;
  const double* y = features.y;
  std::vector<double> margins(n);
  product(V, n, d, w, margins.data());
  const int inner = nearest(n, [&](int i) { return std::abs(multipliers[i] * n - 0.5); });
  const int end = nearest(n, [&](int i) { return std::abs(y[i] * margins[i] - 1.0); });
  for (const int reference : {inner, end}) {
    if (!HingeSets(features, ridge, reference, cancelled).polish(w, multipliers)) continue;
    w[d - 1] = y[reference] - dot(w, V + static_cast<size_t>(reference) * d, d - 1);
    return true;
  }
  return false;
}

}  // namespace

LinearHeadResult polishHingeHead(const LinearHeadResult& fitted, const HeadFeatures& features, double ridge,
                                 const std::vector<double>& multipliers, double* w,
                                 const std::atomic<bool>& cancelled) {
  LinearHeadResult result = fitted;
  if (cancelled || result.residual == 0.0) return result;
  const int n = features.n;
  const int d = features.d;
  HingeSets polish(features, ridge, 1.0, cancelled);
  const bool isExact = features.free > 0 ? polishFreely(features, ridge, multipliers, w, cancelled)
                                         : polish.polish(w, multipliers) || polish.search(w);
  if (isExact) {
    result.status = LinearHeadStatus::kOk;
    result.residual = std::min(result.residual, kSlack);
    return result;
  }
  // Examples that nearly coincide have no multipliers of their own: as far as the iteration gets.
  std::vector<double> a(multipliers);
  std::vector<double> head(w, w + d);
  if (d <= kMostColumnsPerRow * n) {
    const LinearHeadResult further =
        fitHingeHead(features, nullptr, ridge, head.data(), cancelled, a.data(), kFurtherTarget);
    result.iterations += further.iterations;
    if (polish.errorBound(head.data(), a) < polish.errorBound(w, multipliers)) {
      std::copy(head.begin(), head.end(), w);
      result.residual = further.residual;
      result.status = further.status;
    } else {
      a = multipliers;
    }
  }
  if (polish.errorBound(w, a) > kAccuracy * std::sqrt(dot(w, w, features.penalised())))
    result.status = LinearHeadStatus::kNotConverged;
  return result;
}

Separated separated(const HeadFeatures& features, const std::atomic<bool>& cancelled) {
  HingeSets hardMargin(features, 1.0, std::numeric_limits<double>::infinity(), cancelled);
  std::vector<double> w(features.d);
  if (hardMargin.search(w.data())) return Separated::kYes;
  return hardMargin.isUnbounded() ? Separated::kNo : Separated::kUnknown;
}

}  // namespace prompt_attention
