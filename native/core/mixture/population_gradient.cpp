#include "core/mixture/population_gradient.h"

#include "core/base/blas.h"

namespace prompt_attention {

void populationGradient(const Mixture& mixture, const double* w, double* headGradient,
                        double* promptGradient) {
  const int d = mixture.dimension;
  const double T = mixture.tokens;
  const double zeta = mixture.relevantTokens / T;
  const double sigma2 = mixture.noiseLevel * mixture.noiseLevel;
  const double relevant2 = mixture.relevantNoiseLevel * mixture.relevantNoiseLevel;
  const double tokenVariance = zeta * relevant2 + (1.0 - zeta) * sigma2;  // mean over the tokens
  const double difference2 = (sigma2 - relevant2) * (1.0 - zeta) / T;
  const PlaneVector head{w[0], d > 1 ? w[1] : 0.0};
  const double squaredNorm = dot(w, w, d);
  PlaneVector headPlane{0.0, 0.0};
  PlaneVector promptPlane{0.0, 0.0};
  double alongHead = 0.0;
  for (const LabelTerm& term : trainingTerms(mixture)) {
    const PlaneVector u = zeta * term.r + (1.0 - zeta) * term.mu;
    const PlaneVector difference = term.r + -1.0 * term.mu;
    const double D = dot(difference, head);
    const double e = term.observed - dot(u, head);
    headPlane = headPlane + (term.probability * term.observed) * u;
    promptPlane =
        promptPlane +
        (term.probability * (e * zeta * (1.0 - zeta) * D + zeta * difference2 * squaredNorm)) * difference;
    alongHead += term.probability * (e * tokenVariance * (1.0 - 1.0 / T) + zeta * difference2 * D);
  }
  for (int j = 0; j < d; ++j) {
    headGradient[j] = 0.0;
    promptGradient[j] = alongHead * w[j];
  }
  headGradient[0] = headPlane.e1;
  promptGradient[0] += promptPlane.e1;
  if (d > 1) {
    headGradient[1] = headPlane.e2;
    promptGradient[1] += promptPlane.e2;
  }
}

}  // namespace prompt_attention
