#include "core/heads/linear_heads.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/base/augmented_system.h"
#include "core/base/blas.h"
#include "core/heads/hinge_polish.h"

namespace prompt_attention {

namespace {

constexpr double kGradientTolerance = 1e-10;
constexpr double kStepTolerance = 1e-7;
constexpr int kMaximumNewtonSteps = 100;
constexpr int kMaximumHalvings = 40;
constexpr double kSufficientDecrease = 1e-4;
constexpr double kLift = 1e-8;
constexpr double kLeastNewtonCondition = 1e-12;  // reciprocal
constexpr int kRowsPerBlock = 256;

double norm(const std::vector<double>& x) {
  return std::sqrt(dot(x.data(), x.data(), static_cast<int>(x.size())));
}

double meanFeatureNorm(const double* V, int n, int d) {
  double sum = 0.0;
  for (int i = 0; i < n; ++i) {
    const double* v = V + static_cast<size_t>(i) * d;
    sum += std::sqrt(dot(v, v, d));
  }
  return sum / n;
}

// Mean loss, penalty, and what Newton's method needs of them, at one w.
class LogisticObjective {
 public:
  LogisticObjective(const HeadFeatures& features, double ridge)
      : V_(features.V),
        y_(features.y),
        n_(features.n),
        d_(features.d),
        penalised_(features.penalised()),
        ridge_(ridge),
        margins_(features.n),
        weights_(features.n),
        rows_(blockSize()) {}

  // Margins y_i wᵀv_i and the value at w[d].
  double evaluate(const double* w) {
    product(V_, n_, d_, w, margins_.data());
    double loss = 0.0;
    for (int i = 0; i < n_; ++i) {
      margins_[i] *= y_[i];
      loss += std::max(-margins_[i], 0.0) + std::log1p(std::exp(-std::abs(margins_[i])));
    }
    return loss / n_ + 0.5 * ridge_ * dot(w, w, penalised_);
  }
  bool separates() const {
    return std::all_of(margins_.begin(), margins_.end(), [](double margin) { return margin > 0.0; });
  }
  // Gradient[d] at the w evaluated last.
  void gradient(const double* w, double* g) {
    for (int i = 0; i < n_; ++i) weights_[i] = -y_[i] / (1.0 + std::exp(margins_[i])) / n_;
    std::fill(g + penalised_, g + d_, 0.0);
    for (int j = 0; j < penalised_; ++j) g[j] = ridge_ * w[j];
    addTransposedProduct(1.0, V_, n_, d_, weights_.data(), g);
  }
  // √D_i and −slope_i-over-√D_i of example i at the w evaluated last, 1/n included: D_i = p(1 − p)/n.
  std::pair<double, double> curvatureAndRatio(int i) const {
    const double wrong = 1.0 / (1.0 + std::exp(margins_[i]));
    const double right = 1.0 / (1.0 + std::exp(-margins_[i]));
    const double root = std::sqrt(wrong * right / n_);
    return {root, root > 0.0 ? -y_[i] * (wrong / n_) / root : 0.0};
  }
  // Hessian[d×d], lower triangle, at the w evaluated last.
  void hessian(std::vector<double>& H, const std::atomic<bool>& cancelled) {
    std::fill(H.begin(), H.end(), 0.0);
    for (int first = 0, count; first < n_ && !cancelled; first += count) {
      count = std::min(kRowsPerBlock, n_ - first);
      for (int i = 0; i < count; ++i) {
        const double p = 1.0 / (1.0 + std::exp(std::abs(margins_[first + i])));
        const double root = std::sqrt(p * (1.0 - p) / n_);
        const double* v = V_ + static_cast<size_t>(first + i) * d_;
        double* row = rows_.data() + static_cast<size_t>(i) * d_;
        for (int j = 0; j < d_; ++j) row[j] = root * v[j];
      }
      addGram(rows_.data(), count, d_, H.data());
    }
    for (int j = 0; j < penalised_; ++j) H[static_cast<size_t>(j) * d_ + j] += ridge_;
  }

 private:
  size_t blockSize() const { return static_cast<size_t>(std::min(kRowsPerBlock, n_)) * d_; }

  const double* V_;
  const double* y_;
  const int n_;
  const int d_;
  const int penalised_;
  const double ridge_;
  std::vector<double> margins_;  // [n]
  std::vector<double> weights_;  // [n]
  std::vector<double> rows_;     // block of scaled features
};

// The Newton direction as a least squares problem, p = argmin ‖√D V p − slope/√D‖² + λ‖p − w‖², of least
// norm: right where the Hessian's condition is not fit for its factor. False if it needs too much work.
bool orthogonalDirection(const LogisticObjective& objective, const HeadFeatures& features, double ridge,
                         const double* w, std::vector<double>& p, const std::atomic<bool>& cancelled) {
  const auto& [V, y, n, d, free] = features;
  const int m = n + (ridge > 0.0 ? features.penalised() : 0);
  if (m < d) return false;
  std::vector<double> A(static_cast<size_t>(m) * d, 0.0);
  std::vector<double> f(m);
  for (int i = 0; i < n; ++i) {
    const auto [root, ratio] = objective.curvatureAndRatio(i);
    for (int j = 0; j < d; ++j) A[static_cast<size_t>(j) * m + i] = root * V[static_cast<size_t>(i) * d + j];
    f[i] = ratio;
  }
  const double root = std::sqrt(ridge);
  for (int j = 0; j < features.penalised() && ridge > 0.0; ++j) {
    A[static_cast<size_t>(j) * m + n + j] = root;
    f[n + j] = root * w[j];
  }
  AugmentedSystem system(std::move(A), m, d, cancelled);
  std::vector<double> rest(m);
  const AugmentedAttempt found = attempt(system, {Factorisation::kOrthogonal, Factorisation::kExtended}, [&] {
    return system.solve(f.data(), nullptr, AugmentedSystem::Target::kT, rest.data(), p.data());
  });
  // With a ridge columns are never dependent.
  return found.isSolved || (found.isDeficient && ridge == 0.0 && system.solveDeficient(f.data(), p.data()));
}

// Solves H p = g for positive definite H[d×d] (lower triangle; destroyed).
class NewtonSolver {
 public:
  explicit NewtonSolver(int d)
      : d_(d), scale_(d), factor_(static_cast<size_t>(d) * d), work_(3 * static_cast<size_t>(d)), iwork_(d) {}

  // False if H is too ill-conditioned; it is scaled then, for solveLifted.
  bool solve(std::vector<double>& H, const std::vector<double>& g, std::vector<double>& p) {
    for (int i = 0; i < d_; ++i) {
      const double diagonal = H[static_cast<size_t>(i) * d_ + i];
      scale_[i] = diagonal > 0.0 ? 1.0 / std::sqrt(diagonal) : 1.0;
    }
    for (int i = 0; i < d_; ++i)
      for (int j = 0; j <= i; ++j) H[static_cast<size_t>(i) * d_ + j] *= scale_[i] * scale_[j];
    return solveLifted(H, 0.0, g, p);
  }

  // With `lift` added to the scaled diagonal: a direction of descent.
  bool solveLifted(const std::vector<double>& H, double lift, const std::vector<double>& g,
                   std::vector<double>& p) {
    factor_ = H;
    for (int i = 0; i < d_; ++i) {
      factor_[static_cast<size_t>(i) * d_ + i] += lift;
      p[i] = scale_[i] * g[i];
    }
    if (solvePositiveDefinite(factor_.data(), d_, p.data(), work_.data(), iwork_.data()) <
        kLeastNewtonCondition)
      return false;
    for (int i = 0; i < d_; ++i) p[i] *= scale_[i];
    return true;
  }

 private:
  const int d_;
  std::vector<double> scale_;
  std::vector<double> factor_;
  std::vector<double> work_;
  std::vector<int> iwork_;
};

}  // namespace

LinearHeadResult fitLogisticHead(const HeadFeatures& features, double ridge, double* w,
                                 const std::atomic<bool>& cancelled) {
  const auto& [V, y, n, d, free] = features;
  const double unit = meanFeatureNorm(V, n, d);
  std::fill(w, w + d, 0.0);
  if (unit == 0.0) return {LinearHeadStatus::kOk, 0, 0.0};
  LogisticObjective objective(features, ridge);
  NewtonSolver solver(d);
  std::vector<double> H(static_cast<size_t>(d) * d);
  std::vector<double> g(d);
  std::vector<double> p(d);
  std::vector<double> current(d);
  double value = objective.evaluate(w);
  objective.gradient(w, g.data());
  double residual = norm(g) / unit;
  if (residual == 0.0) return {LinearHeadStatus::kOk, 0, 0.0};
  for (int step = 1; step <= kMaximumNewtonSteps && !cancelled; ++step) {
    objective.hessian(H, cancelled);
    if (cancelled) break;
    // Only a step of Newton's method tells how far the minimiser is.
    const bool isNewton =
        solver.solve(H, g, p) || orthogonalDirection(objective, features, ridge, w, p, cancelled);
    if (!isNewton && !solver.solveLifted(H, kLift, g, p)) break;
    const double slope = -dot(g.data(), p.data(), d);
    std::copy(w, w + d, current.begin());
    // Rounding of the value hides the decrease of the last steps.
    const double rounding = 1e-14 * (1.0 + std::abs(value));
    double length = 1.0;
    double next = value;
    for (int halving = 0; halving < kMaximumHalvings; ++halving, length *= 0.5) {
      for (int j = 0; j < d; ++j) w[j] = current[j] - length * p[j];
      next = objective.evaluate(w);
      if (next <= value + kSufficientDecrease * length * slope + rounding) break;
    }
    value = next;
    objective.gradient(w, g.data());
    residual = norm(g) / unit;
    if (ridge == 0.0 && objective.separates()) return {LinearHeadStatus::kSeparable, step, residual};
    const double size = std::sqrt(dot(w, w, d));
    if (isNewton && residual <= kGradientTolerance && length * norm(p) <= kStepTolerance * size)
      return {LinearHeadStatus::kOk, step, residual};
  }
  const bool vanished =
      ridge == 0.0 && (residual <= kGradientTolerance || separated(features, cancelled) == Separated::kYes);
  return {vanished ? LinearHeadStatus::kSeparable : LinearHeadStatus::kNotConverged, kMaximumNewtonSteps,
          residual};
}

double leastSquaresResidual(const HeadFeatures& features, double ridge, const double* w) {
  const auto& [V, y, n, d, free] = features;
  const double unit = meanFeatureNorm(V, n, d);
  if (unit == 0.0) return 0.0;
  std::vector<double> errors(n);
  product(V, n, d, w, errors.data());
  for (int i = 0; i < n; ++i) errors[i] = (errors[i] - y[i]) / n;
  std::vector<double> g(d, 0.0);
  for (int j = 0; j < features.penalised(); ++j) g[j] = ridge * w[j];
  addTransposedProduct(1.0, V, n, d, errors.data(), g.data());
  return norm(g) / unit;
}

}  // namespace prompt_attention
