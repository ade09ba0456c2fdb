#include "core/iterated_head.h"

#include <algorithm>

#include "core/blas.h"
#include "core/hinge_head.h"

namespace prompt_attention {

namespace {

LinearHeadResult fit(const HeadOptions& options, const double* V, const double* y, int n, int d, double* w,
                     const std::atomic<bool>& cancelled) {
  return options.kind == HeadKind::kLogistic ? fitLogisticHead(V, y, n, d, options.ridge, w, cancelled)
                                             : fitHingeHead(V, y, nullptr, n, d, options.ridge, w, cancelled);
}

}  // namespace

LinearHeadResult fitIterated(const HeadOptions& options, double* V, const double* y, int n, int d, double* w,
                             const std::atomic<bool>& cancelled) {
  if (n >= d) return fit(options, V, y, n, d, w, cancelled);
  std::vector<double> tau(n);
  std::vector<double> L(static_cast<size_t>(n) * n);
  lowerFactor(V, n, d, tau.data(), L.data());
  const LinearHeadResult result = fit(options, L.data(), y, n, n, w, cancelled);
  std::fill(w + n, w + d, 0.0);
  applyOrthogonal(V, n, d, tau.data(), w, false);
  return result;
}

}  // namespace prompt_attention
