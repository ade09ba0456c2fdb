// Least squares and least norm problems with one matrix, to full precision whatever its scales:
//
//   [I  A; Aᵀ 0] [s; t] = [f; g],       A[m×k], m ≥ k, of full rank                           theory.md §10
//
// f = y, g = 0: t = argmin ‖y − A t‖, s its residual.  f = 0, g = y: s = argmin ‖s‖ with Aᵀs = y, t = −b, s =
// A b.
//
// Rows are sorted by size and columns scaled by powers of two, both exactly. The solution
// of any factorisation is refined by residuals in double-double arithmetic (Björck 1967), with s and t kept
// in double-double too; a correction must fall by a factor per pass and ends below kRefinementTolerance of
// the solution, so that what is returned is right to that, and a factorisation too crude is found out. Three,
// each dearer and surer:
//
//   Gram        Cholesky of AᵀA without the two largest rows, which are put back by Woodbury's formula:
//   features
//               with a common mean have two. m k², contracts while κ(A)² ≲ 1e14.
//   orthogonal  Householder QR with column pivoting (row-wise stable: Cox, Higham 1998). 2 m k², κ ≲ 1e15.
//   extended    the same in double-double. About 40 m k², κ ≲ 1e26.
//
// Memory: A and a factor, 16 m k bytes; extended 24 m k. Failure: std::bad_alloc, or a result of false.
#pragma once

#include <atomic>
#include <initializer_list>
#include <memory>
#include <vector>

#include "core/base/double_double.h"
#include "core/base/extended_qr.h"

namespace prompt_attention {

enum class Factorisation { kGram, kOrthogonal, kExtended };

constexpr double kRefinementTolerance = 1e-10;
// Of the extended factorisation: seconds, not minutes.
constexpr double kMostExtendedWork = 6e9;

// What the columns have norm 1 in: outside the two largest rows, if they have anything there, or as a whole.
// The former holds columns apart that have large common rows and differ by noise of very different sizes, the
// latter those that the large rows tell apart; either can take columns for dependent that the other does not.
enum class ColumnScale { kOutsideLargeRows, kWhole };

class AugmentedSystem {
 public:
  // A[m×k], column-major.
  AugmentedSystem(std::vector<double> A, int m, int k, const std::atomic<bool>& cancelled);

  // Scales the columns anew, after which the system is not factored; false if nothing changes by it.
  bool scaleColumns(ColumnScale columnScale);

  // False if the columns are dependent to the working precision of the factorisation, or if the extended one
  // would take more than `mostWork` = m · k · rank.
  bool factor(Factorisation factorisation, double mostWork);
  // Whether the extended factorisation found the columns dependent.
  bool isDeficient() const {
    return extended_ != nullptr && extended_->isComplete() && extended_->isRankCertain() &&
           extended_->rank() < k_;
  }

  // Of the extended factorisation.
  int rank() const { return extended_->rank(); }

  // Which of the two is the solution that must be right; the other follows.
  enum class Target { kS, kT };
  // s[m], t[k] for f[m] (and its low parts) and g[k], each null for zeros. False if refinement does not
  // contract.
  bool solve(const double* f, const double* g, Target target, double* s, double* t,
             const double* fLow = nullptr);

  // With the factorisation kExtended, which may have found the rank r < k: t = argmin ‖f − A t‖ of least
  // norm.
  bool solveDeficient(const double* f, double* t);
  // Likewise the s of least norm among the minimisers of ‖g − Aᵀs‖.
  bool solveDeficientTransposed(const double* g, double* s);

 private:
  const double* column(int j) const { return A_.data() + static_cast<size_t>(j) * m_; }
  bool factorGram();
  bool factorOrthogonal();
  // ds, dt ← the solution by the factor for the residuals f, g.
  void correct(const ExtendedVector& f, const ExtendedVector& g, ExtendedVector& ds,
               ExtendedVector& dt) const;
  void correctByGram(const std::vector<double>& f, const std::vector<double>& g, std::vector<double>& ds,
                     std::vector<double>& dt) const;
  void correctByReflections(const std::vector<double>& f, const std::vector<double>& g,
                            std::vector<double>& ds, std::vector<double>& dt) const;
  void residuals(const ExtendedVector& f, const ExtendedVector& g, const ExtendedVector& s,
                 const ExtendedVector& t, ExtendedVector& fRest, ExtendedVector& gRest) const;

  const int m_;
  const int k_;
  const std::atomic<bool>& cancelled_;
  std::vector<double> A_;         // [k×m], rows sorted, columns scaled
  std::vector<int> rows_;         // [m] row i of A_ is row rows_[i] of A
  std::vector<double> scale_;     // [k] column j of A_ is scale_[j] times that of A
  std::vector<double> factor_;    // Gram or QR
  std::vector<double> tau_;       // [k]
  std::vector<double> woodbury_;  // [2×k] K⁻¹ of the two largest rows
  double small_[4] = {};          // (I + P K⁻¹Pᵀ)⁻¹ of the two largest rows P
  std::vector<int> pivots_;       // [k]
  std::unique_ptr<ExtendedQr> extended_;
  Factorisation factorisation_ = Factorisation::kGram;
};

struct AugmentedAttempt {
  bool isSolved;
  // The columns are dependent however they are scaled; the system has the extended factorisation of the
  // larger rank.
  bool isDeficient;
  Factorisation factorisation;
};

// solve() is called with the system factored, for every scale of the columns in each of the factorisations,
// until it returns true.
template <class Solve>
AugmentedAttempt attempt(AugmentedSystem& system, std::initializer_list<Factorisation> factorisations,
                         Solve solve) {
  bool isDeficient = true;
  int rank = 0;
  for (const ColumnScale columnScale : {ColumnScale::kOutsideLargeRows, ColumnScale::kWhole}) {
    if (!system.scaleColumns(columnScale) && columnScale == ColumnScale::kWhole) break;
    for (const Factorisation factorisation : factorisations)
      if (system.factor(factorisation, kMostExtendedWork) && solve()) return {true, false, factorisation};
    isDeficient = isDeficient && system.isDeficient();
    if (!isDeficient) continue;
    if (columnScale == ColumnScale::kOutsideLargeRows) {
      rank = system.rank();
    } else if (system.rank() < rank) {
      system.scaleColumns(ColumnScale::kOutsideLargeRows);
      system.factor(Factorisation::kExtended, kMostExtendedWork);
    }
  }
  return {false, isDeficient, Factorisation::kExtended};
}

}  // namespace prompt_attention
