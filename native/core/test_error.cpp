#include "core/test_error.h"

#include <algorithm>
#include <cmath>

#include "core/attention.h"
#include "core/blas.h"
#include "core/running_mean.h"
#include "core/score_ladder.h"

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
  return {error, 0.0, zeta};
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

// Moments E[v^k], k = 1 … 4, of a sample of errors and of what it did not see, relative to powers of `scale`.
class PlainMoments {
 public:
  explicit PlainMoments(double scale) : perScale_(1.0 / scale) {}
  void add(const double* errors, int count) {
    draws_ += count;
    for (int i = 0; i < count; ++i) {
      const double v = errors[i] * perScale_;
      const double square = v * v;
      sums_[0] += v;
      sums_[1] += square;
      sums_[2] += square * v;
      sums_[3] += square * square;
    }
  }
  double effectiveDraws() const { return sums_[0] > 0.0 ? sums_[0] / sums_[1] * sums_[0] : 0.0; }
  // Whether the mean of `draws` such draws is close to normal and its standard error well estimated.
  bool suffice(double draws, const UnseenMoments& unseen) const {
    double moment[4];
    for (int k = 0; k < 4; ++k) moment[k] = sums_[k] / draws_ + unseen.power[k];
    const double mean = moment[0];
    const double variance = moment[1] - mean * mean;
    // Errors that differ by rounding only.
    if (variance <= 1e-20 * mean * mean) return mean > 0.0;
    const double third = moment[2] - 3.0 * mean * moment[1] + 2.0 * mean * mean * mean;
    return draws * mean * mean >= kLeastEffectiveDraws * moment[1] &&
           third * third <= kLargestSkewness * draws * variance * variance * variance &&
           moment[3] <= kLargestKurtosis * draws * variance * moment[1];
  }

 private:
  static constexpr double kLargestSkewness = 0.1;
  static constexpr double kLargestKurtosis = 0.25;
  double perScale_;
  double draws_ = 0.0;
  double sums_[4] = {0.0, 0.0, 0.0, 0.0};
};

// By a ladder, from `draws` draws on to kMostDrawsMore times as many, as long as too few of them are
// effective.
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
  double attention = 0.0;
  double weight = 0.0;
  const int64_t most =
      std::max<int64_t>(draws, std::min<int64_t>(int64_t{draws} * kMostDrawsMore, kMostLadderDraws));
  int64_t first = 0;
  for (int64_t end = draws;; end *= 2) {
    end = std::min(end, most);
    while (first < end && !cancelled) {
      // Whole periods: every component has its exact share.
      const int64_t left = (end - first + kLadderPeriod - 1) / kLadderPeriod * kLadderPeriod;
      const int count = static_cast<int>(std::min<int64_t>(kPooledBlock, left));
      drawLadderSums(scores, first, count, m, c, ladder, cancelled, scratch, workspace.sums, scratch.weights);
      conditional(workspace.sums, count, workspace.values, [&](double probability) {
        for (int i = 0; i < count; ++i)
          attention += probability * scratch.weights[i] * workspace.pooled.relevantMass[i];
      });
      for (int i = 0; i < count; ++i) {
        weight += scratch.weights[i];
        error.add(ladder.slots[(first + i) % kLadderPeriod], scratch.weights[i] * workspace.values[i]);
      }
      first += count;
    }
    const double effective = error.effectiveDraws();
    const bool reliable = effective >= kLeastEffectiveDraws;
    // Where nothing was found, more of the same finds nothing.
    if (reliable || effective == 0.0 || end == most || cancelled)
      return {error.mean(), error.standardError(), attention / weight, effective, reliable};
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
  if (readout.promptNorm == 0.0) return meanPoolingError(mixture, readout, workspace.terms);
  const int m = mixture.irrelevantTokens();
  const double c = mixture.noiseLevel * readout.promptNorm;
  // Without noise all draws are alike.
  if (mixture.isNoiseless()) draws = 1;
  const ConditionalErrors conditional(mixture, readout, workspace);
  RunningMean error;
  PlainMoments moments(1.0);
  double attention = 0.0;
  for (int first = 0, count; first < draws && !cancelled; first += count) {
    count = std::min(kPooledBlock, draws - first);
    drawScoreSums(scores, first, count, m, c, cancelled, workspace.sums);
    conditional(workspace.sums, count, workspace.values, [&](double probability) {
      double mass = 0.0;
      for (int i = 0; i < count; ++i) mass += workspace.pooled.relevantMass[i];
      attention += probability * mass;
    });
    error.add(workspace.values, count);
    if (mixture.isNoiseless()) return {error.mean(), 0.0, attention};
    if (first == 0) {
      const double largest = *std::max_element(workspace.values, workspace.values + count);
      const double scale = largest > 1e-290 ? largest : 1e-290;
      moments = PlainMoments(scale);
      moments.add(workspace.values, count);
      LadderWorkspace scratch;
      const UnseenMoments unseen = unseenMoments(
          workspace.sums, count, m, c,
          [&](const ScoreSums& sums, int values, double* out) {
            conditional(sums, values, out, [](double) {});
            for (int i = 0; i < values; ++i) out[i] /= scale;
          },
          scratch);
      if (!moments.suffice(draws, unseen))
        return ladderTestError(mixture, readout, scores, draws, cancelled, workspace);
    } else {
      moments.add(workspace.values, count);
    }
  }
  if (!moments.suffice(draws, UnseenMoments{}) && !cancelled)
    return ladderTestError(mixture, readout, scores, draws, cancelled, workspace);
  return {error.mean(), error.standardError(), attention / draws, moments.effectiveDraws()};
}

TestError gaussianLinearTestError(const Mixture& mixture, const Readout& readout, const Stream& scores,
                                  int draws, const std::atomic<bool>& cancelled,
                                  PoolingWorkspace& workspace) {
  const int m = mixture.irrelevantTokens();
  const int T = mixture.tokens;
  const double scoreScale = mixture.noiseLevel * readout.promptNorm;
  const double headScale = mixture.noiseLevel * readout.headAlongPrompt;
  const double deviation = mixture.noiseLevel * readout.headOrthogonal / T;
  const std::vector<LabelTerm> terms = labelTerms(mixture);
  double* sums = workspace.gaps;
  double* squares = workspace.values;
  RunningMean error;
  for (int first = 0, count; first < draws && !cancelled; first += count) {
    count = std::min(kPooledBlock, draws - first);
    drawPowerSums(scores, first, count, m, cancelled, sums, squares);
    for (int draw = 0; draw < count; ++draw) {
      double drawError = 0.0;
      for (const LabelTerm& term : terms) {
        const double score = dot(term.mu, readout.prompt);
        const double head = dot(term.mu, readout.head);
        const double relevant =
            mixture.relevantTokens * dot(term.r, readout.prompt) * dot(term.r, readout.head);
        const double irrelevant = m * score * head + (scoreScale * head + score * headScale) * sums[draw] +
                                  scoreScale * headScale * squares[draw];
        // Σ a_t²
        const double scoreSquares = m * score * score + 2.0 * score * scoreScale * sums[draw] +
                                    scoreScale * scoreScale * squares[draw];
        const double mean = (relevant + irrelevant) / T - readout.intercept;
        drawError += term.probability *
                     misclassification(term.y * mean, deviation * std::sqrt(std::max(scoreSquares, 0.0)));
      }
      error.add(drawError);
    }
  }
  return {error.mean(), error.standardError(), 0.0};
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
  RunningMean error;
  double attention = 0.0;
  for (int i = 0; i < draws && !cancelled; ++i) {
    ExampleLabel label;
    labels.draw(i, 1, &label);
    tokens.draw(i, label, nullptr, example.X.data(), example.mask.data());
    attend(example.X.data(), mixture.tokens, mixture.dimension, q, example.phi.data(),
           example.feature.data());
    const double score = dot(w, example.feature.data(), mixture.dimension) - intercept;
    error.add(misclassification(label.y * score, 0.0));
    for (int t = 0; t < mixture.tokens; ++t)
      if (example.mask[t]) attention += example.phi[t];
  }
  return {error.mean(), error.standardError(), attention / draws};
}

}  // namespace prompt_attention
