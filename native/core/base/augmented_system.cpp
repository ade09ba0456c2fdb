#include "core/base/augmented_system.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/base/blas.h"

namespace prompt_attention {

namespace {

constexpr int kMostPasses = 20;
constexpr double kContraction = 0.5;
// Passes end below this share of the solution: nothing is gained beyond.
constexpr double kFinalCorrection = 1e-13;
// Of f, in units in which the columns of A have norm 1.
constexpr double kNegligible = 1e-15;
constexpr int kLargeRows = 2;
constexpr double kLeastGramCondition = 1e-13;  // reciprocal
constexpr double kRankTolerance = 1e-15;       // of the largest pivot, columns of unit norm

double norm(const std::vector<double>& x) {
  double largest = 0.0;
  for (const double value : x) largest = std::max(largest, std::abs(value));
  if (!(largest > 0.0) || std::isinf(largest)) return largest;
  double sum = 0.0;
  for (const double value : x) sum += (value / largest) * (value / largest);
  return largest * std::sqrt(sum);
}

// The power of two next below 1/x.
double powerBelow(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return x > 0.0 && std::isfinite(x) ? std::ldexp(1.0, std::clamp(-exponent, -1000, 1000)) : 1.0;
}

}  // namespace

AugmentedSystem::AugmentedSystem(std::vector<double> A, int m, int k, const std::atomic<bool>& cancelled)
    : m_(m), k_(k), cancelled_(cancelled), A_(std::move(A)), rows_(m), scale_(k, 1.0), pivots_(k) {
  std::vector<double> size(m, 0.0);
  for (int j = 0; j < k; ++j)
    for (int i = 0; i < m; ++i) size[i] = std::max(size[i], std::abs(column(j)[i]));
  std::iota(rows_.begin(), rows_.end(), 0);
  std::stable_sort(rows_.begin(), rows_.end(), [&](int a, int b) { return size[a] > size[b]; });
  std::vector<double> sorted(m);
  for (int j = 0; j < k; ++j) {
    double* a = A_.data() + static_cast<size_t>(j) * m;
    for (int i = 0; i < m; ++i) sorted[i] = a[rows_[i]];
    std::copy(sorted.begin(), sorted.end(), a);
  }
}

bool AugmentedSystem::scaleColumns(ColumnScale columnScale) {
  const int head = columnScale == ColumnScale::kOutsideLargeRows && m_ > kLargeRows ? kLargeRows : 0;
  bool isChanged = false;
  for (int j = 0; j < k_; ++j) {
    double* a = A_.data() + static_cast<size_t>(j) * m_;
    const auto largestFrom = [&](int first) {
      double largest = 0.0;
      for (int i = first; i < m_; ++i) largest = std::max(largest, std::abs(a[i]));
      return largest;
    };
    const double largest = largestFrom(head);
    double scale = powerBelow(largest);
    double sum = 0.0;
    for (int i = head; i < m_; ++i) sum += (scale * a[i]) * (scale * a[i]);
    if (sum > 0.0)
      scale *= powerBelow(std::sqrt(sum));
    else
      scale = powerBelow(largestFrom(0));
    if (scale == 1.0) continue;
    isChanged = true;
    scale_[j] *= scale;
    for (int i = 0; i < m_; ++i) a[i] *= scale;
  }
  if (isChanged) extended_.reset();
  return isChanged;
}

bool AugmentedSystem::factor(Factorisation factorisation, double mostWork) {
  factorisation_ = factorisation;
  switch (factorisation) {
    case Factorisation::kGram:
      return factorGram();
    case Factorisation::kOrthogonal:
      return factorOrthogonal();
    case Factorisation::kExtended:
      factor_.clear();
      factor_.shrink_to_fit();
      extended_ = std::make_unique<ExtendedQr>(A_.data(), m_, k_, mostWork, cancelled_);
      return extended_->rank() == k_;
  }
  return false;
}

bool AugmentedSystem::factorGram() {
  const int rest = m_ - kLargeRows;
  if (rest < k_) return false;
  factor_.resize(static_cast<size_t>(k_) * k_);
  outerGram(A_.data() + kLargeRows, k_, rest, m_, factor_.data());
  std::vector<double> work(3 * static_cast<size_t>(k_));
  std::vector<int> integerWork(k_);
  woodbury_.resize(2 * static_cast<size_t>(k_));
  double* first = woodbury_.data();
  double* second = first + k_;
  for (int j = 0; j < k_; ++j) {
    first[j] = column(j)[0];
    second[j] = column(j)[1];
  }
  if (solvePositiveDefinite(factor_.data(), k_, first, work.data(), integerWork.data()) < kLeastGramCondition)
    return false;
  solveFactored(factor_.data(), k_, second);
  double a = 1.0;
  double b = 0.0;
  double c = 1.0;
  for (int j = 0; j < k_; ++j) {
    a += column(j)[0] * first[j];
    b += column(j)[1] * first[j];
    c += column(j)[1] * second[j];
  }
  const double determinant = a * c - b * b;
  if (!(determinant > std::numeric_limits<double>::epsilon() * a * c)) return false;
  small_[0] = c / determinant;
  small_[1] = small_[2] = -b / determinant;
  small_[3] = a / determinant;
  return true;
}

bool AugmentedSystem::factorOrthogonal() {
  factor_ = A_;
  tau_.resize(k_);
  pivotedQr(factor_.data(), m_, k_, pivots_.data(), tau_.data());
  const double first = std::abs(factor_[0]);
  double least = first;
  for (int j = 0; j < k_; ++j) least = std::min(least, std::abs(factor_[static_cast<size_t>(j) * m_ + j]));
  return least > kRankTolerance * first;
}

void AugmentedSystem::residuals(const ExtendedVector& f, const ExtendedVector& g, const ExtendedVector& s,
                                const ExtendedVector& t, ExtendedVector& fRest, ExtendedVector& gRest) const {
  for (int i = 0; i < m_; ++i) fRest.set(i, f[i] - s[i]);
  for (int j = 0; j < k_; ++j) {
    extendedAddScaled({-t.hi[j], -t.lo[j]}, column(j), nullptr, m_, fRest.hi.data(), fRest.lo.data());
    gRest.set(j, g[j] - extendedDot(column(j), nullptr, s.hi.data(), s.lo.data(), m_));
  }
}

void AugmentedSystem::correctByGram(const std::vector<double>& f, const std::vector<double>& g,
                                    std::vector<double>& ds, std::vector<double>& dt) const {
  // AᵀA dt = Aᵀf − g
  product(A_.data(), k_, m_, f.data(), dt.data());
  for (int j = 0; j < k_; ++j) dt[j] -= g[j];
  solveFactored(factor_.data(), k_, dt.data());
  double p = 0.0;
  double q = 0.0;
  for (int j = 0; j < k_; ++j) {
    p += column(j)[0] * dt[j];
    q += column(j)[1] * dt[j];
  }
  addScaled(-(small_[0] * p + small_[1] * q), woodbury_.data(), k_, dt.data());
  addScaled(-(small_[2] * p + small_[3] * q), woodbury_.data() + k_, k_, dt.data());
  ds = f;
  addTransposedProduct(-1.0, A_.data(), k_, m_, dt.data(), ds.data());
}

void AugmentedSystem::correctByReflections(const std::vector<double>& f, const std::vector<double>& g,
                                           std::vector<double>& ds, std::vector<double>& dt) const {
  // With c = Qᵀf, u = R⁻ᵀPᵀg: s = Q (u, c₂), R Pᵀt = c₁ − u.
  std::vector<double> u(k_);
  ds = f;
  applyQ(true, factor_.data(), m_, k_, tau_.data(), ds.data());
  for (int j = 0; j < k_; ++j) u[j] = g[pivots_[j]];
  solveUpper(true, factor_.data(), m_, k_, u.data());
  std::vector<double> x(k_);
  for (int j = 0; j < k_; ++j) {
    x[j] = ds[j] - u[j];
    ds[j] = u[j];
  }
  solveUpper(false, factor_.data(), m_, k_, x.data());
  for (int j = 0; j < k_; ++j) dt[pivots_[j]] = x[j];
  applyQ(false, factor_.data(), m_, k_, tau_.data(), ds.data());
}

void AugmentedSystem::correct(const ExtendedVector& f, const ExtendedVector& g, ExtendedVector& ds,
                              ExtendedVector& dt) const {
  if (factorisation_ != Factorisation::kExtended) {
    std::fill(ds.lo.begin(), ds.lo.end(), 0.0);
    std::fill(dt.lo.begin(), dt.lo.end(), 0.0);
    if (factorisation_ == Factorisation::kGram) correctByGram(f.hi, g.hi, ds.hi, dt.hi);
    if (factorisation_ == Factorisation::kOrthogonal) correctByReflections(f.hi, g.hi, ds.hi, dt.hi);
    return;
  }
  ExtendedVector u(k_);
  ExtendedVector x(k_);
  ds = f;
  extended_->applyTransposed(ds);
  for (int j = 0; j < k_; ++j) u.set(j, g[extended_->pivot(j)]);
  extended_->solveTransposed(u);
  for (int j = 0; j < k_; ++j) {
    x.set(j, ds[j] - u[j]);
    ds.set(j, u[j]);
  }
  extended_->solve(x);
  for (int j = 0; j < k_; ++j) dt.set(extended_->pivot(j), x[j]);
  extended_->apply(ds);
}

bool AugmentedSystem::solve(const double* f, const double* g, Target target, double* s, double* t,
                            const double* fLow) {
  ExtendedVector given(m_), rightHandSide(k_), sum(m_), solution(k_), fRest(m_), gRest(k_), ds(m_), dt(k_);
  if (f != nullptr)
    for (int i = 0; i < m_; ++i) given.set(i, {f[rows_[i]], fLow == nullptr ? 0.0 : fLow[rows_[i]]});
  if (g != nullptr)
    for (int j = 0; j < k_; ++j) rightHandSide.hi[j] = scale_[j] * g[j];
  // Sizes of t as the caller sees it.
  const auto unscaled = [&](const std::vector<double>& x) {
    std::vector<double> out(k_);
    for (int j = 0; j < k_; ++j) out[j] = scale_[j] * x[j];
    return out;
  };
  const auto size = [&](const ExtendedVector& ofS, const ExtendedVector& ofT) {
    return target == Target::kS ? norm(ofS.hi) : norm(unscaled(ofT.hi));
  };
  const double sizeOfF = norm(given.hi);
  double previous = std::numeric_limits<double>::infinity();
  bool isRight = false;
  for (int pass = 0; pass < kMostPasses && !cancelled_; ++pass) {
    residuals(given, rightHandSide, sum, solution, fRest, gRest);
    correct(fRest, gRest, ds, dt);
    const double change = size(ds, dt);
    if (!std::isfinite(change)) break;
    // What the first pass leaves may be as large as what it found: where a solution is small beside its
    // terms.
    if (pass > 1 && !(change <= kContraction * previous)) {
      // The solution may be 0 beside what it is made of.
      isRight = isRight || norm(target == Target::kS ? ds.hi : dt.hi) <= kNegligible * sizeOfF;
      break;
    }
    for (int i = 0; i < m_; ++i) sum.set(i, sum[i] + ds[i]);
    for (int j = 0; j < k_; ++j) solution.set(j, solution[j] + dt[j]);
    const double total = size(sum, solution);
    isRight = pass > 0 && change <= kRefinementTolerance * total;
    if (isRight && change <= kFinalCorrection * total) break;
    previous = change;
  }
  if (!isRight) return false;
  for (int i = 0; i < m_; ++i) s[rows_[i]] = sum.hi[i];
  for (int j = 0; j < k_; ++j) t[j] = scale_[j] * solution.hi[j];
  return true;
}

bool AugmentedSystem::solveDeficient(const double* f, double* t) {
  const int r = extended_->rank();
  const int free = k_ - r;
  ExtendedVector c(m_);
  for (int i = 0; i < m_; ++i) c.hi[i] = f[rows_[i]];
  extended_->applyTransposed(c);
  extended_->solve(c);
  // All minimisers are base + N z.
  std::vector<double> base(k_, 0.0);
  std::vector<double> N(static_cast<size_t>(k_) * free, 0.0);
  for (int i = 0; i < r; ++i) base[extended_->pivot(i)] = -scale_[extended_->pivot(i)] * c.hi[i];
  ExtendedVector x(k_);
  for (int j = 0; j < free && !cancelled_; ++j) {
    for (int i = 0; i < r; ++i) x.set(i, extended_->entry(i, r + j));
    extended_->solve(x);
    double* column = N.data() + static_cast<size_t>(j) * k_;
    for (int i = 0; i < r; ++i) column[extended_->pivot(i)] = -scale_[extended_->pivot(i)] * x.hi[i];
    column[extended_->pivot(r + j)] = scale_[extended_->pivot(r + j)];
  }
  AugmentedSystem least(std::move(N), k_, free, cancelled_);
  std::vector<double> z(free);
  if (!least.factor(Factorisation::kOrthogonal, 0.0) ||
      !least.solve(base.data(), nullptr, Target::kS, t, z.data()))
    return false;
  for (int j = 0; j < k_; ++j) t[j] = -t[j];
  return true;
}

bool AugmentedSystem::solveDeficientTransposed(const double* g, double* s) {
  const int r = extended_->rank();
  std::fill(s, s + m_, 0.0);
  if (r == 0) return true;
  // Aᵀ = M Qᵀ
  std::vector<double> M(static_cast<size_t>(k_) * r, 0.0);
  for (int j = 0; j < k_; ++j)
    for (int i = 0; i <= std::min(j, r - 1); ++i)
      M[static_cast<size_t>(i) * k_ + extended_->pivot(j)] =
          extended_->entry(i, j).hi / scale_[extended_->pivot(j)];
  AugmentedSystem least(std::move(M), k_, r, cancelled_);
  std::vector<double> rest(k_);
  std::vector<double> z(r);
  if (!least.factor(Factorisation::kOrthogonal, 0.0) ||
      !least.solve(g, nullptr, Target::kT, rest.data(), z.data()))
    return false;
  ExtendedVector x(m_);
  std::copy(z.begin(), z.end(), x.hi.begin());
  extended_->apply(x);
  for (int i = 0; i < m_; ++i) s[rows_[i]] = x.hi[i];
  return true;
}

}  // namespace prompt_attention
