// Least squares heads whose Gram matrix is too ill-conditioned for its Cholesky factor alone:
//
//   w = argmin Σ (y_i − wᵀv_i)² + p‖w‖²,   p = nλ ≥ 0;  of least norm if it is not unique          theory.md
//   §10
//
// as an augmented system (augmented_system.h) with A = Vᵀ, or [Vᵀ; √p I], for n ≤ d (w of least norm with V w
// = y, whose rows may be scaled at will) and with A = V, or [V; √p I], for n > d. Factorisations are tried
// from the cheapest to the surest. Columns of A that are dependent even in double-double arithmetic are taken
// for exactly dependent: the head of least norm among the least squares ones.
//
// Cost: see augmented_system.h; the extended factorisation is tried as long as it takes no more than
// kMostExtendedWork = m · k · rank. Memory: orthogonalBytes. Failure: std::bad_alloc, or not kOk.
#pragma once

#include <atomic>

#include "core/base/augmented_system.h"
#include "core/heads/head.h"

namespace prompt_attention {

// Most bytes, to leading order.
double orthogonalBytes(double examples, double dimension, double ridge);

struct OrthogonalOutcome {
  TrialStatus status;
  Factorisation factorisation;
};

// Into w[d] all examples of `source`.
OrthogonalOutcome fitOrthogonally(FeatureSource& source, double penalty, double* w,
                                  const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
