#include "core/descent.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/blas.h"

namespace prompt_attention {

namespace {

double norm(const double* x, size_t count) {
  return std::sqrt(dot(x, x, static_cast<int>(count)));
}

// Examples first … first+count−1 of a sample: tokens, labels and, unless null, relevance masks.
void drawExamples(const DescentSpec& spec, Sample sample, uint64_t trial, int first, int count, double* X,
                  double* y, uint8_t* relevance, const std::atomic<bool>& cancelled, TokenScratch& scratch) {
  const TokenFrame canonical;
  const size_t T = spec.mixture.tokens;
  LabelSampler labels(spec.mixture, spec.key, sample, trial);
  TokenSampler tokens(spec.mixture, canonical, spec.key, sample, trial, scratch);
  std::vector<uint8_t> mask(T);
  for (int i = 0; i < count && !cancelled; ++i) {
    ExampleLabel label;
    labels.draw(first + i, 1, &label);
    y[i] = label.y;
    tokens.draw(first + i, label, nullptr, X + i * T * spec.mixture.dimension,
                relevance == nullptr ? mask.data() : relevance + i * T);
  }
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

// False if a loss or a parameter became infinite or NaN.
bool descend(const DescentSpec& spec, const std::atomic<bool>& cancelled, DescentWorkspace& workspace,
             Evaluation& last) {
  std::vector<double>& theta = workspace.theta;
  workspace.gradient.resize(theta.size());
  Objective objective(spec.model, spec.loss,
                      {spec.examples, workspace.X.data(), workspace.y.data(), nullptr});
  Optimizer optimizer(spec.optimizer, theta.size());
  const size_t head = theta.size() - spec.model.headSize();
  for (int step = 0; step <= spec.steps && !cancelled; ++step) {
    const bool moves = step < spec.steps;
    objective.begin(theta.data(), nullptr, spec.examples, moves);
    for (int part = 0; part < objective.parts(); ++part) objective.runPart(part, workspace.model, cancelled);
    last = objective.finish(workspace.gradient.data());
    if (!std::isfinite(last.loss)) return false;
    if (!moves) break;
    optimizer.beginStep();
    optimizer.update(0, head, spec.promptStep, workspace.gradient.data(), theta.data());
    optimizer.update(head, theta.size(), spec.headStep, workspace.gradient.data(), theta.data());
  }
  return indexOfNonFinite(theta.data(), theta.size()) < 0;
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
  for (int first = 0; first < spec.testDraws && !cancelled; first += size) {
    const int count = std::min(size, spec.testDraws - first);
    drawExamples(spec, Sample::kTest, trial, first, count, workspace.testX.data(), workspace.testY.data(),
                 workspace.relevance.data(), cancelled, workspace.tokens);
    addBlockLoss(spec.model, spec.loss, workspace.theta.data(),
                 {count, workspace.testX.data(), workspace.testY.data(), workspace.relevance.data()}, 0.0,
                 sums, nullptr, workspace.model);
  }
  const double error = sums.errors / spec.testDraws;
  return {error, std::sqrt(error * (1.0 - error) / spec.testDraws), sums.relevant / spec.testDraws};
}

TestError testErrorOf(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                      DescentWorkspace& workspace) {
  const ModelKind kind = spec.model.kind;
  const bool exact = spec.mixture.noise == NoiseKind::kGaussian &&
                     (kind == ModelKind::kPromptAttention || kind == ModelKind::kMeanPooling);
  if (!exact) return countedError(spec, trial, cancelled, workspace);
  const int d = spec.mixture.dimension;
  const std::vector<double> zero(kind == ModelKind::kMeanPooling ? d : 0);
  const double* q = zero.empty() ? workspace.theta.data() : zero.data();
  const double* w = workspace.theta.data() + spec.model.promptSize();
  return gaussianTestError(spec.mixture, makeReadout(q, w, d),
                           Stream(spec.key, Sample::kTest, Field::kScore, trial), spec.testDraws,
                           workspace.pooling);
}

}  // namespace

TrialStatus runDescentTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                            DescentWorkspace& workspace, DescentMetrics& metrics) {
  const Model& model = spec.model;
  const size_t d = model.dimension;
  workspace.X.resize(static_cast<size_t>(spec.examples) * model.tokens * d);
  workspace.y.resize(spec.examples);
  drawExamples(spec, Sample::kTraining, trial, 0, spec.examples, workspace.X.data(), workspace.y.data(),
               nullptr, cancelled, workspace.tokens);
  drawInitial(spec, trial, workspace.theta);
  Evaluation training{};
  if (!descend(spec, cancelled, workspace, training)) {
    const double none = std::numeric_limits<double>::quiet_NaN();
    metrics = {none, none, none, none, none, none, none, none, none};
    return TrialStatus::kDiverged;
  }
  const TestError test = testErrorOf(spec, trial, cancelled, workspace);
  const double* theta = workspace.theta.data();
  metrics = {};
  metrics.error = test.error;
  metrics.trainingLoss = training.loss;
  metrics.trainingError = training.error;
  metrics.relevantAttention = test.relevantAttention;
  metrics.headNorm = norm(theta + model.promptSize() + model.weightSize(), model.headSize());
  metrics.weightNorm = norm(theta + model.promptSize(), model.weightSize());
  if (model.promptSize() > 0) {
    const PlaneVector inPlane{theta[0], d > 1 ? theta[1] : 0.0};
    metrics.promptNorm = norm(theta, d);
    metrics.contextOverlap = dot(inPlane, spec.mixture.contextVector());
    metrics.signalOverlap = dot(inPlane, spec.mixture.signalVector());
  }
  return TrialStatus::kOk;
}

}  // namespace prompt_attention
