#include "core/hinge_polish.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/augmented_system.h"
#include "core/blas.h"
#include "core/hinge_head.h"

namespace prompt_attention {

namespace {

constexpr int kMostChanges = 40;
constexpr double kSlack = 1e-9;
constexpr double kAccuracy = 1e-6;
// What rounding of f = (1/λ) Σ_U … may leave in w.
constexpr double kMostCancellation = 1e8;

enum class Side : signed char { kBelow, kAt, kAbove };

class HingePolish {
 public:
  HingePolish(const double* V, const double* y, int n, int d, double ridge, const std::atomic<bool>& cancelled)
      : V_(V), y_(y), n_(n), d_(d), ridge_(ridge), cancelled_(cancelled), sides_(n), margins_(n) {}

  // From an approximate head w[d] and multipliers a[n]; true with the exact head in w.
  bool polish(double* w, const std::vector<double>& a) {
    margins(w);
    for (int i = 0; i < n_; ++i) {
      const double share = a[i] * n_;
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
        16.0 * std::numeric_limits<double>::epsilon() * (loss + penalty + sum + dualPenalty);
    const double gap = std::max(loss + penalty - sum + dualPenalty, rounding);
    return std::sqrt(2.0 * gap / ridge_);
  }

 private:
  void margins(const double* w) {
    product(V_, n_, d_, w, margins_.data());
    for (int i = 0; i < n_; ++i) margins_[i] *= y_[i];
  }

  bool solve(std::vector<double>& head) {
    std::vector<double> f(d_, 0.0);
    at_.clear();
    for (int i = 0; i < n_; ++i) {
      if (sides_[i] == Side::kBelow) addScaled(y_[i] / (n_ * ridge_), V_ + static_cast<size_t>(i) * d_, d_, f.data());
      if (sides_[i] == Side::kAt) at_.push_back(i);
    }
    const int k = static_cast<int>(at_.size());
    if (k > d_) return false;
    multipliers_.assign(k, 0.0);
    if (k == 0) {
      head = f;
      return true;
    }
    std::vector<double> A(static_cast<size_t>(d_) * k);
    for (int j = 0; j < k; ++j)
      for (int i = 0; i < d_; ++i)
        A[static_cast<size_t>(j) * d_ + i] = y_[at_[j]] * V_[static_cast<size_t>(at_[j]) * d_ + i];
    AugmentedSystem system(std::move(A), d_, k, cancelled_);
    const std::vector<double> ones(k, 1.0);
    for (const Factorisation factorisation : {Factorisation::kOrthogonal, Factorisation::kExtended}) {
      if (!system.factor(factorisation, kMostExtendedWork) ||
          !system.solve(f.data(), ones.data(), AugmentedSystem::Target::kS, head.data(), multipliers_.data()))
        continue;
      for (double& t : multipliers_) t *= -ridge_ * n_;
      return k == d_ || std::sqrt(dot(f.data(), f.data(), d_)) <=
                            kMostCancellation * std::sqrt(dot(head.data(), head.data(), d_));
    }
    return false;
  }

  // Moves the examples that are not where they should be; true if there are none.
  bool settle(const double* head) {
    margins(head);
    bool isSettled = true;
    const auto move = [&](int i, Side side) {
      sides_[i] = side;
      isSettled = false;
    };
    for (size_t j = 0; j < at_.size(); ++j) {
      if (multipliers_[j] < -kSlack) move(at_[j], Side::kAbove);
      if (multipliers_[j] > 1.0 + kSlack) move(at_[j], Side::kBelow);
    }
    for (int i = 0; i < n_; ++i) {
      if (sides_[i] == Side::kAt || std::find(at_.begin(), at_.end(), i) != at_.end()) continue;
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
  std::vector<int> at_;              // B
  std::vector<double> multipliers_;  // a_i/c_i on B
};

}  // namespace

LinearHeadResult fitPolishedHingeHead(const double* V, const double* y, int n, int d, double ridge, double* w,
                                      const std::atomic<bool>& cancelled) {
  std::vector<double> a(n);
  LinearHeadResult result = fitHingeHead(V, y, nullptr, n, d, ridge, w, cancelled, a.data());
  if (cancelled || result.residual == 0.0) return result;
  HingePolish polish(V, y, n, d, ridge, cancelled);
  if (polish.polish(w, a)) {
    result.status = LinearHeadStatus::kOk;
    result.residual = std::min(result.residual, kSlack);
    return result;
  }
  if (polish.errorBound(w, a) > kAccuracy * std::sqrt(dot(w, w, d))) result.status = LinearHeadStatus::kNotConverged;
  return result;
}

}  // namespace prompt_attention
