// Mean, covariance C = (1/n) Σ (x_i − x̄)(x_i − x̄)ᵀ and its eigenvalues and eigenvectors, of rows X[n×d].
//
// Blocks of rows are centred and their Gram matrices added (level 3, n d²); the eigenproblem is LAPACK's
// dsyevr, O(d³). An eigenvector's sign makes its entry of largest modulus positive. Memory 3d² and one block.
// Failure: std::runtime_error if the eigenvalues do not converge, which finite rows do not cause.
#pragma once

#include <atomic>
#include <vector>

namespace prompt_attention {

struct PrincipalComponents {
  std::vector<double> mean;        // [d]
  std::vector<double> covariance;  // [d×d]
  std::vector<double> values;      // [d], in descending order
  std::vector<double> vectors;     // [d×d], one eigenvector per row
};

// n ≥ 1. Returns early, with a useless result, once `cancelled`.
PrincipalComponents principalComponents(const double* X, int n, int d, const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
