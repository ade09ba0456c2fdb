// The law of the three-step trajectory (theory.md §7). Gaussian noise.
//
// With fluctuations: expectations at the given n1, n2, n3 and d, as averages over trajectories that are drawn
// one by one with everything random in them — labels, scores, noise, norms — together with the scores of a
// few test examples, so that one standard error covers all. Steps on samples of up to 5·10⁶ scores (an
// example counts as m + 16; labels of S1 as 4) are drawn as they are (three_step_projected.h): exact in
// distribution at any n and d ≥ 5. Larger ones use the normal law of their means (three_step_large.h).
// Without fluctuations: the limit n, d → ∞ with n_j/d fixed (three_step_limit.h).
//
// Trajectories: at least 64, a power of two times that, at most draws/4, as many as 25,000·draws units of
// work allow; 64 or 256 test examples each. If rare scores carry the error, which kPilots trajectories are
// asked (score_ladder.h), the test scores are drawn from a ladder common to all trajectories.
//
// What may fail, and is then not `reliable`: the error is carried by few trajectories (effectiveDraws =
// (Σv)²/Σv² over trajectories below kLeastEffectiveTrajectories), or by some so rare that most likely none
// was drawn. A sample does not know what it missed; trajectories with a quarter of n and d, whose
// fluctuations are twice as large, do: what has the probability Φ(−a/2) there has about Φ(−a) here. In both
// cases trajectories double, up to kMostTrajectoriesMore times. Also not reliable: noise of the moments of a
// large S3 shifts the error by more than its tenth and its standard error (the shift is a part of the latter
// in any case).
//
// Random numbers depend neither on n nor on d: laws at different n are functions of the same draws, and vary
// smoothly with n but for the steps at which the number of trajectories changes.
#pragma once

#include <array>
#include <atomic>

#include "core/mixture/mixture.h"
#include "core/trials/three_step.h"

namespace prompt_attention {

constexpr int kLeastLawDraws = 32;
constexpr int kMostTrajectoriesMore = 4;
// Chosen, not yet calibrated (test/audit/three-step.ts).
constexpr double kLeastEffectiveTrajectories = 30.0;
constexpr double kLargestRareShare = 0.05;
constexpr double kLargestBias = 0.1;

struct ThreeStepLawSpec {
  Mixture mixture;              // Gaussian noise; with fluctuations dimension ≥ kLeastProjectedDimension
  std::array<int, 3> examples;  // n1, n2, n3
  ThreeStepOptions options;
  bool fluctuations;
  int draws;  // ≥ kLeastLawDraws
  StreamKey key;
};

struct ThreeStepLaw {
  double error;
  double standardError;
  double contextOverlap;  // ⟨q1, q⋆⟩
  double contextOverlapStandardError;
  double signalOverlap;  // ⟨q1, w⋆⟩
  double signalOverlapStandardError;
  double promptNorm;  // ‖q1‖
  double promptNormStandardError;
  double relevantAttention;
  double relevantAttentionStandardError;
  double effectiveDraws;  // of trajectories
  bool reliable;          // error ± 1.96 standardError can be trusted
};

// Returns early, with no result, once `cancelled` is set.
ThreeStepLaw threeStepLaw(const ThreeStepLawSpec& spec, const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
