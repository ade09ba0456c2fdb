// Mean and covariance of a few weighted statistics, and the normal law of their mean over n examples.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

namespace prompt_attention {

template <int N>
class JointMoments {
 public:
  using Vector = std::array<double, N>;

  // One value of the statistics; the weights of all calls sum to 1.
  void add(double weight, const Vector& value) {
    total_ += weight;
    Vector change;
    for (int i = 0; i < N; ++i) {
      change[i] = value[i] - mean_[i];
      mean_[i] += weight / total_ * change[i];
    }
    for (int i = 0; i < N; ++i)
      for (int j = 0; j <= i; ++j) covariance_[i][j] += weight * (value[i] - mean_[i]) * change[j];
  }

  // Adds to the covariance of statistics i ≥ j.
  void addNoise(int i, int j, double covariance) { covariance_[i][j] += covariance; }

  const Vector& mean() const { return mean_; }

  // mean + L z/√n, LLᵀ the covariance, z[N]. Statistics that are functions of the earlier ones have zero
  // columns in L. The factor is not formed for z = 0.
  Vector sampleMean(double n, const double* z) const {
    Vector value = mean_;
    if (std::all_of(z, z + N, [](double x) { return x == 0.0; })) return value;
    std::array<Vector, N> L{};
    for (int j = 0; j < N; ++j) {
      double pivot = covariance_[j][j];
      for (int k = 0; k < j; ++k) pivot -= L[j][k] * L[j][k];
      if (pivot <= kRankTolerance * covariance_[j][j]) continue;
      L[j][j] = std::sqrt(pivot);
      for (int i = j + 1; i < N; ++i) {
        double sum = covariance_[i][j];
        for (int k = 0; k < j; ++k) sum -= L[i][k] * L[j][k];
        L[i][j] = sum / L[j][j];
      }
    }
    for (int i = 0; i < N; ++i)
      for (int j = 0; j <= i; ++j) value[i] += L[i][j] * z[j] / std::sqrt(n);
    return value;
  }

 private:
  static constexpr double kRankTolerance = 1e-12;
  double total_ = 0.0;
  Vector mean_{};
  std::array<Vector, N> covariance_{};  // lower triangle
};

}  // namespace prompt_attention
