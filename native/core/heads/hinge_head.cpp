#include "core/heads/hinge_head.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/blas.h"

namespace prompt_attention {

namespace {

constexpr int kMaximumIterations = 200;
constexpr int kRowsPerBlock = 256;
constexpr double kToBoundary = 0.995;
// Steps shorter than this no longer make progress.
constexpr double kLeastStep = 1e-12;

class HingeSolver {
 public:
  HingeSolver(const HeadFeatures& features, const double* weights, double ridge, double* w)
      : V_(features.V),
        y_(features.y),
        n_(features.n),
        d_(features.d),
        penalised_(features.penalised()),
        ridge_(ridge),
        w_(w),
        cost_(n_, 1.0 / n_),
        a_(n_),
        s_(n_, 1.0),
        xi_(n_, 2.0),
        margins_(n_, 0.0),
        diagonal_(n_),
        signed_(n_),
        target_(n_),
        dMargins_(n_),
        dA_(n_),
        dS_(n_),
        dXi_(n_),
        gradient_(d_),
        dW_(d_),
        matrix_(static_cast<size_t>(d_) * d_),
        rows_(static_cast<size_t>(std::min(kRowsPerBlock, n_)) * d_),
        scratch_(3 * static_cast<size_t>(d_)),
        integerScratch_(d_) {
    if (weights != nullptr) std::copy(weights, weights + n_, cost_.begin());
    for (int i = 0; i < n_; ++i) a_[i] = 0.5 * cost_[i];
    std::fill(w, w + d_, 0.0);
    double total = 0.0;
    double norms = 0.0;
    for (int i = 0; i < n_; ++i) {
      const double* v = V_ + static_cast<size_t>(i) * d_;
      total += cost_[i];
      norms += std::sqrt(dot(v, v, d_)) / n_;
    }
    unit_ = total * norms;
  }

  LinearHeadResult solve(double target, const std::atomic<bool>& cancelled) {
    if (unit_ == 0.0) return {LinearHeadStatus::kOk, 0, 0.0};
    LinearHeadResult result{LinearHeadStatus::kNotConverged, 0, 1.0};
    std::vector<double> best(d_);
    for (int iteration = 0; iteration < kMaximumIterations && !cancelled; ++iteration) {
      const double residual = measure();
      if (iteration == 0 || residual < result.residual) {
        result.residual = residual;
        std::copy(w_, w_ + d_, best.begin());
      }
      result.iterations = iteration;
      if (residual <= target || !std::isfinite(residual)) break;
      if (step() < kLeastStep) break;
    }
    std::copy(best.begin(), best.end(), w_);
    if (result.residual <= kHingeTolerance) result.status = LinearHeadStatus::kOk;
    return result;
  }

  // Of the last iterate.
  const std::vector<double>& multipliers() const { return a_; }

 private:
  double dual(int i) const { return cost_[i] - a_[i]; }

  // Margins and gradient λw − Σ a y v at the iterate; the residual.
  double measure() {
    product(V_, n_, d_, w_, margins_.data());
    double residual = 0.0;
    for (int i = 0; i < n_; ++i) {
      margins_[i] *= y_[i];
      signed_[i] = -a_[i] * y_[i];
      const double a = a_[i] / cost_[i];
      residual = std::max(residual, std::abs(a - std::clamp(a - (margins_[i] - 1.0), 0.0, 1.0)));
    }
    std::fill(gradient_.begin() + penalised_, gradient_.end(), 0.0);
    for (int j = 0; j < penalised_; ++j) gradient_[j] = ridge_ * w_[j];
    addTransposedProduct(1.0, V_, n_, d_, signed_.data(), gradient_.data());
    return std::max(residual, std::sqrt(dot(gradient_.data(), gradient_.data(), d_)) / unit_);
  }

  double complementarity() const {
    double sum = 0.0;
    for (int i = 0; i < n_; ++i) sum += a_[i] * s_[i] + dual(i) * xi_[i];
    return sum / (2.0 * n_);
  }

  // λI + Σ D v vᵀ, lower triangle, with `lift` of its largest diagonal entry added to the diagonal.
  void assemble(double lift) {
    std::fill(matrix_.begin(), matrix_.end(), 0.0);
    for (int first = 0, count; first < n_; first += count) {
      count = std::min(kRowsPerBlock, n_ - first);
      for (int i = 0; i < count; ++i) {
        const double root = std::sqrt(diagonal_[first + i]);
        const double* v = V_ + static_cast<size_t>(first + i) * d_;
        double* row = rows_.data() + static_cast<size_t>(i) * d_;
        for (int j = 0; j < d_; ++j) row[j] = root * v[j];
      }
      addGram(rows_.data(), count, d_, matrix_.data());
    }
    double largest = 0.0;
    for (int j = 0; j < d_; ++j) largest = std::max(largest, matrix_[static_cast<size_t>(j) * d_ + j]);
    for (int j = 0; j < d_; ++j)
      matrix_[static_cast<size_t>(j) * d_ + j] += (j < penalised_ ? ridge_ : 0.0) + lift * largest;
  }

  // Δw of the predictor, and the factor for the corrector. Close to the solution the D of margins at 1 grow
  // until the matrix is singular to working precision; a lift then costs accuracy of the direction only,
  // which the next steps make good, because the residuals are those of the true system.
  bool solvePredictor() {
    for (const double lift : {0.0, 1e-15, 1e-13, 1e-11}) {
      assemble(lift);
      rightHandSide(0.0, false);
      if (solvePositiveDefinite(matrix_.data(), d_, dW_.data(), scratch_.data(), integerScratch_.data()) >
          0.0)
        return true;
    }
    return false;
  }

  // Right-hand side for a_i s_i = μ − c1_i and (c_i − a_i) ξ_i = μ − c2_i, c the products of an earlier
  // direction (`second`) or 0.
  void rightHandSide(double mu, bool second) {
    for (int i = 0; i < n_; ++i) {
      const double b = dual(i);
      const double rho1 = mu - a_[i] * s_[i] - (second ? dA_[i] * dS_[i] : 0.0);
      const double rho2 = mu - b * xi_[i] + (second ? dA_[i] * dXi_[i] : 0.0);
      const double gap = margins_[i] - 1.0 + xi_[i] - s_[i];
      target_[i] = -gap - rho2 / b + rho1 / a_[i];
      signed_[i] = diagonal_[i] * target_[i] * y_[i];
    }
    for (int j = 0; j < d_; ++j) dW_[j] = -gradient_[j];
    addTransposedProduct(1.0, V_, n_, d_, signed_.data(), dW_.data());
  }

  // The direction in all variables from Δw.
  void completeDirection(double mu, bool second) {
    product(V_, n_, d_, dW_.data(), dMargins_.data());
    for (int i = 0; i < n_; ++i) {
      const double b = dual(i);
      const double rho1 = mu - a_[i] * s_[i] - (second ? dA_[i] * dS_[i] : 0.0);
      const double rho2 = mu - b * xi_[i] + (second ? dA_[i] * dXi_[i] : 0.0);
      const double change = diagonal_[i] * (target_[i] - y_[i] * dMargins_[i]);
      dS_[i] = (rho1 - s_[i] * change) / a_[i];
      dXi_[i] = (rho2 + xi_[i] * change) / b;
      dA_[i] = change;
    }
  }

  // The longest step ≤ 1 that keeps every factor ≥ 0.
  double longestStep() const {
    double length = 1.0;
    const auto limit = [&length](double value, double change) {
      if (change < 0.0) length = std::min(length, -value / change);
    };
    for (int i = 0; i < n_; ++i) {
      limit(a_[i], dA_[i]);
      limit(dual(i), -dA_[i]);
      limit(s_[i], dS_[i]);
      limit(xi_[i], dXi_[i]);
    }
    return length;
  }

  // One predictor and corrector; the length of the step taken, 0 if the system has no factor.
  double step() {
    for (int i = 0; i < n_; ++i) diagonal_[i] = 1.0 / (s_[i] / a_[i] + xi_[i] / dual(i));
    if (!solvePredictor()) return 0.0;
    completeDirection(0.0, false);
    const double mu = complementarity();
    const double affine = longestStep();
    double after = 0.0;
    for (int i = 0; i < n_; ++i)
      after += (a_[i] + affine * dA_[i]) * (s_[i] + affine * dS_[i]) +
               (dual(i) - affine * dA_[i]) * (xi_[i] + affine * dXi_[i]);
    const double centring = std::pow(after / (2.0 * n_) / mu, 3);
    rightHandSide(centring * mu, true);
    solveFactored(matrix_.data(), d_, dW_.data());
    completeDirection(centring * mu, true);
    const double length = std::min(1.0, kToBoundary * longestStep());
    addScaled(length, dW_.data(), d_, w_);
    for (int i = 0; i < n_; ++i) {
      a_[i] += length * dA_[i];
      s_[i] += length * dS_[i];
      xi_[i] += length * dXi_[i];
      // Rounding must not put a multiplier on its bound.
      a_[i] = std::clamp(a_[i], 1e-300, cost_[i] * (1.0 - 1e-16));
    }
    return length;
  }

  const double* V_;
  const double* y_;
  const int n_;
  const int d_;
  const int penalised_;
  const double ridge_;
  double* w_;
  double unit_;
  std::vector<double> cost_;         // [n]
  std::vector<double> a_;            // [n]
  std::vector<double> s_;            // [n]
  std::vector<double> xi_;           // [n]
  std::vector<double> margins_;      // [n] y_i wᵀv_i
  std::vector<double> diagonal_;     // [n] D
  std::vector<double> signed_;       // [n]
  std::vector<double> target_;       // [n]
  std::vector<double> dMargins_;     // [n] Δwᵀv_i
  std::vector<double> dA_;           // [n]
  std::vector<double> dS_;           // [n]
  std::vector<double> dXi_;          // [n]
  std::vector<double> gradient_;     // [d]
  std::vector<double> dW_;           // [d]
  std::vector<double> matrix_;       // [d×d]
  std::vector<double> rows_;         // block of scaled features
  std::vector<double> scratch_;      // [3d]
  std::vector<int> integerScratch_;  // [d]
};

}  // namespace

LinearHeadResult fitHingeHead(const HeadFeatures& features, const double* weights, double ridge, double* w,
                              const std::atomic<bool>& cancelled, double* a, double target) {
  HingeSolver solver(features, weights, ridge, w);
  const LinearHeadResult result = solver.solve(target, cancelled);
  if (a != nullptr) std::copy(solver.multipliers().begin(), solver.multipliers().end(), a);
  return result;
}

}  // namespace prompt_attention
