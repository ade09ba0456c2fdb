// Householder QR factorisation with column pivoting in double-double arithmetic: A P = Q R, A[m×k] of
// doubles, column-major, m ≥ k. What is left when LAPACK's factorisation cannot tell a small pivot from
// rounding.
//
// Columns are told dependent from kExtendedRankTolerance of the largest pivot down, so callers scale them.
// Cost about 40 m k² elementary operations, at 1e9 entries per second and thread with fused multiplication;
// memory 16 m k bytes. Failure: std::bad_alloc; given up, with a useless factor, once `cancelled` or beyond
// the work m · k · rank that it is allowed.
#pragma once

#include <atomic>
#include <vector>

#include "core/base/double_double.h"

namespace prompt_attention {

constexpr double kExtendedRankTolerance = 1e-26;
// Of the largest entry of a row of A.
constexpr double kExtendedRounding = 1e-24;

class ExtendedQr {
 public:
  ExtendedQr(const double* A, int m, int k, double mostWork, const std::atomic<bool>& cancelled);

  // False if it was given up.
  bool isComplete() const { return isComplete_; }
  int rank() const { return rank_; }
  // Whether what is left of the columns beyond the rank is rounding in every row, and not small entries of A.
  bool isRankCertain() const { return isRankCertain_; }
  // Column of A that is column j of A P.
  int pivot(int j) const { return pivots_[j]; }
  // R_ij, i ≤ j.
  DoubleDouble entry(int i, int j) const { return {hi(j)[i], lo(j)[i]}; }
  // x[m] ← Qᵀx or Q x.
  void applyTransposed(ExtendedVector& x) const;
  void apply(ExtendedVector& x) const;
  // x[r] ← R⁻¹x or R⁻ᵀx for the leading r×r part of R, r the rank.
  void solve(ExtendedVector& x) const;
  void solveTransposed(ExtendedVector& x) const;

 private:
  double* hi(int j) { return hi_.data() + static_cast<size_t>(j) * m_; }
  double* lo(int j) { return lo_.data() + static_cast<size_t>(j) * m_; }
  const double* hi(int j) const { return hi_.data() + static_cast<size_t>(j) * m_; }
  const double* lo(int j) const { return lo_.data() + static_cast<size_t>(j) * m_; }
  void swapColumns(int i, int j);
  // Reflection j: x −= β v (vᵀx) below row j.
  void reflect(int j, double* xHi, double* xLo) const;

  const int m_;
  const int k_;
  int rank_ = 0;
  bool isComplete_ = false;
  bool isRankCertain_ = true;
  std::vector<double> hi_;  // [k×m] R above, tails of the reflections' vectors below the diagonal
  std::vector<double> lo_;
  std::vector<DoubleDouble> heads_;  // [k] first entries of the vectors
  std::vector<DoubleDouble> betas_;  // [k]
  std::vector<int> pivots_;
};

}  // namespace prompt_attention
