#include "core/test_error/test_error.h"

#include <algorithm>
#include <cmath>

#include "core/attention/attention.h"
#include "core/base/blas.h"
#include "core/base/running_mean.h"
#include "core/test_error/score_ladder.h"

namespace prompt_attention {

namespace {

TestError meanPoolingError(const Mixture& mixture, const Readout& readout, std::vector<LabelTerm>& terms) {
  const double zeta = static_cast<double>(mixture.relevantTokens) / mixture.tokens;
  const double deviation =
      mixture.noiseLevel * std::sqrt(static_cast<double>(mixture.irrelevantTokens())) / mixture.tokens;
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
  // Errors of the draws into values[kPooledBlock]; calls visit(probability) after each (y, δ), when
  // workspace.pooled holds its masses.
  template <class Visit>
  void operator()(const ScoreSums& sums, int count, double* values, Visit visit) const {
    std::fill_n(values, kPooledBlock, 0.0);
    for (const LabelTerm& term : workspace_.terms) {
      if (term.probability == 0.0) continue;
      std::fill_n(workspace_.gaps, kPooledBlock,
                  dot(term.mu, readout_.prompt) - dot(term.r, readout_.prompt));
      pool(mixture_, workspace_.gaps, count, sums, workspace_.pooled);
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

 private:
  const Mixture& mixture_;
  const Readout& readout_;
  PoolingWorkspace& workspace_;
};

// How much longer a standard error must be for ±1.96 of them to cover 95 % although the mean is skewed: by
// the Edgeworth expansion of a Studentised mean (Hall 1992, §2.6) the coverage falls short by 2 z φ(z) γ² (z⁴
// + 2z² − 3)/18, γ the skewness of the mean.
double forSkewness(double squaredSkewness) {
  return 1.0 + 1.08 * squaredSkewness;
}

// Found by calibration (test/audit/test-error.ts). Fewer effective draws than a ladder needs will do: what
// was not seen is accounted for, and so is skewness.
constexpr double kLeastPlainDraws = 30.0;
constexpr double kLargestPlainSkewness = 1.0;

double largestOf(const double* values, int count) {
  return *std::max_element(values, values + count);
}

// Moments E[v^k], k = 1 … 4, of a sample of errors and of what it did not see, relative to powers of a scale
// that no error is above.
class PlainMoments {
 public:
  explicit PlainMoments(double scale) : scale_(scale) {}
  void add(const double* errors, int count) {
    rescale(largestOf(errors, count));
    const double perScale = 1.0 / scale_;
    draws_ += count;
    // Four sums side by side, which a compiler turns into vectors.
    constexpr int kLanes = 4;
    double lanes[4][kLanes] = {};
    for (int i = 0; i < count; i += kLanes)
      for (int lane = 0; lane < kLanes; ++lane) {
        const double v = i + lane < count ? errors[i + lane] * perScale : 0.0;
        const double square = v * v;
        lanes[0][lane] += v;
        lanes[1][lane] += square;
        lanes[2][lane] += square * v;
        lanes[3][lane] += square * square;
      }
    for (int k = 0; k < 4; ++k)
      for (int lane = 0; lane < kLanes; ++lane) sums_[k] += lanes[k][lane];
  }
  double effectiveDraws() const { return sums_[0] > 0.0 ? sums_[0] / sums_[1] * sums_[0] : 0.0; }
  // Whether the mean of `draws` such draws is close to normal and its standard error well estimated.
  bool suffice(double draws, const UnseenMoments& unseen) const {
    double moment[4];
    for (int k = 0; k < 4; ++k)
      moment[k] = (sums_[k] / draws_ + unseen.power[k]) / (1.0 + unseen.probability);
    const double mean = moment[0];
    const double variance = moment[1] - mean * mean;
    if (areAlike(mean, variance)) return mean > 0.0;
    const double third = moment[2] - 3.0 * mean * moment[1] + 2.0 * mean * mean * mean;
    const double fourth =
        moment[3] - 4.0 * mean * third - 6.0 * mean * mean * variance - mean * mean * mean * mean;
    return draws * mean * mean >= std::max(kLeastPlainDraws, kLeastPlainShare * draws) * moment[1] &&
           third * third <= kLargestSkewness * draws * variance * variance * variance &&
           fourth <= kLargestKurtosis * draws * variance * variance;
  }
  double squaredSkewness() const {
    const double mean = sums_[0] / draws_;
    const double variance = sums_[1] / draws_ - mean * mean;
    if (areAlike(mean, variance)) return 0.0;
    const double third = sums_[2] / draws_ - 3.0 * mean * sums_[1] / draws_ + 2.0 * mean * mean * mean;
    return third * third / (draws_ * variance * variance * variance);
  }
  // Whether the interval of the mean of these draws can be trusted, of which a pilot has said so.
  bool areReliable() const {
    const double mean = sums_[0] / draws_;
    return areAlike(mean, sums_[1] / draws_ - mean * mean) ||
           (effectiveDraws() >= kLeastPlainDraws && squaredSkewness() <= kLargestPlainSkewness);
  }

 private:
  // A ladder costs about five times as much a draw, and a quarter of its draws are effective or more: it pays
  // long before.
  static constexpr double kLeastPlainShare = 0.005;
  static constexpr double kLargestKurtosis = 1.0;

  static bool areAlike(double mean, double variance) { return variance <= 1e-7 * mean * mean; }
  void rescale(double largest) {
    if (!(largest > scale_)) return;
    const double ratio = scale_ / largest;
    double power = 1.0;
    for (double& sum : sums_) sum *= power *= ratio;
    scale_ = largest;
  }

  double scale_;
  double draws_ = 0.0;
  double sums_[4] = {0.0, 0.0, 0.0, 0.0};
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
constexpr int kMostPlainDraws = 1 << 13;
struct PlainPilot {
  int draws;     // 0 where a ladder is better
  double scale;  // of the errors
};
PlainPilot pilotOf(const ConditionalErrors& conditional, const Stream& scores, int draws, int m, double c,
                   const std::atomic<bool>& cancelled, PoolingWorkspace& workspace) {
  const int count = std::clamp(draws / 4 / kPooledGroup * kPooledGroup, kLeastPilotDraws, kPooledBlock);
  drawScoreSums(scores, kPilotPosition, count, m, c, cancelled, workspace.sums);
  conditional(workspace.sums, count, workspace.values, [](double) {});
  double scale = std::max(largestOf(workspace.values, count), kLeastError);
  double values[kPooledBlock];
  std::copy_n(workspace.values, count, values);
  LadderWorkspace scratch;
  const UnseenMoments unseen = unseenMoments(
      workspace.sums, count, m, c,
      [&](const ScoreSums& sums, int unseenCount, double* out) {
        conditional(sums, unseenCount, out, [](double) {});
        scale = std::max(scale, largestOf(out, unseenCount));
        for (int i = 0; i < unseenCount; ++i) out[i] /= scale;
      },
      scratch);
  PlainMoments moments(scale);
  moments.add(values, count);
  if (moments.effectiveDraws() < kLeastPilotEffectiveDraws) return {0, scale};
  int wanted = draws;
  while (!moments.suffice(wanted / kPilotMargin, unseen)) {
    if (wanted >= kMostPlainDraws) return {0, scale};
    wanted *= 2;
  }
  return {wanted, scale};
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
// those as long as, against the pilot, too few of them are effective. Attention, which no rare draw carries,
// is that of plain draws: a ratio of weighted sums would be biased.
TestError ladderTestError(const Mixture& mixture, const Readout& readout, const Stream& scores, int draws,
                          const std::atomic<bool>& cancelled, PoolingWorkspace& workspace) {
  const int m = mixture.irrelevantTokens();
  const double c = mixture.noiseLevel * readout.promptNorm;
  const ConditionalErrors conditional(mixture, readout, workspace);
  LadderWorkspace scratch;
  const ScoreLadder ladder = buildLadder(
      scores, m, c,
      [&](const ScoreSums& sums, int count, double* values) {
        conditional(sums, count, values, [](double) {});
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
      conditional(workspace.sums, count, workspace.values, [](double) {});
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
  const int m = mixture.irrelevantTokens();
  const double c = mixture.noiseLevel * readout.promptNorm;
  const ConditionalErrors conditional(mixture, readout, workspace);
  const PlainPilot pilot = pilotOf(conditional, scores, draws, m, c, cancelled, workspace);
  if (pilot.draws == 0) return ladderTestError(mixture, readout, scores, draws, cancelled, workspace);
  RunningMean error;
  double unit = unitOf(pilot.scale);
  PlainMoments moments(pilot.scale);
  double attention = 0.0;
  for (int first = 0, count; first < pilot.draws && !cancelled; first += count) {
    count = std::min(kPooledBlock, pilot.draws - first);
    drawScoreSums(scores, first, count, m, c, cancelled, workspace.sums);
    conditional(workspace.sums, count, workspace.values, [&](double probability) {
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
  const double standardError = unit * error.standardError() * forSkewness(moments.squaredSkewness());
  return {unit * error.mean(), standardError, attention / pilot.draws, moments.effectiveDraws(),
          moments.areReliable()};
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
