// Trials of the gradient-descent experiment without dimension (Gaussian noise; prompt attention, linear
// attention, mean pooling; gradient descent or momentum), exact in distribution: theory.md §9.
//
// q, w, their gradients and velocities are coordinates in a frame that begins with the plane of q⋆ and w⋆. A
// random start opens an axis for w and one for q; every step opens up to two more, for the noise in the two
// gradients. With the noise Z of the n·m irrelevant tokens drawn lazily (lazy_noise.h), a step is
//
//   query:    Zq, Zw; scores of relevant tokens rᵀq, rᵀw, of irrelevant ones μᵀq + (Zq)_t, μᵀw + (Zw)_t
//   weights:  a_t = softmax, score/T or 1/T, f = Σ a_t x_tᵀw, g = ∂loss/∂f
//   produce:  ∂/∂w = (1/n) Σ_i g_i Σ_t a_t x_t,   ∂/∂q = (1/n) Σ_i g_i Σ_t c_t x_t
//             with c_t = a_t (x_tᵀw − f) for the softmax, x_tᵀw/T for linear attention:
//             relevant tokens and the means of irrelevant ones in the plane, the rest is Zᵀ of the
//             coefficients
//
// and the update of q and w is the optimiser's, coordinate by coordinate: a linear rule commutes with the
// choice of frame, Adam does not. A prompt with step size 0 gets no gradient. Mean pooling sees the mean
// noise of an example only, N(0, σ²m/T²) in every direction: one row per example. With fresh examples every
// step has a Z of its own over the same frame.
//
// Cost: S steps O(n m S²) for reused examples, O(n m S) for fresh ones, plus testDraws·m per record; nothing
// grows with d. Memory: lazyDescentBytes.
#pragma once

#include "core/trials/descent.h"

namespace prompt_attention {

// Rows of Z: n·m, or n for mean pooling; 0 without noise.
double lazyDescentRows(const DescentSpec& spec);

double lazyDescentBytes(const DescentSpec& spec);

// As runDescentTrial. lazyDescentRows(spec) must be below 2³¹.
TrialStatus runLazyDescentTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                                DescentWorkspace& workspace, DescentMetrics* records);

}  // namespace prompt_attention
