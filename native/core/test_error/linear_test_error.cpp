#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/test_error/test_error.h"

namespace prompt_attention {

namespace {

// Conditional error given Σ g_t and Σ g_t² (test_error.h).
class LinearErrors {
 public:
  LinearErrors(const Mixture& mixture, const Readout& readout, std::vector<LabelTerm>& terms)
      : mixture_(mixture),
        readout_(readout),
        terms_(terms),
        scoreScale_(mixture.noiseLevel * readout.promptNorm),
        headScale_(readout.promptNorm > 0.0 ? mixture.noiseLevel * readout.headAlongPrompt : 0.0),
        deviation_(mixture.noiseLevel * readout.headOrthogonal / mixture.tokens) {
    labelTable(mixture, terms);
  }
  double operator()(double sum, double squares) const {
    const int m = mixture_.irrelevantTokens();
    double error = 0.0;
    for (const LabelTerm& term : terms_) {
      if (term.probability == 0.0) continue;
      const double score = dot(term.mu, readout_.prompt);
      const double head = dot(term.mu, readout_.head);
      const double relevant =
          mixture_.relevantTokens * dot(term.r, readout_.prompt) * dot(term.r, readout_.head);
      const double irrelevant = m * score * head + (scoreScale_ * head + score * headScale_) * sum +
                                scoreScale_ * headScale_ * squares;
      // Σ a_t²
      const double scoreSquares =
          m * score * score + 2.0 * score * scoreScale_ * sum + scoreScale_ * scoreScale_ * squares;
      const double mean = (relevant + irrelevant) / mixture_.tokens - readout_.intercept;
      error += term.probability *
               misclassification(term.y * mean, deviation_ * std::sqrt(std::max(scoreSquares, 0.0)));
    }
    return error;
  }

 private:
  const Mixture& mixture_;
  const Readout& readout_;
  const std::vector<LabelTerm>& terms_;
  const double scoreScale_;
  const double headScale_;
  const double deviation_;
};

// Σ g_t = √m x and Σ g_t² = x² + V: x normal, V chi-squared with m − 1 degrees of freedom, independent. The
// trapezoidal rule in x and u, V = ν e^{u √(2/ν)}, whose density has one mode and falls off like a normal
// one's.
class ScoreIntegral {
 public:
  ScoreIntegral(const LinearErrors& errors, int m, const std::atomic<bool>& cancelled)
      : errors_(errors),
        cancelled_(cancelled),
        nu_(m - 1),
        rootM_(std::sqrt(static_cast<double>(m))),
        spread_(m > 1 ? std::sqrt(2.0 / nu_) : 0.0) {}

  // Log of the integrand's largest value on a grid so coarse that it costs little.
  void look() {
    constexpr double kStep = 1.5;
    constexpr int kFarthestScore = 25;
    const int lowest = nu_ > 0 ? -40 : 0;
    const int highest = nu_ > 0 ? 26 : 0;
    for (int row = lowest; row <= highest; ++row)
      for (int column = -kFarthestScore; column <= kFarthestScore; ++column) {
        const double u = kStep * row;
        const double x = kStep * column;
        const double weight = logWeight(x, u);
        if (weight > peak_) peak_ = std::max(peak_, weight + std::log(at(x, u)));
      }
  }

  bool isZero() const { return std::isinf(peak_); }

  double withStep(double h) const {
    const auto [low, high] = nu_ > 0 ? std::pair(edge(-1.0), edge(1.0)) : std::pair(0.0, 0.0);
    double sum = 0.0;
    double mass = 0.0;
    const auto first = static_cast<int64_t>(std::ceil(low / h));
    const auto last = static_cast<int64_t>(std::floor(high / h));
    for (int64_t row = first; row <= last && !cancelled_; ++row) {
      const double u = static_cast<double>(row) * h;
      // Weights below this can no longer count: errors are at most 1.
      const double left = logWeight(0.0, u) - peak_ + kNegligible;
      const auto reach = static_cast<int64_t>(left > 0.0 ? std::floor(std::sqrt(2.0 * left) / h) : 0.0);
      for (int64_t column = -reach; column <= reach; ++column) {
        const double x = static_cast<double>(column) * h;
        const double weight = std::exp(logWeight(x, u));
        mass += weight;
        sum += weight * at(x, u);
      }
    }
    return mass > 0.0 ? sum / mass : 0.0;
  }

 private:
  static constexpr double kNegligible = 36.0;

  double at(double x, double u) const {
    return errors_(rootM_ * x, x * x + (nu_ > 0 ? nu_ * std::exp(u * spread_) : 0.0));
  }
  // Relative to the density at its mode.
  double logWeight(double x, double u) const {
    return -0.5 * x * x + (nu_ > 0 ? 0.5 * nu_ * (u * spread_ - std::expm1(u * spread_)) : 0.0);
  }
  double edge(double direction) const {
    double inside = 0.0;
    double outside = 1.0;
    const auto counts = [&](double u) { return logWeight(0.0, direction * u) > peak_ - kNegligible; };
    while (counts(outside)) outside *= 2.0;
    for (int step = 0; step < 40; ++step) {
      const double middle = 0.5 * (inside + outside);
      (counts(middle) ? inside : outside) = middle;
    }
    return direction * outside;
  }

  const LinearErrors& errors_;
  const std::atomic<bool>& cancelled_;
  const int nu_;
  const double rootM_;
  const double spread_;
  double peak_ = -std::numeric_limits<double>::infinity();
};

}  // namespace

TestError gaussianLinearTestError(const Mixture& mixture, const Readout& readout,
                                  const std::atomic<bool>& cancelled, PoolingWorkspace& workspace) {
  const LinearErrors errors(mixture, readout, workspace.terms);
  const int m = mixture.irrelevantTokens();
  if (mixture.isNoiseless() || readout.promptNorm == 0.0) return {errors(0.0, 0.0)};
  ScoreIntegral integral(errors, m, cancelled);
  integral.look();
  // An error too small for a double, or a region too small for the grid.
  if (integral.isZero()) return {0.0, 0.0, 0.0, 0.0, false};
  constexpr double kAgreement = 1e-4;
  constexpr int kHalvings = 5;
  double step = 0.4;
  double before = integral.withStep(step);
  for (int halving = 1;; ++halving) {
    step *= 0.5;
    const double error = integral.withStep(step);
    const double change = std::abs(error - before);
    if (change <= kAgreement * error || halving == kHalvings || cancelled) {
      TestError result{error, change};
      result.reliable = error > kLeastError && change <= 0.05 * error;
      return result;
    }
    before = error;
  }
}

}  // namespace prompt_attention
