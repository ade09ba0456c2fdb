// Asymptotic risk of a head learned with a known prompt q = τ q⋆ (theory.md §6), Gaussian noise.
//
// n, d → ∞ with n/d = α. In the notation of risk_points.h and risk_sums.h, the limit of the head has plane
// coordinates w and the norm r orthogonal to them, and
//
//   test error      E Φ(−a/t),   a = wᵀb,   t = s √(r² + w2²)
//   training error  E Φ(−(a + e₀ χ s²)/t)
//
// Logistic, hinge, least squares: the fixed point of risk_fixed_point.h. In closed form, given χ:
//
//   least squares   α E[s²χκ] + αλχ = 1,  κ = 1/(1+s²χ), a scalar monotone equation
//                   w = (E[κuuᵀ] + λI)⁻¹ E[κuy]
//                   r² = αχ²E[s²κ²(y − uᵀw)²] / D,  D = 1 − αχ²E[s⁴κ²] = αE[s²χκ²] + αλχ   (no cancellation)
//   λ = 0, α < 1    w = (E[uuᵀ/s²] + ((1−α)/α) I)⁻¹ E[uy/s²],  r² = αE[(y − uᵀw)²/s²] / (1−α)
//   λ = 0, α = 1    r = ∞, error ½
//   averaging       w = E[yu],  r² = E[s²]/α,  that is e = 1, λ = 1, χ = 1/α
//   weighted        w2 = E[ω b2]/E[ω],  w1 = 0,  r² = E[ω²s²]/(αE[ω]²)   (weighted_averaging.h; theory.md
//   §11)
//
// λ → 0, logistic and hinge: for α below the threshold of separability the limit is the direction of the hard
// margin, above it the fixed point at λ = 0. Without noise r = 0 and w minimises a sum over (y, δ).
//
// Given the number n of examples, the limit is taken at their share of label +1, which is binomial, and every
// outcome averaged over it (label_imbalance.h): label imbalance gives the head a random component along q⋆ of
// order Q/√n, hence a term of order 1/n to every head's error (theory.md §10).
//
// Errors that few draws carry are integrated by risk_tail.h.
//
// Standard errors: the state solves equations f = 0 that are means over batches, so that the state of batch i
// alone is, to first order, that of all − J⁻¹ f_i; the scatter over the batches of what is computed from it
// counts, times the ratio of the 97.5 % quantiles of Student's t and of the normal law, so that ±1.96 of them
// cover 95 %. Cost: score_lattice.h once; per (α, λ) some passes over labels·atoms·draws points
// (risk_sums.h).
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "core/heads/head.h"
#include "core/laws/risk_fixed_point.h"
#include "core/mixture/mixture.h"
#include "core/models/objective.h"

namespace prompt_attention {

struct RiskSpec {
  Mixture mixture;
  std::vector<double> sampleRatios;  // α > 0
  std::vector<double> ridges;        // λ ≥ 0 of each point; not read by sums
  std::vector<double> examples;      // n of each point, or 0 for the limit itself; empty if all are 0
  double inverseTemperature;         // τ
  HeadKind head;
  bool intercept;  // of the head is free; not of sums
  int draws;       // ≥ 64
  StreamKey key;
  // Solve least squares by the general fixed point where it has one (λ > 0 or α > 1): for tests.
  bool general;
};

enum class RiskStatus { kOk, kNotConverged };

// What a point holds beside its status: a value and its standard error.
struct RiskValue {
  double value;
  double standardError;
};

enum RiskField {
  kRiskError,
  kRiskTrainingError,
  kRiskChi,  // ∞ for interpolation and the hard margin; NaN for sums
  kRiskHead1,
  kRiskHead2,
  kRiskOrthogonalNorm,
  kRiskHeadNorm,
  kRiskSignalCosine,  // 0 where a norm is 0 or ∞
  kRiskIntercept,     // what is subtracted from scores; 0 unless it is free
  // α_c for the logistic and hinge loss at λ = 0, else NaN. Below it the head is that of the hard margin.
  kRiskSeparability,
  kRiskFields
};

struct RiskPoint {
  RiskStatus status;
  std::array<RiskValue, kRiskFields> fields;
  RiskResiduals residuals;
  double effectiveDraws;  // behind the error; ∞ where nothing is drawn
  bool reliable;          // effectiveDraws ≥ kLeastEffectiveDraws
};

struct RiskCurve {
  std::vector<RiskPoint> points;  // one per sample ratio
  double relevantAttention;
  double relevantAttentionStandardError;
};

// Returns early, with no points, once `cancelled` is set.
RiskCurve knownPromptRisk(const RiskSpec& spec, PartRunner& runner, const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
