#include "core/test_error/test_error.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/attention/attention.h"
#include "core/base/blas.h"
#include "core/base/running_mean.h"
#include "core/test_error/plain_moments.h"
#include "core/test_error/score_ladder.h"
#include "core/test_error/unseen_scores.h"

namespace prompt_attention {

namespace {

TestError meanPoolingError(const Mixture& mixture, const Readout& readout, std::vector<LabelTerm>& terms) {
  const double zeta = static_cast<double>(mixture.relevantTokens) / mixture.tokens;
  const auto deviationOf = [&](double level, int tokens) {
    return level * std::sqrt(static_cast<double>(tokens)) / mixture.tokens;
  };
  const double deviation = std::hypot(deviationOf(mixture.noiseLevel, mixture.irrelevantTokens()),
                                      deviationOf(mixture.relevantNoiseLevel, mixture.relevantTokens));
  double error = 0.0;
  labelTable(mixture, terms);
  for (const LabelTerm& term : terms) {
    const double mean = dot(zeta * term.r + (1.0 - zeta) * term.mu, readout.head) - readout.intercept;
    error += term.probability * misclassification(term.y * mean, deviation * readout.headOrthogonal);
  }
  TestError result{error, 0.0, zeta};
  // With noise the error is above 0, however small.
  result.reliable = error > kLeastError || deviation * readout.headOrthogonal == 0.0;
  return result;
}

// Two token types an example: a finite sum.
TestError noiselessError(const Mixture& mixture, const Readout& readout, std::vector<LabelTerm>& terms) {
  constexpr double kRounding = 8.0 * std::numeric_limits<double>::epsilon();
  const int k = mixture.relevantTokens;
  const int m = mixture.irrelevantTokens();
  double error = 0.0;
  double attention = 0.0;
  labelTable(mixture, terms);
  for (const LabelTerm& term : terms) {
    const double gap = m == 0 ? 0.0 : dot(term.mu, readout.prompt) - dot(term.r, readout.prompt);
    const double mass = k == 0 ? 0.0 : 1.0 / (1.0 + m * std::exp(std::min(gap, 700.0)) / k);
    const PlaneVector feature = mass * term.r + (1.0 - mass) * term.mu;
    const double size = std::hypot(feature.e1, feature.e2);
    const double tie =
        size * (readout.headRounding + kRounding * std::hypot(readout.head.e1, readout.head.e2)) +
        kRounding * std::abs(readout.intercept);
    const double score = dot(feature, readout.head) - readout.intercept;
    error += term.probability * misclassification(std::abs(score) <= tie ? 0.0 : term.y * score, 0.0);
    attention += term.probability * mass;
  }
  return {error, 0.0, attention};
}

// Conditional errors of draws, summed over labels and atoms.
class ConditionalErrors {
 public:
  ConditionalErrors(const Mixture& mixture, const Readout& readout, PoolingWorkspace& workspace)
      : mixture_(mixture), readout_(readout), workspace_(workspace) {
    labelTable(mixture, workspace.terms);
  }
  // Plain draws first … first+count−1 of the scores into the workspace's sums.
  void draw(const Stream& scores, uint64_t first, int count, const std::atomic<bool>& cancelled) const {
    drawTokenSums(mixture_, scores, first, count, readout_.promptNorm, cancelled, workspace_.sums,
                  workspace_.relevantSums);
  }
  // Errors of the draws into values[kPooledBlock]; calls visit(probability) after each (y, δ), when
  // workspace.pooled holds its masses.
  template <class Visit>
  void operator()(const ScoreSums& sums, const ScoreSums& relevantSums, int count, double* values,
                  Visit visit) const {
    std::fill_n(values, kPooledBlock, 0.0);
    for (const LabelTerm& term : workspace_.terms) {
      if (term.probability == 0.0) continue;
      std::fill_n(workspace_.gaps, kPooledBlock,
                  dot(term.mu, readout_.prompt) - dot(term.r, readout_.prompt));
      pool(mixture_, workspace_.gaps, count, sums, relevantSums, workspace_.pooled);
      const Margin margin{term.y,
                          dot(term.r, readout_.head),
                          dot(term.mu, readout_.head),
                          readout_.headAlongPrompt,
                          readout_.headOrthogonal,
                          readout_.intercept};
      addErrors(workspace_.pooled, count, margin, term.probability, values);
      visit(term.probability);
    }
  }
  void operator()(const ScoreSums& sums, const ScoreSums& relevantSums, int count, double* values) const {
    (*this)(sums, relevantSums, count, values, [](double) {});
  }

 private:
  const Mixture& mixture_;
  const Readout& readout_;
  PoolingWorkspace& workspace_;
};

// What tiny errors are told in, whose squares would be 0. A power of two, so that scaling rounds nothing;
// ordinary errors are left as they are.
double unitOf(double scale) {
  return scale < 1e-100 ? std::ldexp(1.0, std::ilogb(scale)) : 1.0;
}

// How many plain draws are likely to have a reliable mean, by draws of the stream from here on, which are not
// among them. A ladder's pilot costs as much as the most that are worth while.
constexpr uint64_t kPilotPosition = uint64_t{1} << 33;
constexpr int kLeastPilotDraws = 128;
constexpr double kLeastPilotEffectiveDraws = 10.0;
// Where plain draws end.
struct PlainLimits {
  int draws;
  double effectiveShare;
};
// A ladder costs about five times as much a draw, and a quarter of its draws are effective or more: it pays
// long before.
constexpr PlainLimits kBesideLadder{1 << 13, 0.005};
constexpr PlainLimits kAlone{1 << 16, 0.0};
struct PlainPilot {
  int draws;  // 0 where no number within the limits will do
  UnseenMoments unseen;
};
PlainPilot pilotOf(const Mixture& mixture, const Readout& readout, const ConditionalErrors& conditional,
                   const Stream& scores, int draws, PlainLimits limits, const std::atomic<bool>& cancelled,
                   PoolingWorkspace& workspace) {
  const int count = std::clamp(draws / 4 / kPooledGroup * kPooledGroup, kLeastPilotDraws, kPooledBlock);
  conditional.draw(scores, kPilotPosition, count, cancelled);
  conditional(workspace.sums, workspace.relevantSums, count, workspace.values);
  UnseenMoments unseen =
      unseenMoments(workspace.sums, irrelevantScores(mixture, readout.promptNorm), workspace.relevantSums,
                    relevantScores(mixture, readout.promptNorm), count,
                    std::max(largestOf(workspace.values, count), kLeastError),
                    [&](const ScoreSums& sums, const ScoreSums& relevantSums, int unseenCount, double* out) {
                      conditional(sums, relevantSums, unseenCount, out);
                    });
  PlainMoments moments(unseen.scale);
  moments.add(workspace.values, count);
  if (moments.effectiveDraws() < kLeastPilotEffectiveDraws) return {0, std::move(unseen)};
  int wanted = draws;
  while (!moments.suffice(wanted / kPilotMargin, unseen, limits.effectiveShare)) {
    if (wanted >= limits.draws) return {0, std::move(unseen)};
    wanted *= 2;
  }
  return {wanted, std::move(unseen)};
}

// E[A] over labels, atoms and the first `draws` plain draws.
double plainAttention(const Mixture& mixture, const Readout& readout, const Stream& scores, int draws,
                      const std::atomic<bool>& cancelled, PoolingWorkspace& workspace) {
  const int m = mixture.irrelevantTokens();
  const double c = mixture.noiseLevel * readout.promptNorm;
  double attention = 0.0;
  for (int first = 0, count; first < draws && !cancelled; first += count) {
    count = std::min(kPooledBlock, draws - first);
    drawScoreSums(scores, first, count, m, c, cancelled, workspace.sums);
    for (const LabelTerm& term : workspace.terms) {
      std::fill_n(workspace.gaps, kPooledBlock, dot(term.mu, readout.prompt) - dot(term.r, readout.prompt));
      pool(mixture, workspace.gaps, count, workspace.sums, workspace.pooled);
      for (int i = 0; i < count; ++i) attention += term.probability * workspace.pooled.relevantMass[i];
    }
  }
  return attention / draws;
}

// By a ladder, of `draws` draws, or as many as its pilot wants up to kMostDrawsMore times as many; on to
// those as long as, against the pilot, too few of them are effective. Relevant tokens have no noise.
// Attention, which no rare draw carries, is that of plain draws: a ratio of weighted sums would be biased.
TestError ladderTestError(const Mixture& mixture, const Readout& readout, const Stream& scores, int draws,
                          const std::atomic<bool>& cancelled, PoolingWorkspace& workspace) {
  const int m = mixture.irrelevantTokens();
  const double c = mixture.noiseLevel * readout.promptNorm;
  const ConditionalErrors conditional(mixture, readout, workspace);
  LadderWorkspace scratch;
  const ScoreLadder ladder = buildLadder(
      scores, m, c,
      [&](const ScoreSums& sums, int count, double* values) {
        conditional(sums, workspace.relevantSums, count, values);
      },
      cancelled, scratch);
  WeightedMean error(static_cast<int>(ladder.components.size()));
  const int64_t most =
      std::max<int64_t>(draws, std::min<int64_t>(int64_t{draws} * kMostDrawsMore, kMostLadderDraws));
  int64_t first = 0;
  const double wanted = std::clamp<double>(ladder.drawsWanted, draws, static_cast<double>(most));
  for (auto end = static_cast<int64_t>(wanted);; end = std::min(2 * end, most)) {
    while (first < end && !cancelled) {
      // Whole periods: every component has its exact share.
      const int64_t left = (end - first + kLadderPeriod - 1) / kLadderPeriod * kLadderPeriod;
      const int count = static_cast<int>(std::min<int64_t>(kPooledBlock, left));
      drawLadderSums(scores, first, count, m, c, ladder, cancelled, scratch, workspace.sums, scratch.weights);
      conditional(workspace.sums, workspace.relevantSums, count, workspace.values);
      for (int i = 0; i < count; ++i)
        error.add(ladder.slots[(first + i) % kLadderPeriod], scratch.weights[i] * workspace.values[i]);
      first += count;
    }
    const double effective = error.effectiveDraws();
    const double skewness = error.squaredSkewness();
    const bool reliable =
        effective >= kLeastEffectiveDraws && skewness <= kLargestSkewness && error.mean() > kLeastError;
    // Where nothing was found, more of the same finds nothing.
    if (reliable || effective == 0.0 || end == most || cancelled)
      // A mean of weighted draws may pass 1.
      return {std::min(1.0, error.mean()), error.standardError() * forSkewness(skewness),
              plainAttention(mixture, readout, scores, draws, cancelled, workspace), effective, reliable};
  }
}

}  // namespace

double misclassification(double marginMean, double marginDeviation) {
  if (marginDeviation > 0.0) return 0.5 * std::erfc(marginMean / marginDeviation * M_SQRT1_2);
  return marginMean > 0.0 ? 0.0 : marginMean < 0.0 ? 1.0 : 0.5;
}

Readout makeReadout(const double* q, const double* w, int d) {
  Readout readout{};
  readout.prompt = {q[0], d > 1 ? q[1] : 0.0};
  readout.head = {w[0], d > 1 ? w[1] : 0.0};
  readout.promptNorm = std::sqrt(dot(q, q, d));
  double rest = 0.0;
  if (readout.promptNorm > 0.0) {
    readout.headAlongPrompt = dot(q, w, d) / readout.promptNorm;
    const double scale = readout.headAlongPrompt / readout.promptNorm;
    for (int j = 0; j < d; ++j) rest += (w[j] - scale * q[j]) * (w[j] - scale * q[j]);
  } else {
    rest = dot(w, w, d);
  }
  readout.headOrthogonal = std::sqrt(rest);
  return readout;
}

TestError gaussianTestError(const Mixture& mixture, const Readout& readout, const Stream& scores, int draws,
                            const std::atomic<bool>& cancelled, PoolingWorkspace& workspace) {
  if (mixture.isNoiseless()) return noiselessError(mixture, readout, workspace.terms);
  if (readout.promptNorm == 0.0) return meanPoolingError(mixture, readout, workspace.terms);
  const ConditionalErrors conditional(mixture, readout, workspace);
  // A ladder shifts the scores of irrelevant tokens only.
  const PlainLimits limits = mixture.hasRelevantNoise() ? kAlone : kBesideLadder;
  const PlainPilot pilot =
      pilotOf(mixture, readout, conditional, scores, draws, limits, cancelled, workspace);
  if (pilot.draws == 0 && !mixture.hasRelevantNoise())
    return ladderTestError(mixture, readout, scores, draws, cancelled, workspace);
  const int plainDraws = pilot.draws > 0 ? pilot.draws : std::max(draws, kBesideLadder.draws);
  RunningMean error;
  double unit = unitOf(pilot.unseen.scale);
  PlainMoments moments(pilot.unseen.scale);
  double attention = 0.0;
  for (int first = 0, count; first < plainDraws && !cancelled; first += count) {
    count = std::min(kPooledBlock, plainDraws - first);
    conditional.draw(scores, first, count, cancelled);
    conditional(workspace.sums, workspace.relevantSums, count, workspace.values, [&](double probability) {
      double mass = 0.0;
      for (int i = 0; i < count; ++i) mass += workspace.pooled.relevantMass[i];
      attention += probability * mass;
    });
    moments.add(workspace.values, count);
    if (unit != 1.0) {
      const double wider = std::max(unit, unitOf(largestOf(workspace.values, count)));
      error.scale(unit / wider);
      unit = wider;
      for (int i = 0; i < count; ++i) workspace.values[i] /= unit;
    }
    error.add(workspace.values, count);
  }
  const double mean = unit * error.mean();
  const double scatter = unit * error.standardError() * forSkewness(moments.squaredSkewness());
  return {mean, std::hypot(scatter, pilot.unseen.missedOf(mean, plainDraws)), attention / plainDraws,
          moments.effectiveDraws(), pilot.draws > 0 && moments.areReliable()};
}

TestError countedShare(double errors, double draws, double relevantAttention) {
  const double rare = std::min(errors, draws - errors);
  const bool reliable = rare >= kLeastErrorsSeen;
  const double share = reliable ? errors / draws : (errors + 2.0) / (draws + 4.0);
  return {errors / draws, std::sqrt(share * (1.0 - share) / draws), relevantAttention, errors, reliable};
}

void DenseExample::resize(const Mixture& mixture) {
  X.resize(static_cast<size_t>(mixture.tokens) * mixture.dimension);
  phi.resize(mixture.tokens);
  mask.resize(mixture.tokens);
  feature.resize(mixture.dimension);
}

double DenseExample::bytes(const Mixture& mixture) {
  const double d = mixture.dimension;
  return sizeof(double) * d * mixture.tokens +
         (sizeof(double) + sizeof(float)) * d * mixture.irrelevantTokens();
}

TestError countedTestError(const Mixture& mixture, const double* q, const double* w, double intercept,
                           StreamKey key, uint64_t trial, int draws, const std::atomic<bool>& cancelled,
                           DenseExample& example) {
  const TokenFrame canonical;
  LabelSampler labels(mixture, key, Sample::kTest, trial);
  TokenSampler tokens(mixture, canonical, key, Sample::kTest, trial, example.scratch);
  example.resize(mixture);
  double errors = 0.0;
  double attention = 0.0;
  for (int i = 0; i < draws && !cancelled; ++i) {
    ExampleLabel label;
    labels.draw(i, 1, &label);
    tokens.draw(i, label, nullptr, example.X.data(), example.mask.data());
    attend(example.X.data(), mixture.tokens, mixture.dimension, q, example.phi.data(),
           example.feature.data());
    const double score = dot(w, example.feature.data(), mixture.dimension) - intercept;
    errors += misclassification(label.y * score, 0.0);
    for (int t = 0; t < mixture.tokens; ++t)
      if (example.mask[t]) attention += example.phi[t];
  }
  return countedShare(errors, draws, attention / draws);
}

}  // namespace prompt_attention
