// Words that occur near each other, as a matrix of positive pointwise mutual information (PPMI).
//
//   C_ij  = Σ over pairs of positions of words i and j of one text, at a distance δ ≤ L, of L + 1 − δ
//   M_ij  = max(0, log(C_ij / (r_i p_j)) − log k),   r_i = Σ_j C_ij,   p_j = r_j^a / Σ_l r_l^a
//
// (Levy, Goldberg, Dagan 2015: a window whose weights fall linearly, shift log k, smoothing a of the
// distribution of contexts; a = 1, k = 1 is plain PPMI.) C is symmetric, and its entries are integers that
// are added exactly up to 2⁵³. Every row is gathered from the positions of its word into one dense array, so
// the memory is that of the entries, whatever the length of the texts: 24 bytes per entry of C at most, and
// 9 per position. Cost: 2L additions per position, and a sort of every row's columns.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/text/sparse_rows.h"

namespace prompt_attention {

struct CooccurrenceOptions {
  int window;        // L ≥ 1
  double shift;      // k > 0
  double smoothing;  // a ∈ [0, 1]
};

// Positions of all texts behind each other: words below V, V for a word that has no row but keeps its place,
// V + 1 behind the end of every text.
struct WordSequence {
  int vocabulary;               // V ≥ 1
  std::vector<uint32_t> words;  // [positions]
};

// C[V×V]. Returns early, with a matrix of zeros, once `cancelled`.
SparseRows countCooccurrences(const WordSequence& texts, int window, PartRunner& runner,
                              const std::atomic<bool>& cancelled);

// M[V×V] from C, whose memory it takes; without the entries that are 0.
SparseRows positiveInformation(SparseRows C, double shift, double smoothing);

}  // namespace prompt_attention
