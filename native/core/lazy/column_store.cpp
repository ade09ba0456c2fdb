#include "core/lazy/column_store.h"

#include <algorithm>

#include "core/base/blas.h"

namespace prompt_attention {

namespace {

constexpr int kBlockNumbers = 1 << 16;  // 512 KiB
constexpr int kLeastBlockRows = 512;

}  // namespace

void ColumnStore::begin(int rows) {
  if (static_cast<size_t>(rows) > groupRows_) {
    groups_.clear();
    groupRows_ = rows;
  }
  rows_ = rows;
  columns_ = 0;
}

void ColumnStore::release() {
  groups_.clear();
  groups_.shrink_to_fit();
  groupRows_ = 0;
  rows_ = columns_ = 0;
}

double* ColumnStore::append() {
  const size_t group = columns_ / kColumnsPerGroup;
  // Not value-initialised: memory that no column has reached is never touched.
  if (group == groups_.size()) groups_.emplace_back(new double[kColumnsPerGroup * groupRows_]);
  return column(columns_++);
}

template <class Visit>
void ColumnStore::forEachBlock(Visit visit) const {
  if (columns_ == 0) return;
  const int size = std::max(kBlockNumbers / columns_, kLeastBlockRows);
  for (int first = 0; first < rows_; first += std::min(size, rows_ - first))
    visit(first, std::min(size, rows_ - first));
}

void ColumnStore::addBlockProducts(const double* x, int first, int count, double* y) const {
  for (int j = 0; j < columns_; j += kColumnsPerGroup)
    multiplyVector(false, 1.0, groups_[j / kColumnsPerGroup].get() + first,
                   std::min(kColumnsPerGroup, columns_ - j), count, rows_, x + first, 1.0, y + j);
}

void ColumnStore::addBlockCombination(double scale, const double* y, int first, int count, double* x) const {
  for (int j = 0; j < columns_; j += kColumnsPerGroup)
    multiplyVector(true, scale, groups_[j / kColumnsPerGroup].get() + first,
                   std::min(kColumnsPerGroup, columns_ - j), count, rows_, y + j, 1.0, x + first);
}

void ColumnStore::products(std::span<double* const> x, std::span<double* const> y) const {
  for (double* sums : y) std::fill(sums, sums + columns_, 0.0);
  forEachBlock([&](int first, int count) {
    for (size_t i = 0; i < x.size(); ++i) addBlockProducts(x[i], first, count, y[i]);
  });
}

void ColumnStore::addCombinations(double scale, std::span<double* const> y,
                                  std::span<double* const> x) const {
  forEachBlock([&](int first, int count) {
    for (size_t i = 0; i < x.size(); ++i) addBlockCombination(scale, y[i], first, count, x[i]);
  });
}

void ColumnStore::addCombinationsThenProducts(double scale, std::span<double* const> y,
                                              std::span<double* const> x, std::span<double* const> z) const {
  for (double* sums : z) std::fill(sums, sums + columns_, 0.0);
  forEachBlock([&](int first, int count) {
    for (size_t i = 0; i < x.size(); ++i) {
      addBlockCombination(scale, y[i], first, count, x[i]);
      addBlockProducts(x[i], first, count, z[i]);
    }
  });
}

}  // namespace prompt_attention
