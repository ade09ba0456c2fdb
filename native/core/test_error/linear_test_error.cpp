#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

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
  // A margin mean(x) + deviation·√scoreSquares(x) z, both quadratic in x, and its probability.
  struct Quadratic {
    double constant, linear, square;
    double operator()(double x) const { return constant + x * (linear + x * square); }
  };
  struct Margin {
    double probability;
    Quadratic mean;
    Quadratic scoreSquares;
  };

  // The margins at Σ g = √m x and Σ g² = x² + rest.
  void margins(double rest, std::vector<Margin>& out) const {
    const int m = mixture_.irrelevantTokens();
    const double rootM = std::sqrt(static_cast<double>(m));
    out.clear();
    for (const LabelTerm& term : terms_) {
      if (term.probability == 0.0) continue;
      const double score = dot(term.mu, readout_.prompt);
      const double head = dot(term.mu, readout_.head);
      const double relevant =
          mixture_.relevantTokens * dot(term.r, readout_.prompt) * dot(term.r, readout_.head);
      const double both = scoreScale_ * headScale_;
      const double perToken = term.y / mixture_.tokens;
      const double scoreSquare = scoreScale_ * scoreScale_;
      out.push_back(
          {term.probability,
           {perToken * (relevant + m * score * head + both * rest) - term.y * readout_.intercept,
            perToken * (scoreScale_ * head + score * headScale_) * rootM, perToken * both},
           // Σ a_t²
           {m * score * score + scoreSquare * rest, 2.0 * score * scoreScale_ * rootM, scoreSquare}});
    }
  }

  double at(const Margin& margin, double x) const {
    return margin.probability *
           misclassification(margin.mean(x), deviation_ * std::sqrt(std::max(margin.scoreSquares(x), 0.0)));
  }

  // Without noise in the scores.
  double noiseless() const {
    std::vector<Margin> all;
    margins(0.0, all);
    double error = 0.0;
    for (const Margin& margin : all) error += at(margin, 0.0);
    return error;
  }

  // Adds where the margin turns to `cuts`: some deviations left and right of the zeros of its mean.
  void addTurns(const Margin& margin, std::vector<double>& cuts) const {
    constexpr double kDeviations[] = {-8.0, -2.0, 0.0, 2.0, 8.0};
    const auto& [c, b, a] = margin.mean;
    const double discriminant = b * b - 4.0 * a * c;
    if (!(discriminant >= 0.0)) return;
    const double q = -0.5 * (b + std::copysign(std::sqrt(discriminant), b));
    for (const double zero : {q / a, c / q}) {
      if (!std::isfinite(zero)) continue;
      const double slope = std::abs(b + 2.0 * a * zero);
      const double width = deviation_ * std::sqrt(std::max(margin.scoreSquares(zero), 0.0)) / slope;
      for (const double k : kDeviations) cuts.push_back(k == 0.0 ? zero : zero + k * width);
    }
  }

 private:
  const Mixture& mixture_;
  const Readout& readout_;
  const std::vector<LabelTerm>& terms_;
  const double scoreScale_;
  const double headScale_;
  const double deviation_;
};

// Σ g_t = √m x and Σ g_t² = x² + V: x normal, V chi-squared with m − 1 degrees of freedom, independent. Over
// x by Gauss and Legendre between the points where a margin turns, which may be steps; over u, V = ν e^{u
// √(2/ν)}, whose density has one mode and falls off like a normal one's, by the trapezoidal rule.
class ScoreIntegral {
 public:
  ScoreIntegral(const LinearErrors& errors, int m, const std::atomic<bool>& cancelled)
      : errors_(errors), cancelled_(cancelled), nu_(m - 1), spread_(m > 1 ? std::sqrt(2.0 / nu_) : 0.0) {}

  // Log of the integrand's largest value, and where the integrand is not negligible beside it, on a grid so
  // coarse that it costs little.
  void look() {
    const int lowest = nu_ > 0 ? -kFarthestRow : 0;
    const int highest = nu_ > 0 ? kFarthestRow : 0;
    constexpr double kNothing = -std::numeric_limits<double>::infinity();
    std::vector<double> rows;
    std::vector<double> columns(2 * kFarthestScore + 1, kNothing);
    for (int row = lowest; row <= highest; ++row) {
      errors_.margins(rest(kGridStep * row), margins_);
      double top = kNothing;
      for (int column = -kFarthestScore; column <= kFarthestScore; ++column) {
        const double x = kGridStep * column;
        double error = 0.0;
        for (const LinearErrors::Margin& margin : margins_) error += errors_.at(margin, x);
        const double value = logWeight(kGridStep * row) - 0.5 * x * x + std::log(error);
        top = std::max(top, value);
        double& columnTop = columns[column + kFarthestScore];
        columnTop = std::max(columnTop, value);
      }
      rows.push_back(top);
      peak_ = std::max(peak_, top);
    }
    std::tie(lowestU_, highestU_) = extent(rows, lowest);
    std::tie(lowestX_, highestX_) = extent(columns, -kFarthestScore);
    if (nu_ == 0) lowestU_ = highestU_ = 0.0;
  }

  bool isZero() const { return !(peak_ > std::log(kLeastError)); }

  double withStep(double h) {
    double sum = 0.0;
    const auto first = static_cast<int64_t>(std::ceil(lowestU_ / h));
    const auto last = static_cast<int64_t>(std::floor(highestU_ / h));
    for (int64_t row = first; row <= last && !cancelled_; ++row) {
      const double u = static_cast<double>(row) * h;
      sum += std::exp(logWeight(u)) * overScores(u);
    }
    return std::min(sum / mass(h), 1.0);
  }

 private:
  static constexpr double kNegligible = 36.0;
  static constexpr double kWidestPanel = 2.0;
  static constexpr double kGridStep = 1.5;
  static constexpr int kFarthestScore = 25;
  static constexpr int kFarthestRow = 40;

  double rest(double u) const { return nu_ > 0 ? nu_ * std::exp(u * spread_) : 0.0; }
  // Relative to the density at its mode.
  double logWeight(double u) const {
    return nu_ > 0 ? 0.5 * nu_ * (u * spread_ - std::expm1(u * spread_)) : 0.0;
  }

  // E over x at one u.
  double overScores(double u) {
    // Weights beyond can no longer count: errors are at most 1.
    const double left = logWeight(u) - peak_ + kNegligible;
    if (!(left > 0.0)) return 0.0;
    const double reach = std::sqrt(2.0 * left);
    const double low = std::max(-reach, lowestX_);
    const double high = std::min(reach, highestX_);
    if (!(low < high)) return 0.0;
    errors_.margins(rest(u), margins_);
    double sum = 0.0;
    for (const LinearErrors::Margin& margin : margins_) {
      cuts_.clear();
      const int panels = static_cast<int>(std::ceil((high - low) / kWidestPanel));
      for (int i = 0; i <= panels; ++i) cuts_.push_back(low + (high - low) * i / panels);
      errors_.addTurns(margin, cuts_);
      for (double& cut : cuts_) cut = std::clamp(cut, low, high);
      std::sort(cuts_.begin(), cuts_.end());
      for (size_t i = 1; i < cuts_.size(); ++i)
        if (cuts_[i] > cuts_[i - 1]) sum += panel(margin, cuts_[i - 1], cuts_[i]);
    }
    return sum;
  }

  // ∫ φ(x) P(error | x) dx by eight nodes.
  double panel(const LinearErrors::Margin& margin, double from, double to) const {
    constexpr double kNodes[] = {0.18343464249564980, 0.52553240991632899, 0.79666647741362674,
                                 0.96028985649753623};
    constexpr double kWeights[] = {0.36268378337836198, 0.31370664587788729, 0.22238103445337447,
                                   0.10122853629037626};
    const double middle = 0.5 * (from + to);
    const double half = 0.5 * (to - from);
    double sum = 0.0;
    for (int i = 0; i < 4; ++i)
      for (const double node : {kNodes[i], -kNodes[i]}) {
        const double x = middle + half * node;
        sum += kWeights[i] * std::exp(-0.5 * x * x) * errors_.at(margin, x);
      }
    return half * sum * (M_2_SQRTPI * 0.5 * M_SQRT1_2);
  }

  // Σ of the weights of all rows.
  double mass(double h) const {
    if (nu_ == 0) return 1.0;
    double sum = 1.0;
    for (const double direction : {-1.0, 1.0})
      for (int64_t row = 1;; ++row) {
        const double weight = std::exp(logWeight(direction * static_cast<double>(row) * h));
        sum += weight;
        if (weight < 1e-17) break;
      }
    return sum;
  }

  // From a grid step before the first value that counts to one after the last.
  std::pair<double, double> extent(const std::vector<double>& tops, int first) const {
    const auto counts = [&](double value) { return value > peak_ - kNegligible; };
    const auto from = std::find_if(tops.begin(), tops.end(), counts) - tops.begin();
    const auto to = std::find_if(tops.rbegin(), tops.rend(), counts).base() - tops.begin();
    return {kGridStep * static_cast<double>(first + from - 1), kGridStep * static_cast<double>(first + to)};
  }

  const LinearErrors& errors_;
  const std::atomic<bool>& cancelled_;
  const int nu_;
  std::vector<LinearErrors::Margin> margins_;
  std::vector<double> cuts_;
  const double spread_;
  double peak_ = -std::numeric_limits<double>::infinity();
  double lowestU_ = 0.0;
  double highestU_ = 0.0;
  double lowestX_ = 0.0;
  double highestX_ = 0.0;
};

}  // namespace

TestError gaussianLinearTestError(const Mixture& mixture, const Readout& readout,
                                  const std::atomic<bool>& cancelled, PoolingWorkspace& workspace) {
  const LinearErrors errors(mixture, readout, workspace.terms);
  const int m = mixture.irrelevantTokens();
  if (mixture.isNoiseless() || readout.promptNorm == 0.0) return {errors.noiseless()};
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
