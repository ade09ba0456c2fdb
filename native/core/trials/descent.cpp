#include "core/trials/descent.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/blas.h"
#include "core/trials/lazy_descent.h"

namespace prompt_attention {

namespace {

double norm(const double* x, size_t count) {
  return std::sqrt(dot(x, x, static_cast<int>(count)));
}

// Examples first … first+count−1 of a sample: tokens, labels (observed ones, but of the test) and, unless
// null, relevance masks.
void drawExamples(const DescentSpec& spec, Sample sample, uint64_t trial, uint64_t first, int count,
                  double* X, double* y, uint8_t* relevance, const std::atomic<bool>& cancelled,
                  TokenScratch& scratch) {
  const TokenFrame canonical;
  const size_t T = spec.mixture.tokens;
  LabelSampler labels(spec.mixture, spec.key, sample, trial);
  TokenSampler tokens(spec.mixture, canonical, spec.key, sample, trial, scratch);
  std::vector<uint8_t> mask(T);
  for (int i = 0; i < count && !cancelled; ++i) {
    ExampleLabel label;
    labels.draw(first + i, 1, &label);
    y[i] = sample == Sample::kTest ? label.y : label.observed;
    tokens.draw(first + i, label, nullptr, X + i * T * spec.mixture.dimension,
                relevance == nullptr ? mask.data() : relevance + i * T);
  }
}

// Everything but the test error; q[axes] is null for models without a prompt, w[axes] is the head.
DescentMetrics parameterMetrics(const DescentSpec& spec, const double* q, const double* w, int axes,
                                const Evaluation& training) {
  DescentMetrics metrics{};
  metrics.trainingLoss = training.loss;
  metrics.trainingError = training.error;
  const PlaneVector contextVector = spec.mixture.contextVector();
  const PlaneVector signalVector = spec.mixture.signalVector();
  const auto inPlane = [axes](const double* x) { return PlaneVector{x[0], axes > 1 ? x[1] : 0.0}; };
  metrics.headNorm = norm(w, axes);
  metrics.headContextOverlap = dot(inPlane(w), contextVector);
  metrics.headSignalOverlap = dot(inPlane(w), signalVector);
  if (q == nullptr) return metrics;
  metrics.promptNorm = norm(q, axes);
  metrics.contextOverlap = dot(inPlane(q), contextVector);
  metrics.signalOverlap = dot(inPlane(q), signalVector);
  return metrics;
}

void drawInitial(const DescentSpec& spec, uint64_t trial, std::vector<double>& theta) {
  const Model& model = spec.model;
  theta.assign(model.parameters(), 0.0);
  if (spec.initialScale == 0.0) return;
  const Stream stream(spec.key, Sample::kTraining, Field::kInitial, trial);
  const size_t attention = model.promptSize() + model.weightSize();
  stream.normals(0, model.headSize(), theta.data() + attention);
  stream.normals(model.headSize(), attention, theta.data());
  const double weightScale = spec.initialScale / std::sqrt(static_cast<double>(model.dimension));
  for (size_t j = 0; j < theta.size(); ++j) {
    const bool isWeight = j >= model.promptSize() && j < attention;
    theta[j] *= isWeight ? weightScale : spec.initialScale;
  }
}

// Test error and attention on relevant tokens by counting over fresh examples.
TestError countedError(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                       DescentWorkspace& workspace) {
  const size_t T = spec.mixture.tokens;
  const int size = std::min(examplesPerBlock(spec.model), spec.testDraws);
  workspace.testX.resize(size * T * spec.mixture.dimension);
  workspace.testY.resize(size);
  workspace.relevance.resize(size * T);
  LossSums sums;
  for (int first = 0, count; first < spec.testDraws && !cancelled; first += count) {
    count = std::min(size, spec.testDraws - first);
    drawExamples(spec, Sample::kTest, trial, first, count, workspace.testX.data(), workspace.testY.data(),
                 workspace.relevance.data(), cancelled, workspace.tokens);
    addBlockLoss(spec.model, spec.loss, workspace.theta.data(),
                 {count, workspace.testX.data(), workspace.testY.data(), workspace.relevance.data()}, 0.0,
                 sums, nullptr, workspace.model);
  }
  return countedShare(sums.errors, spec.testDraws, sums.relevant / spec.testDraws);
}

bool hasGaussianMetrics(const DescentSpec& spec) {
  switch (spec.model.traits().testError) {
    case TestErrorForm::kPooled:
      return spec.mixture.isGaussian();
    case TestErrorForm::kLinear:
      return spec.mixture.hasScalarNoise();
    case TestErrorForm::kCounted:
      break;
  }
  return false;
}

// The law of f needs only this of q (null for 0) and w.
Readout readoutOf(const double* q, const double* w, int axes) {
  if (q != nullptr) return makeReadout(q, w, axes);
  Readout readout{};
  readout.head = {w[0], axes > 1 ? w[1] : 0.0};
  readout.headOrthogonal = norm(w, axes);
  return readout;
}

DescentMetrics denseMetrics(const DescentSpec& spec, uint64_t trial, const Evaluation& training,
                            const std::atomic<bool>& cancelled, DescentWorkspace& workspace) {
  const Model& model = spec.model;
  const double* theta = workspace.theta.data();
  const double* head = theta + model.promptSize() + model.weightSize();
  if (hasGaussianMetrics(spec))
    return gaussianMetrics(spec, trial, model.promptSize() > 0 ? theta : nullptr, head, model.dimension,
                           training, cancelled, workspace.pooling);
  DescentMetrics metrics =
      parameterMetrics(spec, model.promptSize() > 0 ? theta : nullptr, head, model.dimension, training);
  metrics.weightNorm = norm(theta + model.promptSize(), model.weightSize());
  const TestError test = countedError(spec, trial, cancelled, workspace);
  metrics.error = test.error;
  metrics.test = test.accuracy();
  metrics.relevantAttention = test.relevantAttention;
  return metrics;
}

TrialStatus runDenseDescentTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                                 DescentWorkspace& workspace, DescentMetrics* records) {
  const Model& model = spec.model;
  std::vector<double>& theta = workspace.theta;
  drawInitial(spec, trial, theta);
  workspace.gradient.resize(theta.size());
  workspace.X.resize(static_cast<size_t>(spec.examples) * model.tokens * model.dimension);
  workspace.y.resize(spec.examples);
  Objective objective(model, spec.loss, {spec.examples, workspace.X.data(), workspace.y.data(), nullptr});
  Optimizer optimizer(spec.optimizer, theta.size());
  const size_t head = theta.size() - model.headSize();
  int recorded = 0;
  for (int step = 0; step <= spec.steps && !cancelled; ++step) {
    if (step == 0 || spec.freshExamples)
      drawExamples(spec, Sample::kTraining, trial, static_cast<uint64_t>(step) * spec.examples, spec.examples,
                   workspace.X.data(), workspace.y.data(), nullptr, cancelled, workspace.tokens);
    const bool moves = step < spec.steps;
    objective.begin(theta.data(), nullptr, spec.examples, moves);
    for (int part = 0; part < objective.parts(); ++part) objective.runPart(part, workspace.model, cancelled);
    const Evaluation training = objective.finish(workspace.gradient.data());
    if (!std::isfinite(training.loss)) break;
    if (isRecorded(spec, step)) {
      if (indexOfNonFinite(theta.data(), theta.size()) >= 0) break;
      records[recorded++] = denseMetrics(spec, trial, training, cancelled, workspace);
    }
    if (!moves) break;
    optimizer.beginStep();
    optimizer.update(0, head, spec.promptStep, workspace.gradient.data(), theta.data());
    optimizer.update(head, theta.size(), spec.headStep, workspace.gradient.data(), theta.data());
  }
  return finishRecords(spec, recorded, records);
}

}  // namespace

int recordCount(const DescentSpec& spec) {
  if (spec.recordEvery == 0) return 1;
  return spec.steps / spec.recordEvery + (spec.steps % spec.recordEvery != 0 ? 2 : 1);
}

bool isRecorded(const DescentSpec& spec, int step) {
  return step == spec.steps || (spec.recordEvery > 0 && step % spec.recordEvery == 0);
}

TrialStatus finishRecords(const DescentSpec& spec, int recorded, DescentMetrics* records) {
  const int count = recordCount(spec);
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  constexpr DescentMetrics kDiverged{.error = kNone,
                                     .trainingLoss = kNone,
                                     .trainingError = kNone,
                                     .relevantAttention = kNone,
                                     .headNorm = kNone,
                                     .headContextOverlap = kNone,
                                     .headSignalOverlap = kNone,
                                     .promptNorm = kNone,
                                     .contextOverlap = kNone,
                                     .signalOverlap = kNone,
                                     .weightNorm = kNone,
                                     .test = {kNone, kNone, 0.0}};
  std::fill(records + recorded, records + count, kDiverged);
  return recorded == count ? TrialStatus::kOk : TrialStatus::kDiverged;
}

DescentMetrics gaussianMetrics(const DescentSpec& spec, uint64_t trial, const double* q, const double* w,
                               int axes, const Evaluation& training, const std::atomic<bool>& cancelled,
                               PoolingWorkspace& pooling) {
  DescentMetrics metrics = parameterMetrics(spec, q, w, axes, training);
  const Readout readout = readoutOf(q, w, axes);
  const Stream draws(spec.key, Sample::kTest, Field::kScore, trial);
  const TestError test =
      spec.model.traits().testError == TestErrorForm::kLinear
          ? gaussianLinearTestError(spec.mixture, readout, cancelled, pooling)
          : gaussianTestError(spec.mixture, readout, draws, spec.testDraws, cancelled, pooling);
  metrics.error = test.error;
  metrics.test = test.accuracy();
  metrics.relevantAttention = test.relevantAttention;
  return metrics;
}

double descentBytes(const DescentSpec& spec) {
  if (spec.method == Method::kProjected) return lazyDescentBytes(spec);
  const double d = spec.mixture.dimension;
  const double weights = spec.model.traits().isMatrix ? d * d : 0.0;
  // Parameters, gradient, its part, and the optimizer's two moments.
  return sizeof(double) * (static_cast<double>(spec.examples) * spec.mixture.tokens * d + 5.0 * weights) +
         DenseExample::bytes(spec.mixture);
}

TrialStatus runDescentTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                            DescentWorkspace& workspace, DescentMetrics* records) {
  const auto run = spec.method == Method::kProjected ? runLazyDescentTrial : runDenseDescentTrial;
  return run(spec, trial, cancelled, workspace, records);
}

}  // namespace prompt_attention
