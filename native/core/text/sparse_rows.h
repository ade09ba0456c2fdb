// A sparse matrix by rows, and its products with blocks of vectors.
//
// Y = M X costs 2·w multiplications per entry for w columns of X, whose rows lie contiguous: one entry reads
// and writes w numbers in a row. Rows are split over parts that write different rows of Y, so the result
// does not depend on the number of threads. Memory: 12 bytes per entry.
#pragma once

#include <cstdint>
#include <vector>

#include "core/models/objective.h"

namespace prompt_attention {

struct SparseRows {
  int columns = 0;
  std::vector<size_t> first;     // [rows+1]: entries of row i are first[i] … first[i+1]−1
  std::vector<uint32_t> column;  // [entries], ascending within a row
  std::vector<double> value;     // [entries]

  int rows() const { return static_cast<int>(first.size()) - 1; }
};

SparseRows transposed(const SparseRows& M);

// Y[rows×w] = M X, X[columns×w] row-major, w ≥ 1.
void multiplyBlock(const SparseRows& M, const double* X, int w, double* Y, PartRunner& runner);

// Bounds [parts+1] of contiguous ranges of rows with about as much work each, for cumulative work
// cumulated[rows+1].
std::vector<int> balancedRanges(const std::vector<size_t>& cumulated, int parts);

// Ranges that rows are split into.
constexpr int kRowParts = 32;

}  // namespace prompt_attention
