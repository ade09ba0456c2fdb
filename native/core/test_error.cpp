#include "core/test_error.h"

#include <algorithm>
#include <cmath>

#include "core/attention.h"
#include "core/blas.h"
#include "core/running_mean.h"

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
  const double c = mixture.noiseLevel * readout.promptNorm;
  labelTable(mixture, workspace.terms);
  RunningMean error;
  double attention = 0.0;
  for (int first = 0, count = 0; first < draws && !cancelled; first += count) {
    count = std::min(kPooledBlock, draws - first);
    drawScoreSums(scores, first, count, mixture.irrelevantTokens(), c, workspace.sums);
    std::fill_n(workspace.values, kPooledBlock, 0.0);
    for (const LabelTerm& term : workspace.terms) {
      if (term.probability == 0.0) continue;
      std::fill_n(workspace.gaps, kPooledBlock, dot(term.mu, readout.prompt) - dot(term.r, readout.prompt));
      pool(mixture, workspace.gaps, count, workspace.sums, workspace.pooled);
      const Margin margin{term.y,
                          dot(term.r, readout.head),
                          dot(term.mu, readout.head),
                          readout.headAlongPrompt,
                          readout.headOrthogonal,
                          readout.intercept};
      addErrors(workspace.pooled, count, margin, term.probability, workspace.values);
      double mass = 0.0;
      for (int i = 0; i < count; ++i) mass += workspace.pooled.relevantMass[i];
      attention += term.probability * mass;
    }
    error.add(workspace.values, count);
  }
  return {error.mean(), error.standardError(), attention / draws};
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
  for (int first = 0, count = 0; first < draws && !cancelled; first += count) {
    count = std::min(kPooledBlock, draws - first);
    drawPowerSums(scores, first, count, m, sums, squares);
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
