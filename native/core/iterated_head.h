// Logistic and hinge heads on given features V[n×d] (linear_heads.h, hinge_head.h) at the cost of the smaller
// of n and d.
//
// The head is a combination of the features, because the loss sees w by V w only and the penalty (or, at λ =
// 0, starting from w = 0) keeps the rest at 0. For n < d therefore V = L Qᵀ with L[n×n], orthonormal Q[d×n],
// and w = Q z with z the head on the rows of L: same margins, same norm, same residual. Cost 2n²d for L, then
// as for d = n; memory n d (V itself, overwritten) and that of the head for d = n. Every row of L is right to
// working precision of its own size, whatever the spread of the features (blas.h).
#pragma once

#include "core/head.h"
#include "core/linear_heads.h"

namespace prompt_attention {

// Logistic or hinge head into w[d]; V[n×d] is destroyed if n < d. Results as of fitLogisticHead.
LinearHeadResult fitIterated(const HeadOptions& options, double* V, const double* y, int n, int d, double* w,
                             const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
