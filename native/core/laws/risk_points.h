// What the risk of a known prompt (risk.h) averages over: one point per draw of the scores and value of (y,
// δ, ỹ); examples to come have ỹ = y.
//
// Given (y, δ) and the scores, the feature of an example has plane coordinates u = (u1, u2 + s z), z ~ N(0,
// 1), and noise of variance s² in every orthogonal direction (theory.md §5, §6). With β = ỹ r the margin
// coordinates of the relevant tokens and B = 1 − A the attention mass on the others, the margin coordinates
// without the noise are
//
//   b = ỹ u = (1 − B) β + η,   η = B ỹ μ + ỹ t̃ e1.
//
// Points hold η, B and s². Where attention is heavy-tailed, B, η and s of a draw fall below all rounding of b
// together, and 1 − wᵀb = (1 − B)(1 − wᵀβ) + B − wᵀη keeps its digits only in this form. For the same reason
// heads are held with their distance from `origin`, where wᵀβ = 1 for both labels that are true, or for the
// shorter β where both are on one line (RiskState of risk_sums.h).
//
// With a free intercept (`intercept`) features are told from q⋆, u − q⋆ in place of u, so that β = ỹ (r − q⋆)
// is the same for both labels that are true; an intercept b' of these is b' − w1 Q of the features
// themselves.
//
// At τ = 0 the scores do not matter: t̃ is then noise of variance s² along e1 too (`uniform`), and a single
// draw says all.
//
// Draws come in batches from independent randomisations (score_lattice.h), so that the scatter of what is
// computed from single batches gives standard errors.
#pragma once

#include <atomic>
#include <vector>

#include "core/mixture/mixture.h"
#include "core/models/objective.h"
#include "core/random/random.h"

namespace prompt_attention {

constexpr int kRiskBatches = 32;
// Student's t of kRiskBatches − 1 degrees of freedom over the normal law, at 97.5 %.
constexpr double kRiskStudent = 2.0395134 / 1.9599640;

// Points begin … begin + count − 1 stand for one value of (y, δ, ỹ).
struct RiskSegment {
  size_t begin;
  size_t normals;  // where in RiskPoints::normals and ::weights theirs begin
  int count;
  double probability;      // among training examples
  double testProbability;  // among examples to come
  PlaneVector relevant;    // β
  double originGap;        // 1 − originᵀβ, exactly 0 where the origin was made so
  double observed;         // ỹ
};

struct RiskPoints {
  std::vector<double> eta1;
  std::vector<double> eta2;
  std::vector<double> irrelevantMasses;  // B
  std::vector<double> variances;         // s²
  std::vector<double> normals;  // x ~ N(0, 1) for losses whose mean over the noise has no closed form
  std::vector<double> weights;  // of the points of a segment, of mean 1; empty if all are 1
  std::vector<std::vector<RiskSegment>> batches;
  bool uniform;        // τ = 0
  bool noiseless;      // s = 0
  bool relevantNoise;  // s stays above 0 as B → 0
  bool intercept;      // of the head is free: u − q⋆ in place of u
  double clipped;      // share of points that are held at the end of double precision
  PlaneVector
      origin;  // (0, 1/⟨w⋆,e2⟩), on one line (1/β, 0), or 0 where that is not finite or no token is relevant
  // Means over all points.
  double b1Squares;  // E b1² (+ s² at τ = 0)
  double b2Squares;  // E b2² + s²
  double variance;   // E s²
  double relevantAttention;
  double relevantAttentionStandardError;

  bool hasDraws() const { return batches.size() > 1; }
};

// The terms of the training examples, r and μ less q⋆ with a free intercept.
std::vector<LabelTerm> riskTerms(const Mixture& mixture, bool intercept);

// About `draws` draws in kRiskBatches batches of prime size; none at τ = 0 or without noise. With
// `withNormals` every point has an x: one per draw, or, where nothing is drawn, the nodes of a quadrature.
// Returns early, with nothing of use, once `cancelled`.
struct RiskPointsSpec {
  const Mixture& mixture;
  double inverseTemperature;
  int draws;
  StreamKey key;
  bool withNormals;
  bool intercept;
};
RiskPoints drawRiskPoints(const RiskPointsSpec& spec, PartRunner& runner, const std::atomic<bool>& cancelled);

// What the noise of points that are all very clean has to be multiplied by so that products of two variances
// are above 0; 1 where it need not be.
double noiseUnit(const RiskPoints& points);
// The same points with B, η and s times `unit`.
RiskPoints withNoiseTimes(RiskPoints points, double unit);

// How many times as likely as in the limit the observed labels are among training examples.
struct LabelRates {
  double positive = 1.0;
  double negative = 1.0;
  double of(double observed) const { return observed > 0.0 ? positive : negative; }
};
// Where the share of observed labels +1 is `share`; 0 < observedRate < 1.
LabelRates labelRates(double observedRate, double share);

// The same points among training examples with these rates.
RiskPoints withTrainingRates(RiskPoints points, LabelRates rates);

// The points of a mixture with label noise where the share of training labels that are wrong is another.
RiskPoints withWrongShare(RiskPoints points, double labelNoise, double share);

}  // namespace prompt_attention
