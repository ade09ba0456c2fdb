// The law of the three-step trajectory, n1, n2, n3, d → ∞ in proportion (theory.md §7), and population
// gradients (theory.md §3.1). Gaussian noise.
//
// The trajectory of three_step_projected.h is a function of sums over examples and of the χ norms of
// remainders. Its limit replaces every mean by its expectation and every χ_{d−j} by √d: it depends on n_j/d
// only. Expectations over S1 and S2 are exact (finite sums over y and δ; moments of polynomials of the scores
// up to degree 8 by a quadrature that is exact for them); those over S3, and the test error, are averages
// over `draws` draws of the m score normals, exact over y, δ and the noise along w1.
//
// With fluctuations everything random is kept to first order in 1/n. The trajectory is then a function F(z)
// of independent standard normals z:
//
//   S1: w1 in e1, e2 (labels and noise); χ_{d−2}
//   S2: q1 in e1, e2, e3 and the variance V2/n2, jointly; χ_{d−3}
//   S3: w2 in e1 … e4 and Σp²s²/n3, jointly, and with an intercept M/n3 in e1 … e4 and Σps²/n3 too; χ_{d−4};
//       M's component along e5
//
// where a joint law is the normal law with the exact mean and the exact covariance/n at the values of the
// earlier steps, and χ_ν = √ν (1 − 2/(9ν) + z√(2/(9ν)))^{3/2} (Wilson–Hilferty). Then
//
//   E F(z) ≈ F(0) + Σ_j (F(√3 ε_j) − 2F(0) + F(−√3 ε_j))/6
//
// (the three-point Gauss–Hermite rule in each coordinate) over the coordinates of S1 and S2, and inside, at
// each of those points, over the coordinates of S3. All terms of order 1/n are kept: the curvature of the
// error, and the shifts that earlier fluctuations cause in later means. What is left out is of order 1/n²:
// third cumulants of the averages, and mixed fourth derivatives within S1 and S2 or within S3. At small n the
// sum can leave [0, 1]; the error is clamped to it.
//
// Standard errors come from the same computation on each of kLawBatches equal parts of the draws. Cost with
// fluctuations: 34·draws·m normals and exponentials and about 450·draws·(labels × atoms) tails, 850 with an
// intercept; memory draws·(labels × atoms).
#pragma once

#include <array>
#include <atomic>

#include "core/mixture.h"
#include "core/three_step.h"

namespace prompt_attention {

constexpr int kLawBatches = 16;

struct ThreeStepLawSpec {
  Mixture mixture;              // Gaussian noise; with fluctuations dimension ≥ kLeastProjectedDimension
  std::array<int, 3> examples;  // n1, n2, n3
  ThreeStepOptions options;
  bool fluctuations;
  int draws;  // ≥ 2·kLawBatches
  StreamKey key;
};

struct ThreeStepLaw {
  double error;
  double standardError;
  double contextOverlap;  // ⟨q1, q⋆⟩
  double signalOverlap;   // ⟨q1, w⋆⟩
  double promptNorm;      // ‖q1‖
  double relevantAttention;
};

// Returns early, with no result, once `cancelled` is set.
ThreeStepLaw threeStepLaw(const ThreeStepLawSpec& spec, const std::atomic<bool>& cancelled);

// Expected negative gradients of the square loss at q = 0 in the canonical frame, for a head w[d]:
//
//   headGradient[d]   = −∇_w L(0, 0) = (2π−1)(ζ − (1−ζ)E δq) q⋆ + (ζ − (1−ζ)E δw) w⋆
//   promptGradient[d] = −∇_q L(w, 0) = E[(y − f0)(ζ(1−ζ)D Δ + σ²(1−ζ)(1 − 1/T)w) + ζ v1(‖w‖²Δ + D w)]
//
// with Δ = r − μ, D = Δᵀw, f0 = ζ rᵀw + (1−ζ) μᵀw, v1 = σ²(1−ζ)/T. Exact for every noise whose third
// moments vanish, as those of all kinds here do: beyond them the noise enters through its covariance only.
void populationGradient(const Mixture& mixture, const double* w, double* headGradient,
                        double* promptGradient);

}  // namespace prompt_attention
