#include "core/text/sparse_rows.h"

#include <algorithm>

namespace prompt_attention {

namespace {

// y[w] = Σ over the entries of a row of value · x, with w known at compile time where it is kWidth.
template <int kWidth>
void addRow(const SparseRows& M, size_t begin, size_t end, const double* X, int given, double* y) {
  const int w = kWidth > 0 ? kWidth : given;
  std::fill(y, y + w, 0.0);
  for (size_t e = begin; e < end; ++e) {
    const double value = M.value[e];
    const double* x = X + static_cast<size_t>(M.column[e]) * w;
    for (int j = 0; j < w; ++j) y[j] += value * x[j];
  }
}

}  // namespace

std::vector<int> balancedRanges(const std::vector<size_t>& cumulated, int parts) {
  const int rows = static_cast<int>(cumulated.size()) - 1;
  std::vector<int> bounds(parts + 1, rows);
  bounds[0] = 0;
  for (int part = 1; part < parts; ++part) {
    const size_t wanted = cumulated.back() / parts * part;
    const auto row = std::lower_bound(cumulated.begin(), cumulated.end(), wanted) - cumulated.begin();
    bounds[part] = std::clamp(static_cast<int>(row), bounds[part - 1], rows);
  }
  return bounds;
}

SparseRows transposed(const SparseRows& M) {
  SparseRows result;
  result.columns = M.rows();
  result.first.assign(static_cast<size_t>(M.columns) + 1, 0);
  for (const uint32_t column : M.column) ++result.first[column + 1];
  for (int j = 0; j < M.columns; ++j) result.first[j + 1] += result.first[j];
  result.column.resize(M.column.size());
  result.value.resize(M.value.size());
  std::vector<size_t> next(result.first.begin(), result.first.end() - 1);
  for (int i = 0; i < M.rows(); ++i)
    for (size_t e = M.first[i]; e < M.first[i + 1]; ++e) {
      const size_t to = next[M.column[e]]++;
      result.column[to] = static_cast<uint32_t>(i);
      result.value[to] = M.value[e];
    }
  return result;
}

void multiplyBlock(const SparseRows& M, const double* X, int w, double* Y, PartRunner& runner) {
  constexpr int kUsualWidth = 16;
  const std::vector<int> bounds = balancedRanges(M.first, kRowParts);
  runner.run(kRowParts, [&](int part, int) {
    for (int i = bounds[part]; i < bounds[part + 1]; ++i) {
      double* y = Y + static_cast<size_t>(i) * w;
      if (w == kUsualWidth)
        addRow<kUsualWidth>(M, M.first[i], M.first[i + 1], X, w, y);
      else
        addRow<0>(M, M.first[i], M.first[i + 1], X, w, y);
    }
  });
}

}  // namespace prompt_attention
