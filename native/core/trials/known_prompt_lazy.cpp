#include "core/trials/known_prompt_lazy.h"

#include <algorithm>
#include <cmath>

#include "core/base/blas.h"
#include "core/trials/lazy_features.h"

namespace prompt_attention {

namespace {

using namespace lazy_head;

constexpr int kMostRestarts = 4;
constexpr double kLeastTolerance = 1e-15;
constexpr int kMostNewtonSteps = 100;
constexpr int kMostHalvings = 40;
constexpr double kSufficientDecrease = 1e-4;

// What a bound on the error of V w must be below, relative to y.
constexpr double kScoreAccuracy = 1e-8;

// (VᵀV + penalty I) w = Vᵀy
class LeastSquares {
 public:
  LeastSquares(LazyFeatures& features, double penalty, const std::atomic<bool>& cancelled)
      : features_(features),
        penalty_(penalty),
        cancelled_(cancelled),
        r_(features.examples()),
        f_(features.examples()),
        w_(features.size(), 0.0),
        g_(features.size()),
        p_(features.size()) {}

  bool solve() {
    start();
    first_ = norm(g_);
    residual_ = first_ > 0.0 ? 1.0 : 0.0;
    tolerance_ = kHeadTolerance;
    for (int run = 0; run < kMostRestarts && !isAccurate() && !cancelled_; ++run) {
      const double before = residual_;
      descend();
      start();
      residual_ = norm(g_) / first_;
      // Small, but it does not bound the error: as far as rounding lets it fall.
      if (residual_ <= tolerance_) tolerance_ = kLeastTolerance;
      if (run > 0 && residual_ > 0.5 * before) break;
    }
    return isAccurate();
  }

  const Vector& w() const { return w_; }
  int iterations() const { return iterations_; }
  double residual() const { return residual_; }

 private:
  // Whether the gradient, or the residual where w interpolates, bounds the error of w and of V w.
  bool isAccurate() const {
    if (residual_ > kHeadTolerance) return false;
    if (residual_ == 0.0) return true;
    const double size = norm(w_);
    const double labels = norm(features_.labels());
    if (penalty_ == 0.0 && features_.interpolates())
      return features_.interpolationBound(r_) <= kHeadAccuracy * size && norm(r_) <= kScoreAccuracy * labels;
    const double gradient = norm(g_);
    const double bound = gradient / (features_.leastSquare(nullptr) + penalty_);
    return bound <= kHeadAccuracy * size && std::sqrt(gradient * bound) <= kScoreAccuracy * labels;
  }
  // r and g at w, afresh.
  void start() {
    features_.apply(w_, f_);
    r_ = features_.labels();
    add(-1.0, f_, r_);
    updateGradient();
  }
  void updateGradient() {
    features_.applyTransposed(r_, g_);
    add(-penalty_, w_, g_);
  }
  void descend() {
    gradients_.clear();
    p_ = g_;
    double square = dot(g_, g_);
    while (iterations_ < kMostIterations && !cancelled_) {
      ++iterations_;
      gradients_.append(g_);
      features_.apply(p_, f_);
      const double step = square / (dot(f_, f_) + penalty_ * dot(p_, p_));
      add(step, p_, w_);
      add(-step, f_, r_);
      updateGradient();
      gradients_.removeFrom(g_);
      const double next = dot(g_, g_);
      // Half, so that the gradient computed afresh is within the tolerance too.
      if (!(std::sqrt(next) > 0.5 * tolerance_ * first_)) return;
      for (size_t j = 0; j < p_.size(); ++j) p_[j] = g_[j] + next / square * p_[j];
      square = next;
    }
  }

  LazyFeatures& features_;
  const double penalty_;
  const std::atomic<bool>& cancelled_;
  OrthogonalGradients gradients_;
  Vector r_;  // [n]
  Vector f_;  // [n]
  Vector w_;
  Vector g_;  // Vᵀr − penalty w
  Vector p_;
  double first_ = 0.0;
  double tolerance_ = kHeadTolerance;
  double residual_ = 0.0;
  int iterations_ = 0;
};

// argmin (1/n) Σ log(1 + e^{−y f}) + (λ/2)‖w‖²
class Logistic {
 public:
  Logistic(LazyFeatures& features, double ridge, const std::atomic<bool>& cancelled)
      : features_(features),
        ridge_(ridge),
        cancelled_(cancelled),
        n_(features.examples()),
        f_(n_, 0.0),
        slope_(n_),
        curvature_(n_),
        change_(n_),
        along_(n_),
        trial_(n_),
        w_(features.size(), 0.0),
        g_(features.size()),
        p_(features.size()),
        r_(features.size()),
        s_(features.size()),
        h_(features.size()) {}

  bool solve() {
    updateGradient();
    const double first = norm(g_);
    residual_ = first > 0.0 ? 1.0 : 0.0;
    for (int step = 0; step < kMostNewtonSteps && residual_ > kHeadTolerance; ++step) {
      if (iterations_ >= kMostIterations || cancelled_) break;
      // No more accurate than what is needed to pass the tolerance.
      findDirection(std::max(std::min(0.5, std::sqrt(residual_)), 0.1 * kHeadTolerance / residual_));
      if (!moveAlong()) break;
      // Afresh: rounding does not add up over the steps.
      features_.apply(w_, f_);
      updateGradient();
      residual_ = norm(g_) / first;
    }
    return residual_ <= kHeadTolerance && isAccurate();
  }

  const Vector& w() const { return w_; }
  int iterations() const { return iterations_; }
  double residual() const { return residual_; }

 private:
  // The loss is convex, with a Hessian that is known at w: twice the Newton bound.
  bool isAccurate() const {
    const double gradient = norm(g_);
    if (gradient == 0.0) return true;
    const double bound = 2.0 * gradient / (features_.leastSquare(curvature_.data()) + ridge_);
    return bound <= kHeadAccuracy * norm(w_);
  }
  double value(const Vector& f, double square) const {
    double loss = 0.0;
    for (int i = 0; i < n_; ++i) {
      const double margin = features_.labels()[i] * f[i];
      loss += std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin)));
    }
    return loss / n_ + 0.5 * ridge_ * square;
  }

  // Gradient and curvatures at f, w.
  void updateGradient() {
    for (int i = 0; i < n_; ++i) {
      const double y = features_.labels()[i];
      const double p = 1.0 / (1.0 + std::exp(y * f_[i]));
      slope_[i] = -y * p / n_;
      curvature_[i] = p * (1.0 - p) / n_;
    }
    features_.applyTransposed(slope_, g_);
    add(ridge_, w_, g_);
  }

  // p ≈ −H⁻¹g to the relative residual `accuracy`, and change = V p.
  void findDirection(double accuracy) {
    std::fill(p_.begin(), p_.end(), 0.0);
    std::fill(change_.begin(), change_.end(), 0.0);
    for (size_t j = 0; j < r_.size(); ++j) r_[j] = -g_[j];
    s_ = r_;
    double square = dot(r_, r_);
    const double target = accuracy * std::sqrt(square);
    residuals_.clear();
    while (iterations_ < kMostIterations && !cancelled_) {
      ++iterations_;
      residuals_.append(r_);
      features_.apply(s_, along_);
      for (int i = 0; i < n_; ++i) trial_[i] = curvature_[i] * along_[i];
      features_.applyTransposed(trial_, h_);
      add(ridge_, s_, h_);
      const double step = square / dot(s_, h_);
      add(step, s_, p_);
      add(step, along_, change_);
      add(-step, h_, r_);
      residuals_.removeFrom(r_);
      const double next = dot(r_, r_);
      if (!(std::sqrt(next) > target)) return;
      for (size_t j = 0; j < s_.size(); ++j) s_[j] = r_[j] + next / square * s_[j];
      square = next;
    }
  }

  // False if no step along p lowers the value.
  bool moveAlong() {
    const double slope = dot(g_, p_);
    const double before = value(f_, dot(w_, w_));
    // Rounding of the value hides the decrease of the last steps.
    const double rounding = 1e-14 * (1.0 + std::abs(before));
    double length = 1.0;
    for (int halving = 0; halving < kMostHalvings; ++halving, length *= 0.5) {
      trial_ = f_;
      add(length, change_, trial_);
      const double square = dot(w_, w_) + length * (2.0 * dot(w_, p_) + length * dot(p_, p_));
      if (value(trial_, square) > before + kSufficientDecrease * length * slope + rounding) continue;
      add(length, p_, w_);
      return true;
    }
    return false;
  }

  LazyFeatures& features_;
  const double ridge_;
  const std::atomic<bool>& cancelled_;
  const int n_;
  OrthogonalGradients residuals_;
  Vector f_;          // V w, [n] as the next five
  Vector slope_;      // ∂loss/∂f / n
  Vector curvature_;  // ∂²loss/∂f² / n
  Vector change_;     // V p
  Vector along_;      // V s
  Vector trial_;
  Vector w_;
  Vector g_;
  Vector p_;
  Vector r_;
  Vector s_;
  Vector h_;
  double residual_ = 0.0;
  int iterations_ = 0;
};

template <class Solution>
TrialStatus solve(Solution solution, LazyHead& head) {
  const bool converged = solution.solve();
  const Vector& w = solution.w();
  head.iterations = solution.iterations();
  head.residual = solution.residual();
  head.inPlane = {w[0], w.size() > 1 ? w[1] : 0.0};
  head.rest =
      w.size() > 2
          ? std::sqrt(prompt_attention::dot(w.data() + 2, w.data() + 2, static_cast<int>(w.size()) - 2))
          : 0.0;
  return converged ? TrialStatus::kOk : TrialStatus::kNotConverged;
}

}  // namespace

int frameCapacity(const KnownPromptSpec& spec) {
  return std::min(spec.mixture.dimension - 1, kMostIterations + kMostRestarts + kMostNewtonSteps + 1);
}

double lazyHeadBytes(const KnownPromptSpec& spec) {
  const double n = spec.examples;
  constexpr double kVectors = 12.0;
  return LazyNoise::bytes(n, spec.mixture.dimension - 1.0, 1.0, kMostIterations + kMostRestarts,
                          kMostIterations + kMostRestarts + kMostNewtonSteps) +
         sizeof(double) * (kVectors * n + static_cast<double>(kMostIterations) * frameCapacity(spec));
}

double completionBytes(const KnownPromptSpec& spec) {
  const double n = spec.examples;
  return lazyHeadBytes(spec) +
         sizeof(double) * n * (spec.mixture.dimension + static_cast<double>(LazyNoise::kColumnsAtOnce));
}

TrialStatus fitLazily(const KnownPromptSpec& spec, LazyFeatures& features, const std::atomic<bool>& cancelled,
                      bool predicts, LazyHead& head) {
  head = {{0.0, 0.0}, 0.0, 0, 0.0, false};
  const double ridge = spec.head.ridge;
  if (predicts) {
    // The logistic Hessian is that of least squares with weights p(1 − p) ≤ 1/4.
    const bool isLogistic = traitsOf(spec.head.kind).iteration == Iteration::kLogistic;
    const double condition = features.predictedCondition((isLogistic ? 4.0 : 1.0) * spec.examples * ridge);
    const double iterations = 0.5 * std::sqrt(condition) * std::log(2.0 / kHeadTolerance);
    head.isHopeless = !(std::min<double>(iterations, std::min(spec.examples, spec.mixture.dimension)) <=
                        spec.mostIterations) ||
                      (!isLogistic && ridge == 0.0 && features.interpolates() && features.isBeyondRounding());
    if (head.isHopeless) return TrialStatus::kNotConverged;
  }
  switch (traitsOf(spec.head.kind).iteration) {
    case Iteration::kLogistic:
      return solve(Logistic(features, ridge, cancelled), head);
    case Iteration::kLeastSquares:
      return solve(LeastSquares(features, spec.examples * ridge, cancelled), head);
    case Iteration::kNone:
      break;
  }
  return TrialStatus::kNotConverged;
}

}  // namespace prompt_attention
