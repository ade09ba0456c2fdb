// Draws of the score sums S1, S2, Sg of m irrelevant tokens (pooling.h) by Latin hypercube sampling.
//
// A batch of N draws, N prime, places every token once in each of the N cells of equal probability: token t
// of draw i is in cell j = (i z_t + k_t) mod N with z_t in 1 … N−1 and k_t in 0 … N−1 uniform. Within its
// cell its quantile is (j + δ)/N for even t and (j + 1 − δ)/N for odd t, one δ per batch, except in the
// kTailCells outermost cells on either side, where every token has its own offset: there one offset for all
// would make the tails of all tokens rise and fall together. Every token of every draw is N(0, 1), different
// tokens of a draw are independent but for their offsets within a cell, and averages over the batch of
// functions of one token are those of N strata: their variance is of order 1/N³ instead of 1/N. Batches are
// independent.
//
// e^{c g} takes N values per batch and parity, so that a draw costs two table look-ups per token, no normal
// and no exponential. For |c| > kLargestTableScale, where powers could overflow, the tables give g only.
#pragma once

#include <atomic>
#include <vector>

#include "core/random/random.h"

namespace prompt_attention {

constexpr double kLargestTableScale = 30.0;

// The sums of N draws, relative to e^shift as in ScoreSums of pooling.h.
struct ScoreSumBatch {
  std::vector<double> shift;         // [N]
  std::vector<double> exponentials;  // [N]
  std::vector<double> squares;       // [N]
  std::vector<double> weighted;      // [N]
};

// The smallest prime ≥ n.
int primeFrom(int n);

// Sums of m ≥ 1 scores c g_t for `draws` draws, prime; uniforms 0 … of the stream. Useless once `cancelled`.
void drawLatticeSums(const Stream& stream, int draws, int m, double c, const std::atomic<bool>& cancelled,
                     ScoreSumBatch& out);

// One normal per draw, one in each of `draws` cells, in random order; uniforms 0 … of the stream.
void drawStratifiedNormals(const Stream& stream, int draws, std::vector<double>& out);

}  // namespace prompt_attention
