// Mean and covariance of a few weighted statistics, and the normal law of their mean over examples.
#pragma once

#include <array>
#include <cmath>

namespace prompt_attention {

template <int N>
class JointMoments {
 public:
  using Vector = std::array<double, N>;

  // One value of the statistics with its weight.
  void add(double weight, const Vector& value) {
    if (weight == 0.0) return;
    total_ += weight;
    Vector change;
    for (int i = 0; i < N; ++i) {
      change[i] = value[i] - mean_[i];
      mean_[i] += weight / total_ * change[i];
    }
    for (int i = 0; i < N; ++i)
      for (int j = 0; j <= i; ++j) products_[i][j] += weight * (value[i] - mean_[i]) * change[j];
  }

  const Vector& mean() const { return mean_; }

  // scale · L z with L Lᵀ the covariance, z[N]. Statistics that are functions of the earlier ones have zero
  // columns in L.
  Vector fluctuation(double scale, const double* z) const {
    std::array<Vector, N> L{};
    for (int j = 0; j < N; ++j) {
      double pivot = products_[j][j];
      for (int k = 0; k < j; ++k) pivot -= L[j][k] * L[j][k];
      if (!(pivot > kRankTolerance * products_[j][j])) continue;
      L[j][j] = std::sqrt(pivot);
      for (int i = j + 1; i < N; ++i) {
        double sum = products_[i][j];
        for (int k = 0; k < j; ++k) sum -= L[i][k] * L[j][k];
        L[i][j] = sum / L[j][j];
      }
    }
    Vector value{};
    const double factor = total_ > 0.0 ? scale / std::sqrt(total_) : 0.0;
    for (int i = 0; i < N; ++i)
      for (int j = 0; j <= i; ++j) value[i] += factor * L[i][j] * z[j];
    return value;
  }

 private:
  static constexpr double kRankTolerance = 1e-12;
  double total_ = 0.0;
  Vector mean_{};
  std::array<Vector, N> products_{};  // lower triangle of the covariance times total_
};

}  // namespace prompt_attention
