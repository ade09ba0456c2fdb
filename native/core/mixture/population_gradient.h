// Population gradients at q = 0 (theory.md §3.1): finite sums over the labels and atoms.
#pragma once

#include "core/mixture/mixture.h"

namespace prompt_attention {

// Expected negative gradients of the square loss at q = 0 in the canonical frame, for a head w[d]:
//
//   headGradient[d]   = −∇_w L(0, 0) = (2π−1)(ζ − (1−ζ)E δq) q⋆ + (ζ − (1−ζ)E δw) w⋆
//   promptGradient[d] = −∇_q L(w, 0) = E[(y − f0)(ζ(1−ζ)D Δ + V(1 − 1/T)w) + ζ v1(‖w‖²Δ + D w)]
//
// with Δ = r − μ, D = Δᵀw, f0 = ζ rᵀw + (1−ζ) μᵀw, V = ζσ_R² + (1−ζ)σ², v1 = (σ² − σ_R²)(1−ζ)/T, and y the
// observed label: 1 − 2ε times what stands above for headGradient. Exact for every noise whose third
// moments vanish, as those of all kinds here do: beyond them the noise enters through its covariance only.
void populationGradient(const Mixture& mixture, const double* w, double* headGradient,
                        double* promptGradient);

}  // namespace prompt_attention
