#include "core/base/extended_qr.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/blas.h"

namespace prompt_attention {

ExtendedQr::ExtendedQr(const double* A, int m, int k, double mostWork, const std::atomic<bool>& cancelled)
    : m_(m),
      k_(k),
      hi_(A, A + static_cast<size_t>(m) * k),
      lo_(static_cast<size_t>(m) * k, 0.0),
      heads_(k),
      betas_(k),
      pivots_(k) {
  std::iota(pivots_.begin(), pivots_.end(), 0);
  double first = 0.0;
  for (int j = 0; j < k; ++j) {
    if (cancelled || static_cast<double>(m) * k * j > mostWork) return;
    // Norms to double precision, afresh: an update would lose those of columns that nearly vanish.
    int best = j;
    double largest = -1.0;
    for (int i = j; i < k; ++i) {
      const double square = dot(hi(i) + j, hi(i) + j, m - j);
      if (square > largest) {
        largest = square;
        best = i;
      }
    }
    if (best != j) swapColumns(j, best);
    const size_t length = m - j;
    const DoubleDouble norm = squareRoot(extendedDot(hi(j) + j, lo(j) + j, hi(j) + j, lo(j) + j, length));
    if (j == 0) first = norm.hi;
    if (!(norm.hi > kExtendedRankTolerance * first)) break;
    const DoubleDouble a{hi(j)[j], lo(j)[j]};
    const DoubleDouble r = a.hi >= 0.0 ? DoubleDouble{-norm.hi, -norm.lo} : norm;
    heads_[j] = a - r;
    betas_[j] = DoubleDouble{-1.0, 0.0} / (r * heads_[j]);
    hi(j)[j] = r.hi;
    lo(j)[j] = r.lo;
    rank_ = j + 1;
    for (int i = j + 1; i < k; ++i) reflect(j, hi(i), lo(i));
  }
  isComplete_ = true;
  for (int i = rank_; i < m && rank_ < k; ++i) {
    double row = 0.0;
    double left = 0.0;
    for (int j = 0; j < k; ++j) row = std::max(row, std::abs(A[static_cast<size_t>(j) * m + i]));
    for (int j = rank_; j < k; ++j) left = std::max(left, std::abs(hi(j)[i]));
    isRankCertain_ = isRankCertain_ && left <= kExtendedRounding * row;
  }
}

void ExtendedQr::swapColumns(int i, int j) {
  std::swap_ranges(hi(i), hi(i) + m_, hi(j));
  std::swap_ranges(lo(i), lo(i) + m_, lo(j));
  std::swap(pivots_[i], pivots_[j]);
}

void ExtendedQr::reflect(int j, double* xHi, double* xLo) const {
  const size_t tail = m_ - j - 1;
  const DoubleDouble top{xHi[j], xLo[j]};
  const DoubleDouble product =
      heads_[j] * top + extendedDot(hi(j) + j + 1, lo(j) + j + 1, xHi + j + 1, xLo + j + 1, tail);
  const DoubleDouble scale = DoubleDouble{-1.0, 0.0} * betas_[j] * product;
  const DoubleDouble moved = top + scale * heads_[j];
  xHi[j] = moved.hi;
  xLo[j] = moved.lo;
  extendedAddScaled(scale, hi(j) + j + 1, lo(j) + j + 1, tail, xHi + j + 1, xLo + j + 1);
}

void ExtendedQr::applyTransposed(ExtendedVector& x) const {
  for (int j = 0; j < rank_; ++j) reflect(j, x.hi.data(), x.lo.data());
}

void ExtendedQr::apply(ExtendedVector& x) const {
  for (int j = rank_ - 1; j >= 0; --j) reflect(j, x.hi.data(), x.lo.data());
}

void ExtendedQr::solve(ExtendedVector& x) const {
  for (int j = rank_ - 1; j >= 0; --j) {
    const DoubleDouble value = x[j] / entry(j, j);
    x.set(j, value);
    extendedAddScaled({-value.hi, -value.lo}, hi(j), lo(j), j, x.hi.data(), x.lo.data());
  }
}

void ExtendedQr::solveTransposed(ExtendedVector& x) const {
  for (int j = 0; j < rank_; ++j)
    x.set(j, (x[j] - extendedDot(hi(j), lo(j), x.hi.data(), x.lo.data(), j)) / entry(j, j));
}

}  // namespace prompt_attention
