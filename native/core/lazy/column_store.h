// A growing matrix of long columns, A ∈ R^{N×S}, with the products that lazy noise takes with it.
//
// Columns lie one after the other in groups of kColumnsPerGroup, so that appending never moves them. Products
// run over blocks of rows that stay in the second-level cache: several vectors, or an update and the products
// that follow it, read the columns from memory once. Level 2 BLAS; 2·N·S operations per vector and product.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace prompt_attention {

class ColumnStore {
 public:
  // Forgets all columns; keeps their memory if `rows` is no larger than before.
  void begin(int rows);
  int rows() const { return rows_; }
  int columns() const { return columns_; }
  // A new column [N] to be filled in. Throws std::bad_alloc.
  double* append();
  double* column(int j) {
    return groups_[j / kColumnsPerGroup].get() + static_cast<size_t>(j % kColumnsPerGroup) * rows_;
  }
  // Gives the memory back.
  void release();
  size_t bytes() const { return groups_.size() * kColumnsPerGroup * groupRows_ * sizeof(double); }

  // y_i[S] = Aᵀ x_i for each of the vectors x_i[N].
  void products(std::span<double* const> x, std::span<double* const> y) const;
  // x_i[N] += scale · A y_i.
  void addCombinations(double scale, std::span<double* const> y, std::span<double* const> x) const;
  // The same followed by z_i[S] = Aᵀ x_i.
  void addCombinationsThenProducts(double scale, std::span<double* const> y, std::span<double* const> x,
                                   std::span<double* const> z) const;

  static constexpr int kColumnsPerGroup = 16;

 private:
  // Calls visit(first row, rows) for every block.
  template <class Visit>
  void forEachBlock(Visit visit) const;
  void addBlockProducts(const double* x, int first, int count, double* y) const;
  void addBlockCombination(double scale, const double* y, int first, int count, double* x) const;

  int rows_ = 0;
  int columns_ = 0;
  size_t groupRows_ = 0;                           // rows that a group has room for
  std::vector<std::unique_ptr<double[]>> groups_;  // [kColumnsPerGroup×rows], row-major
};

}  // namespace prompt_attention
