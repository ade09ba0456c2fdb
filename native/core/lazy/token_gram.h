// The Gram matrix of the tokens of N examples, and products with them of tokens of a test, exact in
// distribution and without dimension (Gaussian noise on irrelevant tokens).
//
// Relevant tokens of an example are one token of multiplicity k, as are irrelevant ones without noise: T'
// different tokens an example, the relevant one first. They have coordinates in the plane of q⋆ and w⋆; off
// it the noise of the R irrelevant ones is σ L times orthonormal rows, L[R×r], r = min(R, d−2), by its QR
// decomposition: normals below the diagonal and the norm of d−2−j normals on it (Bartlett). Rows of a fresh
// token off the plane have σ² L g with them, g[r] normals: what it has beyond the r directions is orthogonal
// to all of them.
//
// Cost: (N T')² r to make, 2 N T'² r per example of a test. Memory: bytes().
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/mixture/mixture.h"

namespace prompt_attention {

class TokenGram {
 public:
  // Draws labels and tokens of `examples` training examples of a trial; useless once `cancelled`.
  TokenGram(const Mixture& mixture, StreamKey key, uint64_t trial, int examples,
            const std::atomic<bool>& cancelled);

  // T'.
  static int tokensPerExample(const Mixture& mixture);
  static double bytes(const Mixture& mixture, double examples);

  int rows() const { return rows_; }  // N·T'
  const ExampleLabel& label(int i) const { return labels_[i]; }
  PlaneVector plane(int row) const { return plane_[row]; }
  double multiplicity(int token) const { return token < relevant_ ? relevantTokens_ : irrelevantEach_; }
  bool hasRelevant() const { return relevant_ > 0; }
  // Products of a token with all, [rows].
  const double* row(int row) const { return gram_.data() + static_cast<size_t>(row) * rows_; }

  // Labels of examples first … first+count−1 of the test into labels[count], and products of their tokens
  // with all into products[count·T'×rows].
  void drawTest(int first, int count, ExampleLabel* labels, double* products);

 private:
  void place(const ExampleLabel& label, const double* noise, PlaneVector* out) const;
  void placeAll(const Stream& stream, int first, int count, const ExampleLabel* labels,
                PlaneVector* out) const;
  void drawFactor();
  void makeGram();
  // Row of a row of L among all tokens.
  int rowOfNoise(int noiseRow) const {
    return noiseRow / irrelevant_ * (relevant_ + irrelevant_) + relevant_ + noiseRow % irrelevant_;
  }

  const Mixture& mixture_;
  const StreamKey key_;
  const uint64_t trial_;
  const std::atomic<bool>& cancelled_;
  const int relevant_;    // different relevant tokens an example: 0 or 1
  const int irrelevant_;  // different irrelevant ones
  const double relevantTokens_;
  const double irrelevantEach_;  // how many each stands for
  const int rows_;
  const int noiseRows_;  // R
  const int axes_;       // r
  std::vector<ExampleLabel> labels_;
  std::vector<PlaneVector> plane_;  // [rows]
  std::vector<double> factor_;      // σ L, [R×r]
  std::vector<double> gram_;        // [rows×rows]
  std::vector<double> block_;       // products of rows of noise, of a block
};

}  // namespace prompt_attention
