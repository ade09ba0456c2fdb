#include "core/laws/long_context_risk.h"

#include <cmath>
#include <limits>

#include "core/test_error/test_error.h"

namespace prompt_attention {

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
  if (sigma2 == 0.0 || m == 0.0) return {0.0, std::numeric_limits<double>::infinity()};
  const double S = signal / sigma2;
  const double alpha = sampleRatio;

  // E ỹy: what is left of the mean of y v; its square is that of the features, which know no labels.
  const double c = 1.0 - 2.0 * mixture.labelNoise;
  if (head.kind == HeadKind::kAveraging)
    return {misclassification(c * S, std::sqrt(c * c * S + 1.0 / alpha)), S};
  // With one noise variance s² for all examples, a = s·w₂ and b = s·r; x = s²χ solves αℓx² + (α + αℓ − 1)x −
  // 1 = 0 for ℓ = λ/s².
  double a = 0.0;
  double b = 0.0;
  const auto residual = [&] { return 1.0 - 2.0 * c * a * std::sqrt(S) + a * a * (S + 1.0); };
  if (head.ridge == 0.0 && alpha <= 1.0) {
    if (alpha == 1.0) return {0.5, S};
    a = c * std::sqrt(S) / (S + 1.0 / alpha);
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
    a = c * kappa * std::sqrt(S) / (kappa * (S + 1.0) + ell);
    b = std::sqrt(x * x * kappa * kappa * residual() / (x * kappa * kappa + ell * x));
  }
  return {misclassification(a * std::sqrt(S), std::sqrt(a * a + b * b)), S};
}

}  // namespace prompt_attention
