// The three-step trajectory without dimension, exact in distribution for Gaussian noise (theory.md §5).
//
// S1, S2, S3 are independent and their noise is isotropic. A step looks at the noise of its sample only
// through directions fixed by the earlier steps; the rest enters through sums Σ (known weight)·(fresh N(0,
// I)), which are Gaussian in every direction not looked at. So the iterates are kept in an orthonormal frame
// e1 … e5 that grows by one axis a step: e1, e2 the plane of q⋆ and w⋆, e3 the direction of w1's remainder,
// e4 of q1's, e5 of w2's. The norm of a remainder in R^ν is χ_ν; its direction is uniform and nothing else
// depends on it. Cost: O(n1) uniforms and O((n2 + n3) m) normals; nothing grows with d. It needs
// kLeastProjectedDimension.
//
// Step 1. x̄_i has mean u_i = (k r_i + m μ_i)/T and noise of variance σ²m/T² in every direction, so
//
//   w1 = (η1/n1) Σ y_i u_i + s1 N(0, I_d),   s1 = η1 σ √m / (T √n1):
//
// two normals in e1, e2 and s1 χ_{d−2} along e3.
//
// Step 2. The noise of irrelevant token t is σ(g_t ŵ1 + z_t), ŵ1 = w1/‖w1‖, z_t ~ N(0, I) on the complement
// of ŵ1, independent of g_t. Scores a_t = ⟨x_t, w1⟩ and residuals see g_t only: a_t = rᵀw1 (relevant) or μᵀw1
// + σ‖w1‖g_t, c_t = (a_t − ā)/T, e = y − ā, and
//
//   q1 = (η2/n2) Σ_i e_i ( Σ_R c_t r + Σ_irr c_t μ + σ Σ_irr c_t g_t ŵ1 ) + (η2 σ/n2) √V2 N(0, I on ŵ1^⊥),
//   V2 = Σ_i e_i² Σ_irr c_it².
//
// The complement of ŵ1 meets e1 … e3 in two dimensions (three normals with their part along ŵ1 removed) and
// leaves d − 3: χ_{d−3} along e4.
//
// Step 3. With A, t̃, s of attention.h at q1, v_i = A r + (1−A) μ + t̃ q̂ + s_i h_i, h_i ~ N(0, I) on the
// complement of q̂ = q1/‖q1‖. Two sums are needed, P = Σ p_i v_i (w2 = (η3/n3) P, + w1 if continued) and, for
// the intercept b = ⟨w2, M⟩/n3, M = Σ v_i.
//
// Fresh head: p_i = y_i does not depend on h_i. Other heads: p_i = y_i − w1ᵀv_i sees h_i along the part of w1
// orthogonal to q̂, ω u with unit u (in e1 … e4): h_i = ξ_i u + h'_i with one more normal ξ_i per example,
//
//   p_i = y_i − A w1ᵀr − (1−A) w1ᵀμ − t̃ w1ᵀq̂ − s_i ω ξ_i.
//
// Given all these scalars, Σ p_i s_i h'_i and Σ s_i h'_i are jointly Gaussian on the complement of q̂ and u
// (of q̂ alone for the fresh head: u = 0), with the covariance, in every direction,
//
//   | Σ p_i² s_i²   Σ p_i s_i² |                    (Σ p_i s_i h'_i,  Σ s_i h'_i) = (l11 Z,  l21 Z + l22 Z'),
//   | Σ p_i s_i²    Σ s_i²     |  = L Lᵀ,   so that
//
// Z, Z' ~ N(0, I) independent on that complement. In e1 … e4 these are four normals each, with their parts
// along q̂ and u removed. The remainder lives in the d − 4 dimensions beyond e4: Z there has norm χ_{d−4},
// which defines e5, and Z' has the component N(0, 1) along e5. What Z' has beyond e5 is orthogonal to w2,
// hence never enters b, so no second χ is drawn: this is the Gram matrix of two Gaussian vectors (Bartlett)
// without the entry that nothing reads. For the fresh head it is the identity ⟨Σ y_i s_i h_i, Σ s_i h_i⟩ =
// ‖H₊‖² − ‖H₋‖² for the sums over y = ±1.
//
// Where ‖w1‖, ‖q1‖ or ω is 0 the unit vector is taken as 0: then nothing is removed and nothing is looked at,
// which is again exact.
#pragma once

#include "core/mixture/frame.h"
#include "core/trials/three_step.h"

namespace prompt_attention {

constexpr int kLeastProjectedDimension = 5;

// Its steps one by one, for who replaces some of them (three_step_law.h): w1, q1 given w1, and w2 and b given
// both. Coordinates in e1 … e5. They end early, with a useless result, once `cancelled`.
FrameVector projectFirstHead(const ThreeStepSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                             ThreeStepWorkspace& workspace);
FrameVector projectFirstPrompt(const ThreeStepSpec& spec, uint64_t trial, const FrameVector& w1,
                               const std::atomic<bool>& cancelled, ThreeStepWorkspace& workspace);
FrameVector projectSecondHead(const ThreeStepSpec& spec, uint64_t trial, const FrameVector& w1,
                              const FrameVector& q1, const std::atomic<bool>& cancelled,
                              ThreeStepWorkspace& workspace, double& intercept);

// The trajectory of one trial.
void projectThreeSteps(const ThreeStepSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                       ThreeStepWorkspace& workspace, ThreeStepIterates& iterates);

}  // namespace prompt_attention
