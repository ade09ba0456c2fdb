// Largest singular values of a sparse matrix M[n×n] and their left singular vectors.
//
// Block Lanczos with thick restarts on A = MᵀM (Golub, Underwood 1977; Wu, Simon 2000): an orthonormal basis
// Q of right vectors grows by blocks, Y = M Q is kept beside it, and the next block is the part of MᵀY
// outside of Q, orthogonalised against all of Q twice. When the basis is full, the eigenvectors of YᵀY rotate
// both, the leading ones are kept, and the next block is appended to them. The residual of a Ritz pair, ‖A q
// − θ q‖, is read off what the next block was cut off with; the end is reached when it is below 10⁻⁸ θ_1 for
// all d pairs. Then σ = √θ and u = y/σ, whose error is about that residual over the gap of θ to its
// neighbours. Values below 10⁻⁷ σ_1, whose θ is rounding, are 0, and so are their vectors. A matrix hardly
// larger than the basis is made dense, and has the eigenvectors of MMᵀ.
//
// Directions that the matrix gives no more are replaced by random ones, so that repeated singular values and
// low rank are no exception. Random numbers: the stream kSubspace of the key, for the first block and for
// such directions. Cost of a basis vector: 4 multiplications per entry of M, and 8·n·(size of the basis).
// Memory beyond M and its transpose: about 6·n·d numbers. Failure: ConvergenceFailure after 300 restarts.
#pragma once

#include <atomic>
#include <vector>

#include "core/random/random.h"
#include "core/text/sparse_rows.h"

namespace prompt_attention {

struct TruncatedSvd {
  std::vector<double> values;  // [d], descending
  std::vector<double> left;    // [d×n]: one vector per row, whose entry of largest modulus is positive
};

// 1 ≤ d ≤ n. Returns early, with a useless result, once `cancelled`.
TruncatedSvd truncatedSvd(const SparseRows& M, int d, const StreamKey& key, PartRunner& runner,
                          const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
