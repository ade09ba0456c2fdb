// Asymptotic risk of a head learned with a known prompt q = τ q⋆ (theory.md §6), Gaussian noise.
//
// n, d → ∞ with n/d = α. Given (y, δ) and the scores of the irrelevant tokens, the feature has plane
// coordinates u = (u1, u2 + s z) with z ~ N(0, 1), and noise of variance s² in every orthogonal direction.
// Averages below are over (y, δ) exactly, over z (and at τ = 0 over t̃) in closed form, and over `draws` draws
// of the m scores.
//
//   least squares      α E[s²χκ] + αλχ = 1,  κ = 1/(1+s²χ)
//                      w = (E[κuuᵀ] + λI)⁻¹ E[κuy]
//                      r² = αχ²E[s²κ²(y − uᵀw)²] / D,  D = 1 − αχ²E[s⁴κ²] = αE[s²χκ²] + αλχ   (no
//                      cancellation)
//   λ = 0, α < 1       w = (E[uuᵀ/s²] + ((1−α)/α) I)⁻¹ E[uy/s²],  r² = αE[(y − uᵀw)²/s²] / (1−α)
//   λ = 0, α = 1       r = ∞, error ½
//   averaging          w = E[yu],  r² = E[s²]/α
//
//   error = E Φ(−y wᵀu / (s √(r² + w₂²)))
//
// Standard errors come from solving the equations anew on each of kBatches equal parts of the draws. Cost: m
// normals and exponentials per draw once; per sample ratio a few passes over 2·atoms·draws points.
#pragma once

#include <atomic>
#include <vector>

#include "core/head.h"
#include "core/mixture.h"

namespace prompt_attention {

struct RiskSpec {
  Mixture mixture;
  std::vector<double> sampleRatios;  // α > 0
  double inverseTemperature;         // τ
  HeadOptions head;
  int draws;  // ≥ 2·kBatches
  StreamKey key;
};

struct RiskPoint {
  double error;
  double standardError;
  double chi;  // ∞ for minimum-norm interpolation; NaN for averaging
  PlaneVector inPlaneHead;
  double orthogonalNorm;
};

struct RiskCurve {
  std::vector<RiskPoint> points;  // one per sample ratio
  double relevantAttention;
  double relevantAttentionStandardError;
};

// Throws std::runtime_error if a fixed point is not found; returns early, with no points, once `cancelled` is
// set.
RiskCurve knownPromptRisk(const RiskSpec& spec, const std::atomic<bool>& cancelled);

struct LongContextRisk {
  double error;
  double signalToNoise;
};

// T → ∞ for core confusion, ρ = 0, π = ½, q = τ q⋆: all examples share one signal-to-noise ratio
// S = (TW²/σ²) ζ²/(1−ζ) e^{2τQ² − 2σ²τ²Q²}; the equations above then have closed forms for every α and λ.
LongContextRisk longContextRisk(const Mixture& mixture, double sampleRatio, double inverseTemperature,
                                const HeadOptions& head);

}  // namespace prompt_attention
