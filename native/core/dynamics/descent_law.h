// The law of gradient descent on fresh examples, any number of joint steps (theory.md §13), Gaussian noise:
// prompt attention, linear attention or mean pooling; square or logistic loss; gradient descent, normalized
// or not, or momentum.
//
// The limit n, d → ∞ with n/d fixed is one path: each step's gradient (descent_step.h) is a mean over draws,
// to which new directions add their Gaussian part, of squared norm (d/n) σ² E[e² Σ u_t u_tᵀ]. Beside it go
// kReplicates paths with their share of the draws each, as trials of N_r examples in N_r d/n dimensions, in
// which nothing is left out: labels, noise along the frame and the norms of new directions fluctuate. What
// they differ by from the path on all draws is the term of order 1/N_r; times N_r/n it is that of order 1/n,
//
//   value(n) = value(all draws) + (N_r/n) (mean of the replicates − value(all draws)),
//
// exact in distribution where N_r = n, up to draws / kReplicates examples. The scatter of the replicates is
// that of the path on all draws: it gives the standard errors.
//
// Not reliable: an error that few replicates or test draws carry; where N_r < n, replicates that scatter much
// or are so far from the path on all draws that what they differ by is no term of order 1/N_r, linear
// attention, which leaves its saddle by fluctuations, and more than three steps of the normalized rule.
//
// Cost per step: drawTokenSums of `draws` examples at two points; per record three times so many test draws.
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "core/dynamics/descent_step.h"

namespace prompt_attention {

struct DescentLawSpec {
  DescentSpec
      descent;  // examples, steps, recordEvery, key and what is trained; a model without weights, no Adam
  std::vector<double> promptSteps;  // η of every step, as the next
  std::vector<double> headSteps;
  bool fluctuations;  // false: the limit
  int draws;          // ≥ 64
};

enum DescentField {
  kDescentError,
  kDescentLoss,
  kContextOverlap,      // ⟨q, q⋆⟩
  kSignalOverlap,       // ⟨q, w⋆⟩
  kHeadContextOverlap,  // ⟨w, q⋆⟩
  kHeadSignalOverlap,   // ⟨w, w⋆⟩
  kDescentPromptNorm,
  kDescentHeadNorm,
  kDescentRelevantAttention,
  kDescentFields
};

struct DescentRecord {
  int step;
  std::array<double, kDescentFields> values;
  std::array<double, kDescentFields> standardErrors;
  double effectiveDraws;  // behind the error
  bool reliable;
};

// One record per recorded step; values are not finite from where the path overflows. Returns early, with no
// result of use, once `cancelled`.
std::vector<DescentRecord> descentLaw(const DescentLawSpec& spec, PartRunner& runner,
                                      const std::atomic<bool>& cancelled);

// Smallest dimension whose fluctuations have room beside the frame.
constexpr int kLeastDescentDimension = kMostFrame + 2;

}  // namespace prompt_attention
