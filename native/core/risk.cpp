#include "core/risk.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>

#include "core/pooling.h"
#include "core/test_error.h"

namespace prompt_attention {

namespace {

constexpr int kBatches = 32;
constexpr int kIterationLimit = 5000;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One (draw, y, δ): the law of its feature.
struct RiskDraw {
  double weight;  // probability of (y, δ) over the number of draws
  double y;
  double u1;
  double u2;         // without the in-plane noise s z
  double variance;   // s²
  double variance1;  // variance of u1 beyond the draw: s² at τ = 0, where t̃ is integrated out, else 0
};

struct DrawRange {
  const RiskDraw* begin;
  const RiskDraw* end;
  double scale;  // makes the weights of the range sum to 1
};

struct Solution {
  double error;
  double chi;
  PlaneVector w;
  double r;
};

// Σ weight · value over the range.
template <class Value>
double average(const DrawRange& draws, Value value) {
  double sum = 0.0;
  for (const RiskDraw* draw = draws.begin; draw != draws.end; ++draw) sum += draw->weight * value(*draw);
  return draws.scale * sum;
}

// (E[c uuᵀ] + ridge·I)⁻¹ E[c u y] for weights c(draw); the least-norm solution where the matrix is singular.
template <class Weight>
PlaneVector planeSolution(const DrawRange& draws, double ridge, Weight weight) {
  double a11 = 0.0, a12 = 0.0, a22 = 0.0, b1 = 0.0, b2 = 0.0;
  for (const RiskDraw* draw = draws.begin; draw != draws.end; ++draw) {
    const double c = draws.scale * draw->weight * weight(*draw);
    a11 += c * (draw->u1 * draw->u1 + draw->variance1);
    a12 += c * draw->u1 * draw->u2;
    a22 += c * (draw->u2 * draw->u2 + draw->variance);
    b1 += c * draw->u1 * draw->y;
    b2 += c * draw->u2 * draw->y;
  }
  a11 += ridge;
  a22 += ridge;
  const double trace = a11 + a22;
  const double determinant = a11 * a22 - a12 * a12;
  if (trace == 0.0) return {0.0, 0.0};
  if (determinant > 1e-13 * a11 * a22)
    return {(a22 * b1 - a12 * b2) / determinant, (a11 * b2 - a12 * b1) / determinant};
  // Rank one: A = trace · vvᵀ, so A⁺b = A b / trace².
  return {(a11 * b1 + a12 * b2) / (trace * trace), (a12 * b1 + a22 * b2) / (trace * trace)};
}

double squaredResidual(const RiskDraw& draw, PlaneVector w) {
  const double mean = draw.y - draw.u1 * w.e1 - draw.u2 * w.e2;
  return mean * mean + draw.variance1 * w.e1 * w.e1 + draw.variance * w.e2 * w.e2;
}

double errorOf(const DrawRange& draws, PlaneVector w, double r) {
  if (std::isinf(r)) return 0.5;
  return average(draws, [&](const RiskDraw& draw) {
    const double variance = draw.variance * (r * r + w.e2 * w.e2) + draw.variance1 * w.e1 * w.e1;
    return misclassification(draw.y * (draw.u1 * w.e1 + draw.u2 * w.e2), std::sqrt(variance));
  });
}

// Root of F(χ) = α E[s²χ/(1+s²χ)] + αλχ − 1. F is concave and increasing and s²χ/(1+s²χ) ≤ s²χ, so Newton's
// iteration from χ₀ = 1/(α(E[s²]+λ)) rises to the root monotonically.
double solveChi(const DrawRange& draws, double alpha, double ridge) {
  const double meanVariance = average(draws, [](const RiskDraw& draw) { return draw.variance; });
  double chi = 1.0 / (alpha * (meanVariance + ridge));
  for (int iteration = 0; iteration < kIterationLimit; ++iteration) {
    double value = 0.0;
    double slope = 0.0;
    for (const RiskDraw* draw = draws.begin; draw != draws.end; ++draw) {
      const double kappa = 1.0 / (1.0 + draw->variance * chi);
      value += draw->weight * draw->variance * chi * kappa;
      slope += draw->weight * draw->variance * kappa * kappa;
    }
    const double residual = alpha * (draws.scale * value + ridge * chi) - 1.0;
    const double step = -residual / (alpha * (draws.scale * slope + ridge));
    chi += step;
    if (!(step > 1e-15 * chi)) return chi;
  }
  throw std::runtime_error("the fixed point of the risk equations was not found: chi reached " +
                           std::to_string(chi) + " at sample ratio " + std::to_string(alpha));
}

Solution solveInterpolation(const DrawRange& draws, double alpha) {
  // Weights relative to the smallest variance, so that 1/s² cannot overflow.
  double least = kInfinity;
  for (const RiskDraw* draw = draws.begin; draw != draws.end; ++draw) least = std::min(least, draw->variance);
  const auto weight = [least](const RiskDraw& draw) { return least / draw.variance; };
  Solution solution{0.0, kInfinity, planeSolution(draws, least * (1.0 - alpha) / alpha, weight), kInfinity};
  if (alpha < 1.0) {
    const double residual = average(
        draws, [&](const RiskDraw& draw) { return weight(draw) * squaredResidual(draw, solution.w); });
    solution.r = std::sqrt(alpha * residual / least / (1.0 - alpha));
  }
  return solution;
}

Solution solveLeastSquares(const DrawRange& draws, double alpha, double ridge, bool noiseless) {
  if (noiseless) {
    const PlaneVector w = planeSolution(draws, ridge, [](const RiskDraw&) { return 1.0; });
    return {0.0, ridge > 0.0 ? 1.0 / (alpha * ridge) : kInfinity, w, 0.0};
  }
  if (ridge == 0.0 && alpha <= 1.0) return solveInterpolation(draws, alpha);
  const double chi = solveChi(draws, alpha, ridge);
  const auto kappa = [chi](const RiskDraw& draw) { return 1.0 / (1.0 + draw.variance * chi); };
  const PlaneVector w = planeSolution(draws, ridge, kappa);
  const double numerator = average(draws, [&](const RiskDraw& draw) {
    const double k = kappa(draw);
    return draw.variance * chi * chi * k * k * squaredResidual(draw, w);
  });
  const double denominator = average(draws, [&](const RiskDraw& draw) {
    const double k = kappa(draw);
    return draw.variance * chi * k * k;
  });
  return {0.0, chi, w, std::sqrt(numerator / (denominator + ridge * chi))};
}

Solution solve(const DrawRange& draws, const RiskSpec& spec, double alpha) {
  Solution solution{};
  if (spec.head.kind == HeadKind::kAveraging) {
    const double variance = average(draws, [](const RiskDraw& draw) { return draw.variance; });
    solution.chi = std::numeric_limits<double>::quiet_NaN();
    solution.w = {average(draws, [](const RiskDraw& draw) { return draw.y * draw.u1; }),
                  average(draws, [](const RiskDraw& draw) { return draw.y * draw.u2; })};
    solution.r = std::sqrt(variance / alpha);
  } else {
    solution = solveLeastSquares(draws, alpha, spec.head.ridge, spec.mixture.isNoiseless());
  }
  solution.error = errorOf(draws, solution.w, solution.r);
  return solution;
}

struct DrawTable {
  std::vector<RiskDraw> draws;    // terms adjacent, draw by draw
  std::vector<double> attention;  // E[A | draw]
  int drawCount;
};

// At τ = 0, and without noise, one "draw" says all: the scores do not depend on the noise.
DrawTable uniformAttention(const Mixture& mixture) {
  const double zeta = static_cast<double>(mixture.relevantTokens) / mixture.tokens;
  const double variance = mixture.noiseLevel * mixture.noiseLevel * (1.0 - zeta) / mixture.tokens;
  DrawTable table{{}, {zeta}, 1};
  for (const LabelTerm& term : labelTerms(mixture)) {
    const PlaneVector u = zeta * term.r + (1.0 - zeta) * term.mu;
    table.draws.push_back({term.probability, term.y, u.e1, u.e2, variance, variance});
  }
  return table;
}

DrawTable drawScores(const RiskSpec& spec, const std::atomic<bool>& cancelled) {
  const Mixture& mixture = spec.mixture;
  const PlaneVector q = spec.inverseTemperature * mixture.contextVector();
  if (q.e1 == 0.0) return uniformAttention(mixture);
  const int m = mixture.irrelevantTokens();
  const int drawCount = mixture.isNoiseless() ? 1 : spec.draws;
  const double scale = mixture.noiseLevel * q.e1;
  const Stream scores(spec.key, Sample::kRisk, Field::kScore, 0);
  const std::vector<LabelTerm> terms = labelTerms(mixture);
  DrawTable table{{}, {}, drawCount};
  table.draws.reserve(terms.size() * drawCount);
  table.attention.reserve(drawCount);
  // Attention can push the noise below the smallest double; the floor keeps 1/s² and s²χ finite and changes
  // no error.
  const double floor = mixture.isNoiseless() ? 0.0 : 1e-250;
  const auto workspace = std::make_unique<PoolingWorkspace>();
  std::vector<Pooled> pooled(terms.size());
  for (int first = 0; first < drawCount && !cancelled; first += kPooledBlock) {
    const int count = std::min(kPooledBlock, drawCount - first);
    drawScoreSums(scores, first, count, m, scale, workspace->sums);
    for (size_t j = 0; j < terms.size(); ++j) {
      std::fill_n(workspace->gaps, kPooledBlock, dot(terms[j].mu, q) - dot(terms[j].r, q));
      pool(mixture, workspace->gaps, count, workspace->sums, pooled[j]);
    }
    for (int draw = 0; draw < count; ++draw) {
      double attention = 0.0;
      for (size_t j = 0; j < terms.size(); ++j) {
        const LabelTerm& term = terms[j];
        const PlaneVector u =
            pooled[j].relevantMass[draw] * term.r + pooled[j].irrelevantMass[draw] * term.mu;
        table.draws.push_back({term.probability / drawCount, term.y, u.e1 + pooled[j].alongPrompt[draw], u.e2,
                               std::max(pooled[j].variance[draw], floor), 0.0});
        attention += term.probability * pooled[j].relevantMass[draw];
      }
      table.attention.push_back(attention);
    }
  }
  return table;
}

double standardErrorOfMean(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  if (n < 2) return 0.0;
  double mean = 0.0;
  for (const double value : values) mean += value / n;
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (n - 1.0) / n);
}

}  // namespace

RiskCurve knownPromptRisk(const RiskSpec& spec, const std::atomic<bool>& cancelled) {
  const DrawTable table = drawScores(spec, cancelled);
  RiskCurve curve{};
  if (cancelled) return curve;
  const double drawCount = table.drawCount;
  for (const double attention : table.attention) curve.relevantAttention += attention / drawCount;
  curve.relevantAttentionStandardError = standardErrorOfMean(table.attention);
  const size_t terms = table.draws.size() / table.drawCount;
  const RiskDraw* data = table.draws.data();
  for (const double alpha : spec.sampleRatios) {
    const Solution whole = solve({data, data + table.draws.size(), 1.0}, spec, alpha);
    std::vector<double> batchErrors;
    for (int batch = 0; table.drawCount > 1 && batch < kBatches; ++batch) {
      if (cancelled) return curve;
      const size_t begin = static_cast<size_t>(table.drawCount) * batch / kBatches;
      const size_t end = static_cast<size_t>(table.drawCount) * (batch + 1) / kBatches;
      const DrawRange part{data + begin * terms, data + end * terms,
                           drawCount / static_cast<double>(end - begin)};
      batchErrors.push_back(solve(part, spec, alpha).error);
    }
    curve.points.push_back({whole.error, standardErrorOfMean(batchErrors), whole.chi, whole.w, whole.r});
  }
  return curve;
}

LongContextRisk longContextRisk(const Mixture& mixture, double sampleRatio, double inverseTemperature,
                                const HeadOptions& head) {
  const double T = mixture.tokens;
  const double m = mixture.irrelevantTokens();
  const double k = mixture.relevantTokens;
  const double sigma2 = mixture.noiseLevel * mixture.noiseLevel;
  const double scores2 = sigma2 * std::pow(inverseTemperature * mixture.contextNorm, 2);
  const double relevantScore = inverseTemperature * mixture.contextNorm * mixture.contextNorm;
  const double signal =
      std::pow(k * mixture.signalNorm, 2) * std::exp(2.0 * relevantScore - 2.0 * scores2) / m;
  if (signal == 0.0) return {0.5, 0.0};
  if (sigma2 == 0.0 || m == 0.0) return {0.0, kInfinity};
  const double S = signal / sigma2;
  const double alpha = sampleRatio;

  if (head.kind == HeadKind::kAveraging) return {misclassification(S, std::sqrt(S + 1.0 / alpha)), S};
  // With one noise variance s² for all examples, a = s·w₂ and b = s·r; x = s²χ solves αℓx² + (α + αℓ − 1)x −
  // 1 = 0 for ℓ = λ/s².
  double a = 0.0;
  double b = 0.0;
  const auto residual = [&] { return 1.0 - 2.0 * a * std::sqrt(S) + a * a * (S + 1.0); };
  if (head.ridge == 0.0 && alpha <= 1.0) {
    if (alpha == 1.0) return {0.5, S};
    a = std::sqrt(S) / (S + 1.0 / alpha);
    b = std::sqrt(alpha * residual() / (1.0 - alpha));
  } else {
    // s² = σ² m e^{2σ²c²} / (k e^{τQ²} + m e^{σ²c²/2})²
    const double total = k / T * std::exp(relevantScore - 0.5 * scores2) + m / T;
    const double variance = sigma2 * m / (T * T) * std::exp(scores2) / (total * total);
    const double ell = head.ridge / variance;
    const double linear = alpha + alpha * ell - 1.0;
    const double root = std::sqrt(linear * linear + 4.0 * alpha * ell);
    const double x = linear > 0.0 ? 2.0 / (linear + root) : (root - linear) / (2.0 * alpha * ell);
    const double kappa = 1.0 / (1.0 + x);
    a = kappa * std::sqrt(S) / (kappa * (S + 1.0) + ell);
    b = std::sqrt(x * x * kappa * kappa * residual() / (x * kappa * kappa + ell * x));
  }
  return {misclassification(a * std::sqrt(S), std::sqrt(a * a + b * b)), S};
}

}  // namespace prompt_attention
