// The three-step trajectory in the limit n, d → ∞, n_j/d fixed (theory.md §7). Gaussian noise.
//
// Means are expectations: of S1 and S2 in closed form, of S3 averages over draws of the m scores
// (three_step_large.h). The error is a smooth function of those averages, which are noisy: kLimitBatches
// equal parts of the draws, moments and test errors alike, are left out in turn (jackknife), which gives the
// standard error and takes the bias of order 1/draws out. Draws, kLimitBatches·draws for the moments and an
// eighth of that for the test error, double up to kMostLimitDrawsMore times as long as fewer than
// kLeastEffectiveDraws test draws are effective, or the bias exceeds the error's tenth and its standard
// error. Cost: 36·draws·m normals and exponentials, 128·draws·(labels × atoms) tails.
#pragma once

#include "core/dynamics/three_step_law.h"

namespace prompt_attention {

constexpr int kLimitBatches = 32;
constexpr int kMostLimitDrawsMore = 4;

// Returns early, with no result, once `cancelled` is set.
ThreeStepLaw threeStepLimit(const ThreeStepLawSpec& spec, const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
