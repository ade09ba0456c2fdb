// The features of a trial as conjugate gradients see them (known_prompt_lazy.h): products with V and Vᵀ by
// lazily drawn noise, what the scales say about the singular values, and vectors to keep gradients
// orthogonal.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "core/base/blas.h"
#include "core/lazy/noise_floor.h"
#include "core/trials/known_prompt.h"

namespace prompt_attention::lazy_head {

// What a bound on the error of w must be below, relative to w.
constexpr double kHeadAccuracy = 5e-7;
// Shares of a feature's size: rounding of a score, and of what counts as a direction of its own.
constexpr double kRounding = 1e-16;
constexpr double kRankTolerance = 1e-12;

using Vector = std::vector<double>;

inline double dot(const Vector& x, const Vector& y) {
  return prompt_attention::dot(x.data(), y.data(), static_cast<int>(x.size()));
}

inline double norm(const Vector& x) {
  return std::sqrt(dot(x, x));
}

inline void add(double scale, const Vector& x, Vector& y) {
  addScaled(scale, x.data(), static_cast<int>(x.size()), y.data());
}

// The matrix V of features; vectors of R^d are (coordinate along e1, coordinates in the frame).
class LazyFeatures {
 public:
  LazyFeatures(const KnownPromptSpec& spec, const PooledSample& sample, int capacity, uint64_t trial,
               LazyNoise& noise)
      : n_(spec.examples),
        dimension_(spec.mixture.dimension),
        hasNoise_(!spec.mixture.isNoiseless()),
        frame_(spec.mixture.dimension - 1, std::min(spec.mixture.dimension - 1, 1), capacity,
               LazyDraws(spec.key, Field::kFeature, trial)),
        noise_(noise),
        u1_(sample.u1),
        u2_(sample.u2),
        deviations_(sample.deviation),
        labels_(sample.label),
        weighted_(n_) {
    noise_.begin(frame_, n_, 1.0);
  }

  int examples() const { return n_; }
  size_t size() const { return 1 + static_cast<size_t>(frame_.capacity()); }
  const Vector& labels() const { return labels_; }

  // f[n] = V p
  void apply(const Vector& p, Vector& f) {
    if (hasNoise_) {
      const double* v = p.data() + 1;
      double* out = f.data();
      noise_.query(std::span(&v, 1), std::span(&out, 1));
    }
    const double e2 = p.size() > 1 ? p[1] : 0.0;
    for (int i = 0; i < n_; ++i)
      f[i] = u1_[i] * p[0] + u2_[i] * e2 + (hasNoise_ ? deviations_[i] * f[i] : 0.0);
  }

  // g = Vᵀr, r[n]
  void applyTransposed(const Vector& r, Vector& g) {
    std::fill(g.begin(), g.end(), 0.0);
    if (hasNoise_) {
      for (int i = 0; i < n_; ++i) weighted_[i] = deviations_[i] * r[i];
      double* c = weighted_.data();
      double* out = g.data() + 1;
      noise_.produce(std::span(&c, 1), std::span(&out, 1));
    }
    g[0] += dot(u1_, r);
    if (g.size() > 1) g[1] += dot(u2_, r);
  }

  // V[n×d] whole, with the noise that has been looked at so far.
  Vector complete() {
    const size_t d = dimension_;
    Vector V(n_ * d);
    if (hasNoise_) noise_.complete(V.data() + 1, d);
    for (int i = 0; i < n_; ++i) {
      double* v = V.data() + i * d;
      v[0] = u1_[i];
      for (size_t j = 1; j < d; ++j) v[j] *= deviations_[i];
      if (d > 1) v[1] += u2_[i];
    }
    return V;
  }

  // A lower bound, sure but for a probability far below 1e-6, on the least squared singular value of
  // diag(√weights) V on the rows' span: noise_floor.h. Null weights are ones.
  double leastSquare(const double* weights) const {
    if (!hasNoise_) return leastPlaneSquare(weights);
    return noiseFloor(deviations_, u1_, weights, dimension_, FloorKind::kSure);
  }
  // A guess of the squared condition number of V with `penalty` added to all squares.
  double predictedCondition(double penalty) const {
    if (!hasNoise_) return 1.0;
    const double least = noiseFloor(deviations_, u1_, nullptr, dimension_, FloorKind::kTypical);
    const double ends = std::sqrt(static_cast<double>(n_)) + std::sqrt(static_cast<double>(dimension_));
    const double largest = dot(deviations_, deviations_) / n_ * ends * ends;
    return (largest + penalty) / (least + penalty);
  }
  // ‖diag(1/s) r‖ over the least singular value of the noise of unit rows, n ≤ d: a bound on the error of the
  // least norm solution whose residual is r, because adding columns does not lower that value.
  double interpolationBound(const Vector& r) const {
    double sum = 0.0;
    for (int i = 0; i < n_; ++i) {
      const double ratio = r[i] / deviations_[i];
      sum += r[i] == 0.0 ? 0.0 : ratio * ratio;
    }
    return std::sqrt(sum / unitFloor(dimension_ - 2.0, n_, FloorKind::kSure));
  }
  // Whether rounding of the residual alone, a share of the features' size, leaves no bound that would do.
  bool isBeyondRounding() const {
    Vector rounding(n_);
    for (int i = 0; i < n_; ++i) rounding[i] = kRounding * std::hypot(u1_[i], u2_[i]);
    return interpolationBound(rounding) > kHeadAccuracy;
  }
  bool interpolates() const { return hasNoise_ && n_ <= dimension_ - 2; }

 private:
  // The least squared singular value above rounding of features without noise, whose rank is at most 2.
  double leastPlaneSquare(const double* weights) const {
    double a = 0.0;
    double b = 0.0;
    double c = 0.0;
    for (int i = 0; i < n_; ++i) {
      const double weight = weights == nullptr ? 1.0 : weights[i];
      a += weight * u1_[i] * u1_[i];
      b += weight * u1_[i] * u2_[i];
      c += weight * u2_[i] * u2_[i];
    }
    const double mean = 0.5 * (a + c);
    const double spread = std::hypot(0.5 * (a - c), b);
    return mean - spread > kRankTolerance * (mean + spread) ? mean - spread : mean + spread;
  }

  const int n_;
  const int dimension_;
  const bool hasNoise_;
  LazyFrame frame_;
  LazyNoise& noise_;
  const Vector& u1_;  // [n], as the rest
  const Vector& u2_;
  const Vector& deviations_;  // s
  const Vector& labels_;      // y
  Vector weighted_;
};

// Orthonormal vectors, to keep others orthogonal to.
class OrthogonalGradients {
 public:
  void clear() { units_.clear(); }
  void append(const Vector& g) {
    const double length = norm(g);
    if (!(length > 0.0)) return;
    for (const double value : g) units_.push_back(value / length);
  }
  void removeFrom(Vector& g) {
    const int size = static_cast<int>(g.size());
    const int count = static_cast<int>(units_.size() / g.size());
    if (count == 0) return;
    parts_.resize(count);
    multiplyVector(false, 1.0, units_.data(), count, size, size, g.data(), 0.0, parts_.data());
    multiplyVector(true, -1.0, units_.data(), count, size, size, parts_.data(), 1.0, g.data());
  }

 private:
  Vector units_;
  Vector parts_;
};

}  // namespace prompt_attention::lazy_head
