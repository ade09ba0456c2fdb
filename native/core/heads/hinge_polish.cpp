#include "core/heads/hinge_polish.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/augmented_system.h"
#include "core/base/blas.h"
#include "core/base/double_double.h"
#include "core/heads/hinge_head.h"

namespace prompt_attention {

namespace {

constexpr int kMostChanges = 100;
constexpr double kSlack = 1e-9;
constexpr double kAccuracy = 1e-6;
constexpr double kFurtherTarget = 1e-15;
// Wider features, whose matrix is d×d here, are left as they are.
constexpr int kMostColumnsPerRow = 4;
// Of f = (1/λ) Σ_U …, which is known to 1e-30 of its size, in w.
constexpr double kMostCancellation = 1e20;

enum class Side : signed char { kBelow, kAt, kAbove };

class HingePolish {
 public:
  HingePolish(const double* V, const double* y, int n, int d, double ridge,
              const std::atomic<bool>& cancelled)
      : V_(V), y_(y), n_(n), d_(d), ridge_(ridge), cancelled_(cancelled), sides_(n), margins_(n) {}

  // From an approximate head w[d] and multipliers a[n]; true with the exact head in w.
  bool polish(double* w, const std::vector<double>& a) {
    margins(w);
    shares_ = a;
    for (int i = 0; i < n_; ++i) {
      const double share = shares_[i] *= n_;
      const double excess = margins_[i] - 1.0;
      sides_[i] = excess > share ? Side::kAbove : -excess > 1.0 - share ? Side::kBelow : Side::kAt;
    }
    std::vector<double> head(d_);
    for (int change = 0; change < kMostChanges && !cancelled_; ++change) {
      if (!solve(head)) return false;
      if (settle(head.data())) {
        std::copy(head.begin(), head.end(), w);
        return true;
      }
    }
    return false;
  }

  // ‖w − ŵ‖ by the duality gap.
  double errorBound(const double* w, const std::vector<double>& a) {
    margins(w);
    std::vector<double> combination(d_, 0.0);
    std::vector<double> signedA(n_);
    double loss = 0.0;
    double sum = 0.0;
    for (int i = 0; i < n_; ++i) {
      loss += std::max(0.0, 1.0 - margins_[i]) / n_;
      sum += a[i];
      signedA[i] = a[i] * y_[i];
    }
    addTransposedProduct(1.0, V_, n_, d_, signedA.data(), combination.data());
    const double penalty = 0.5 * ridge_ * dot(w, w, d_);
    const double dualPenalty = 0.5 * dot(combination.data(), combination.data(), d_) / ridge_;
    const double rounding =
        4.0 * std::numeric_limits<double>::epsilon() * (loss + penalty + sum + dualPenalty);
    const double gap = std::max(loss + penalty - sum + dualPenalty, rounding);
    return std::sqrt(2.0 * gap / ridge_);
  }

 private:
  void margins(const double* w) {
    product(V_, n_, d_, w, margins_.data());
    for (int i = 0; i < n_; ++i) margins_[i] *= y_[i];
  }

  bool solve(std::vector<double>& head) {
    ExtendedVector f(d_);
    const DoubleDouble unit =
        DoubleDouble{1.0, 0.0} / (DoubleDouble{static_cast<double>(n_), 0.0} * DoubleDouble{ridge_, 0.0});
    at_.clear();
    for (int i = 0; i < n_; ++i) {
      if (sides_[i] == Side::kBelow)
        extendedAddScaled({y_[i] * unit.hi, y_[i] * unit.lo}, V_ + static_cast<size_t>(i) * d_, nullptr, d_,
                          f.hi.data(), f.lo.data());
      if (sides_[i] == Side::kAt) at_.push_back(i);
    }
    const int k = static_cast<int>(at_.size());
    multipliers_.assign(k, 0.0);
    if (k == 0) {
      head = f.hi;
      return true;
    }
    // Rows of zeros where there are more examples than dimensions, which are then dependent.
    const int m = std::max(d_, k);
    std::vector<double> A(static_cast<size_t>(m) * k, 0.0);
    for (int j = 0; j < k; ++j)
      for (int i = 0; i < d_; ++i)
        A[static_cast<size_t>(j) * m + i] = y_[at_[j]] * V_[static_cast<size_t>(at_[j]) * d_ + i];
    AugmentedSystem system(std::move(A), m, k, cancelled_);
    const std::vector<double> ones(k, 1.0);
    f.hi.resize(m, 0.0);
    f.lo.resize(m, 0.0);
    std::vector<double> s(m);
    bool isSolved = false;
    for (const Factorisation factorisation : {Factorisation::kOrthogonal, Factorisation::kExtended}) {
      if (!system.factor(factorisation, kMostExtendedWork) ||
          !system.solve(f.hi.data(), ones.data(), AugmentedSystem::Target::kS, s.data(), multipliers_.data(),
                        f.lo.data()))
        continue;
      for (double& t : multipliers_) t *= -ridge_ * n_;
      isSolved = true;
      break;
    }
    if (!isSolved && !(system.isDeficient() && solveDependent(system, f, s))) return false;
    std::copy_n(s.begin(), d_, head.begin());
    return k >= d_ || std::sqrt(dot(f.hi.data(), f.hi.data(), d_)) <=
                          kMostCancellation * std::sqrt(dot(head.data(), head.data(), d_));
  }

  // The same where examples on the kink are dependent: w is f and the least norm step to the kink, and of the
  // multipliers the ones next to those of the interior point are taken.
  bool solveDependent(AugmentedSystem& system, const ExtendedVector& f, std::vector<double>& s) {
    const int k = static_cast<int>(at_.size());
    std::vector<double> rest(k);
    for (int j = 0; j < k; ++j)
      rest[j] = (DoubleDouble{1.0, 0.0} -
                 DoubleDouble{y_[at_[j]], 0.0} * extendedDot(V_ + static_cast<size_t>(at_[j]) * d_, nullptr,
                                                             f.hi.data(), f.lo.data(), d_))
                    .hi;
    if (!system.solveDeficientTransposed(rest.data(), s.data())) return false;
    std::vector<double> missing(s.size(), 0.0);
    for (int i = 0; i < d_; ++i) missing[i] = ridge_ * n_ * s[i];
    for (int j = 0; j < k; ++j)
      addScaled(-shares_[at_[j]] * y_[at_[j]], V_ + static_cast<size_t>(at_[j]) * d_, d_, missing.data());
    if (!system.solveDeficient(missing.data(), multipliers_.data())) return false;
    for (int j = 0; j < k; ++j) multipliers_[j] += shares_[at_[j]];
    for (size_t i = 0; i < s.size(); ++i) s[i] += f.hi[i];
    for (int j = 0; j < k; ++j) {
      const double margin = y_[at_[j]] * dot(V_ + static_cast<size_t>(at_[j]) * d_, s.data(), d_);
      if (!(std::abs(margin - 1.0) <= kSlack)) return false;
    }
    return true;
  }

  // Moves the examples that are not where they should be; true if there are none.
  bool settle(const double* head) {
    margins(head);
    bool isSettled = true;
    Side where = Side::kAt;
    const auto move = [&](int i, Side side) {
      sides_[i] = side;
      isSettled = false;
    };
    // The worst multiplier alone: among examples that nearly coincide the others follow from it.
    double worst = kSlack;
    int worstExample = -1;
    for (size_t j = 0; j < at_.size(); ++j) {
      const double excess = std::max(-multipliers_[j], multipliers_[j] - 1.0);
      if (excess > worst) {
        worst = excess;
        worstExample = at_[j];
        where = multipliers_[j] < 0.0 ? Side::kAbove : Side::kBelow;
      }
    }
    if (worstExample >= 0) {
      move(worstExample, where);
      return false;
    }
    for (int i = 0; i < n_; ++i) {
      if (sides_[i] == Side::kAt) continue;
      if (sides_[i] == Side::kAbove && margins_[i] < 1.0 - kSlack) move(i, Side::kAt);
      if (sides_[i] == Side::kBelow && margins_[i] > 1.0 + kSlack) move(i, Side::kAt);
    }
    return isSettled;
  }

  const double* V_;
  const double* y_;
  const int n_;
  const int d_;
  const double ridge_;
  const std::atomic<bool>& cancelled_;
  std::vector<Side> sides_;          // [n]
  std::vector<double> margins_;      // [n]
  std::vector<double> shares_;       // [n] a_i/c_i of the interior point
  std::vector<int> at_;              // B
  std::vector<double> multipliers_;  // a_i/c_i on B
};

}  // namespace

LinearHeadResult polishHingeHead(const LinearHeadResult& fitted, const double* V, const double* y, int n,
                                 int d, double ridge, const std::vector<double>& multipliers, double* w,
                                 const std::atomic<bool>& cancelled) {
  LinearHeadResult result = fitted;
  if (cancelled || result.residual == 0.0) return result;
  HingePolish polish(V, y, n, d, ridge, cancelled);
  if (polish.polish(w, multipliers)) {
    result.status = LinearHeadStatus::kOk;
    result.residual = std::min(result.residual, kSlack);
    return result;
  }
  // Examples that nearly coincide have no multipliers of their own: as far as the iteration gets.
  std::vector<double> a(multipliers);
  std::vector<double> head(w, w + d);
  if (d <= kMostColumnsPerRow * n) {
    const LinearHeadResult further =
        fitHingeHead(V, y, nullptr, n, d, ridge, head.data(), cancelled, a.data(), kFurtherTarget);
    result.iterations += further.iterations;
    if (polish.errorBound(head.data(), a) < polish.errorBound(w, multipliers)) {
      std::copy(head.begin(), head.end(), w);
      result.residual = further.residual;
      result.status = further.status;
    } else {
      a = multipliers;
    }
  }
  if (polish.errorBound(w, a) > kAccuracy * std::sqrt(dot(w, w, d)))
    result.status = LinearHeadStatus::kNotConverged;
  return result;
}

}  // namespace prompt_attention
