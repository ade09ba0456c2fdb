#include "core/laws/risk_points.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/laws/risk_points.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "core/random/score_lattice.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Points of one (y, δ) from score sums, as pool() of pooling.h; returns Σ A. `relevantSums` is null where
// relevant tokens have no noise.
double poolPointsOf(const Mixture& mixture, const LabelTerm& term, double scoreGap, const ScoreSumBatch& sums,
                    const ScoreSumBatch* relevantSums, double* eta1, double* eta2, double* masses,
                    double* variances) {
  const hn::ScalableTag<double> d;
  const size_t lanes = hn::Lanes(d);
  const size_t count = sums.exponentials.size();
  const auto one = hn::Set(d, 1.0);
  // B and s together stay where s² and 1/s² are finite: what is cleaner than 1e-143 σ is as clean as that.
  const auto bound = hn::Set(d, 330.0);
  const auto floor = hn::Set(d, 1e-290 * mixture.noiseLevel * mixture.noiseLevel);
  const auto sigma = hn::Set(d, mixture.noiseLevel);
  const bool relevant = mixture.relevantTokens > 0;
  const auto perRelevant = hn::Set(d, relevant ? 1.0 / mixture.relevantTokens : 0.0);
  const auto y = hn::Set(d, term.observed);
  HWY_ALIGN double in[4][hn::MaxLanes(d)];
  HWY_ALIGN double out[5][hn::MaxLanes(d)];
  double attention = 0.0;
  for (size_t first = 0; first < count; first += lanes) {
    const size_t size = std::min(lanes, count - first);
    for (size_t i = 0; i < lanes; ++i) {
      const size_t draw = first + std::min(i, size - 1);
      in[0][i] = sums.shift[draw];
      in[1][i] = sums.exponentials[draw];
      in[2][i] = sums.squares[draw];
      in[3][i] = sums.weighted[draw];
      if (relevantSums != nullptr)
        in[0][i] -=
            relevantSums->shift[draw] + std::log(relevantSums->exponentials[draw] / mixture.relevantTokens);
    }
    const auto s1 = hn::Load(d, in[1]);
    auto A = hn::Zero(d);
    auto B = one;
    if (relevant) {
      const auto exponent = hn::Add(hn::Load(d, in[0]), hn::Set(d, scoreGap));
      const auto odds = hn::Exp(d, hn::Max(hn::Neg(bound), hn::Min(exponent, bound)));
      const auto ratio = hn::Mul(hn::Mul(s1, perRelevant), odds);
      A = hn::Div(one, hn::Add(one, ratio));
      B = hn::Div(one, hn::Add(one, hn::Div(one, ratio)));
    }
    const auto scale = hn::Div(hn::Mul(sigma, B), s1);
    const auto along = hn::Mul(scale, hn::Load(d, in[3]));
    hn::Store(hn::Mul(y, hn::MulAdd(B, hn::Set(d, term.mu.e1), along)), d, out[0]);
    hn::Store(hn::Mul(y, hn::Mul(B, hn::Set(d, term.mu.e2))), d, out[1]);
    hn::Store(B, d, out[2]);
    hn::Store(hn::Max(hn::Mul(hn::Mul(scale, scale), hn::Load(d, in[2])), floor), d, out[3]);
    hn::Store(A, d, out[4]);
    std::copy_n(out[0], size, eta1 + first);
    std::copy_n(out[1], size, eta2 + first);
    std::copy_n(out[2], size, masses + first);
    std::copy_n(out[3], size, variances + first);
    for (size_t i = 0; i < size; ++i) attention += out[4][i];
    if (relevantSums == nullptr) continue;
    for (size_t i = 0; i < size; ++i) {
      const size_t draw = first + i;
      const double own = mixture.relevantNoiseLevel * out[4][i] / relevantSums->exponentials[draw];
      eta1[draw] += term.observed * own * relevantSums->weighted[draw];
      variances[draw] += own * own * relevantSums->squares[draw];
    }
  }
  return attention;
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/base/running_mean.h"

namespace prompt_attention {

HWY_EXPORT(poolPointsOf);

namespace {

// The trapezoidal rule for means over N(0, 1): exact to rounding for what is analytic within 1/kNodesPerUnit
// of the real axis.
constexpr int kNodesPerUnit = 48;
constexpr int kNodeRange = 9;

void addMoments(RiskPoints& points) {
  points.b1Squares = points.b2Squares = points.variance = 0.0;
  for (const std::vector<RiskSegment>& batch : points.batches)
    for (const RiskSegment& segment : batch) {
      const double weight = segment.probability / segment.count / static_cast<double>(points.batches.size());
      double b1 = 0.0;
      double b2 = 0.0;
      double variance = 0.0;
      // All points of a segment with weights are equal.
      for (size_t i = segment.begin; i < segment.begin + segment.count; ++i) {
        const double mass = 1.0 - points.irrelevantMasses[i];
        const double b1At = mass * segment.relevant.e1 + points.eta1[i];
        const double b2At = mass * segment.relevant.e2 + points.eta2[i];
        b1 += b1At * b1At;
        b2 += b2At * b2At;
        variance += points.variances[i];
      }
      points.b1Squares += weight * (b1 + (points.uniform ? variance : 0.0));
      points.b2Squares += weight * (b2 + variance);
      points.variance += weight * variance;
    }
}

RiskSegment segmentOf(const Mixture& mixture, const LabelTerm& term, size_t begin, size_t normals,
                      int count) {
  const double testProbability =
      term.observed == term.y ? term.probability / (1.0 - mixture.labelNoise) : 0.0;
  return {begin, normals,      count, term.probability, testProbability, term.observed * term.r,
          1.0,   term.observed};
}

RiskPoints undrawnPoints(const RiskPointsSpec& spec, PlaneVector q) {
  const Mixture& mixture = spec.mixture;
  const bool withNormals = spec.withNormals;
  RiskPoints points{};
  points.uniform = q.e1 == 0.0;
  points.noiseless = mixture.isNoiseless();
  points.batches.resize(1);
  const double share = static_cast<double>(mixture.relevantTokens) / mixture.tokens;
  const bool quadrature = withNormals && !points.noiseless;
  const int nodes = quadrature ? 2 * kNodesPerUnit * kNodeRange + 1 : 1;
  for (const LabelTerm& term : riskTerms(mixture, spec.intercept)) {
    // Without noise every irrelevant score is its mean; at τ = 0 every weight is 1/T.
    const double odds = std::exp(dot(term.mu, q) - dot(term.r, q)) * mixture.irrelevantTokens();
    const bool oneKind = mixture.relevantTokens == 0 || mixture.irrelevantTokens() == 0;
    const double A =
        points.uniform || oneKind ? share : mixture.relevantTokens / (mixture.relevantTokens + odds);
    const double noise2 = mixture.noiseLevel * mixture.noiseLevel * (1.0 - share);
    const double relevantNoise2 = mixture.relevantNoiseLevel * mixture.relevantNoiseLevel * share;
    const double variance = points.noiseless ? 0.0 : (noise2 + relevantNoise2) / mixture.tokens;
    points.relevantAttention += term.probability * A;
    points.batches[0].push_back(segmentOf(mixture, term, points.eta1.size(), 0, nodes));
    points.eta1.insert(points.eta1.end(), nodes, term.observed * (1.0 - A) * term.mu.e1);
    points.eta2.insert(points.eta2.end(), nodes, term.observed * (1.0 - A) * term.mu.e2);
    points.irrelevantMasses.insert(points.irrelevantMasses.end(), nodes, 1.0 - A);
    points.variances.insert(points.variances.end(), nodes, variance);
  }
  if (withNormals) points.normals.assign(nodes, 0.0);
  for (int node = 0; quadrature && node < nodes; ++node) {
    const double x = static_cast<double>(node) / kNodesPerUnit - kNodeRange;
    points.normals[node] = x;
    points.weights.push_back(nodes * std::exp(-0.5 * x * x) / (kNodesPerUnit * std::sqrt(2.0 * M_PI)));
  }
  return points;
}

// Of no tokens: as one whose score is far below all others.
ScoreSumBatch weightlessSums(int draws) {
  const std::vector<double> zeros(draws, 0.0);
  const std::vector<double> ones(draws, 1.0);
  return {std::vector<double>(draws, -1e6), ones, ones, zeros};
}

RiskPoints drawnPoints(const RiskPointsSpec& spec, PlaneVector q, PartRunner& runner,
                       const std::atomic<bool>& cancelled) {
  const Mixture& mixture = spec.mixture;
  const StreamKey key = spec.key;
  const bool withNormals = spec.withNormals;
  RiskPoints points{};
  const std::vector<LabelTerm> terms = riskTerms(mixture, spec.intercept);
  const int perBatch = primeFrom(spec.draws / kRiskBatches + (spec.draws % kRiskBatches > 0));
  const size_t size = terms.size() * kRiskBatches * static_cast<size_t>(perBatch);
  for (std::vector<double>* values :
       {&points.eta1, &points.eta2, &points.irrelevantMasses, &points.variances})
    values->resize(size);
  if (withNormals) points.normals.resize(static_cast<size_t>(kRiskBatches) * perBatch);
  points.batches.resize(kRiskBatches);
  std::vector<double> attention(kRiskBatches, 0.0);
  runner.run(kRiskBatches, [&](int batch, int) {
    if (cancelled) return;
    const Stream scores(key, Sample::kRisk, Field::kScore, batch);
    ScoreSumBatch sums;
    ScoreSumBatch relevantSums;
    if (mixture.irrelevantTokens() > 0)
      drawLatticeSums(scores, perBatch, mixture.irrelevantTokens(), mixture.noiseLevel * q.e1, cancelled,
                      sums);
    else
      sums = weightlessSums(perBatch);
    if (mixture.hasRelevantNoise())
      drawLatticeSums(scores.besides(), perBatch, mixture.relevantTokens, mixture.relevantNoiseLevel * q.e1,
                      cancelled, relevantSums);
    const size_t normals = static_cast<size_t>(batch) * perBatch;
    if (withNormals) {
      std::vector<double> x;
      drawStratifiedNormals(Stream(key, Sample::kRisk, Field::kFeature, batch), perBatch, x);
      std::copy(x.begin(), x.end(), points.normals.begin() + static_cast<int64_t>(normals));
    }
    for (size_t i = 0; i < terms.size(); ++i) {
      const size_t begin = (batch * terms.size() + i) * perBatch;
      points.batches[batch].push_back(segmentOf(mixture, terms[i], begin, normals, perBatch));
      const double total = HWY_DYNAMIC_DISPATCH(poolPointsOf)(
          mixture, terms[i], dot(terms[i].mu, q) - dot(terms[i].r, q), sums,
          mixture.hasRelevantNoise() ? &relevantSums : nullptr, points.eta1.data() + begin,
          points.eta2.data() + begin, points.irrelevantMasses.data() + begin,
          points.variances.data() + begin);
      attention[batch] += terms[i].probability * total / perBatch;
    }
  });
  constexpr double kCleanest = 1e-142;
  const std::vector<double>& masses = points.irrelevantMasses;
  // Where relevant tokens have noise, no point is clean.
  const auto clipped =
      mixture.hasRelevantNoise()
          ? 0
          : std::count_if(masses.begin(), masses.end(), [](double mass) { return mass < kCleanest; });
  points.clipped = static_cast<double>(clipped) / static_cast<double>(masses.size());
  RunningMean mean;
  for (const double value : attention) mean.add(value);
  points.relevantAttention = mean.mean();
  points.relevantAttentionStandardError = mean.standardError();
  return points;
}

void setOrigin(RiskPoints& points, const Mixture& mixture) {
  // Further out than this its rounding would be that of every head.
  const double farthest = 1e6 * (1.0 + mixture.contextNorm);
  const auto isUseful = [&](double length) {
    return mixture.relevantTokens > 0 && length != 0.0 && std::abs(1.0 / length) < farthest;
  };
  const double across = mixture.signalVector().e2;
  if (isUseful(across)) {
    points.origin = {0.0, 1.0 / across};
  } else if (across == 0.0) {
    double shortest = 0.0;
    for (const RiskSegment& segment : points.batches[0]) {
      const double length = segment.relevant.e1;
      if (isUseful(length) && (shortest == 0.0 || std::abs(length) < std::abs(shortest))) shortest = length;
    }
    if (shortest != 0.0) points.origin = {1.0 / shortest, 0.0};
  }
  for (std::vector<RiskSegment>& batch : points.batches)
    for (RiskSegment& segment : batch) {
      const double gap = 1.0 - dot(points.origin, segment.relevant);
      segment.originGap = std::abs(gap) < 1e-14 ? 0.0 : gap;
    }
}

}  // namespace

std::vector<LabelTerm> riskTerms(const Mixture& mixture, bool intercept) {
  std::vector<LabelTerm> terms = trainingTerms(mixture);
  if (!intercept) return terms;
  const PlaneVector context = mixture.contextVector();
  for (LabelTerm& term : terms) {
    term.r = term.y * mixture.signalVector();
    term.mu = term.mu + -1.0 * context;
  }
  return terms;
}

RiskPoints drawRiskPoints(const RiskPointsSpec& spec, PartRunner& runner,
                          const std::atomic<bool>& cancelled) {
  const Mixture& mixture = spec.mixture;
  const PlaneVector q = spec.inverseTemperature * mixture.contextVector();
  RiskPoints points =
      q.e1 == 0.0 || mixture.isNoiseless() ? undrawnPoints(spec, q) : drawnPoints(spec, q, runner, cancelled);
  points.relevantNoise = mixture.hasRelevantNoise();
  points.intercept = spec.intercept;
  setOrigin(points, mixture);
  if (!cancelled) addMoments(points);
  return points;
}

double noiseUnit(const RiskPoints& points) {
  constexpr double kClean = 1e-70;
  constexpr double kEnough = 1e-60;
  if (!points.hasDraws() || points.relevantNoise) return 1.0;
  const double most = *std::max_element(points.irrelevantMasses.begin(), points.irrelevantMasses.end());
  return most < kClean ? kEnough / most : 1.0;
}

RiskPoints withNoiseTimes(RiskPoints points, double unit) {
  for (std::vector<double>* values : {&points.eta1, &points.eta2, &points.irrelevantMasses})
    for (double& value : *values) value *= unit;
  for (double& value : points.variances) value *= unit * unit;
  addMoments(points);
  return points;
}

LabelRates labelRates(double observedRate, double share) {
  return {share / observedRate, (1.0 - share) / (1.0 - observedRate)};
}

RiskPoints withTrainingRates(RiskPoints points, LabelRates rates) {
  for (std::vector<RiskSegment>& batch : points.batches)
    for (RiskSegment& segment : batch) segment.probability *= rates.of(segment.observed);
  addMoments(points);
  return points;
}

RiskPoints withWrongShare(RiskPoints points, double labelNoise, double share) {
  for (std::vector<RiskSegment>& batch : points.batches)
    for (RiskSegment& segment : batch)
      segment.probability *=
          segment.testProbability > 0.0 ? (1.0 - share) / (1.0 - labelNoise) : share / labelNoise;
  addMoments(points);
  return points;
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
