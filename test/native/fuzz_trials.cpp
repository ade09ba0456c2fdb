// Trials of every kind: a successful one has finite metrics and shares in [0, 1], and is the same whatever
// the workspace was used for before.
#include <cstring>

#include "core/trials/descent.h"
#include "core/trials/known_prompt.h"
#include "core/trials/three_step.h"
#include "core/trials/three_step_projected.h"
#include "native/input.h"

using namespace prompt_attention;

namespace {

const std::atomic<bool> kNever{false};

template <class Metrics>
bool areSame(const std::vector<Metrics>& a, const std::vector<Metrics>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(Metrics)) == 0;
}

// Runs a trial in a used workspace and in a new one.
template <class Workspace, class Metrics, class Run>
TrialStatus runTwice(Workspace& used, std::vector<Metrics>& metrics, Run run) {
  const TrialStatus status = run(used, metrics.data());
  Workspace fresh;
  std::vector<Metrics> again(metrics.size());
  EXPECT(run(fresh, again.data()) == status);
  EXPECT(areSame(metrics, again));
  return status;
}

void knownPrompt(Input& input) {
  static KnownPromptWorkspace workspace;
  KnownPromptSpec spec{};
  spec.method = input.oneOf({Method::kProjected, Method::kDense});
  const bool gaussian = spec.method == Method::kProjected || input.boolean();
  spec.mixture = input.mixture(gaussian ? NoiseKind::kGaussian : NoiseKind::kRademacher, 1);
  spec.examples = input.integer(1, 24);
  spec.inverseTemperature = input.number();
  spec.head.kind = input.oneOf({HeadKind::kAveraging, HeadKind::kWeightedAveraging, HeadKind::kLeastSquares,
                                HeadKind::kLogistic, HeadKind::kHinge});
  spec.head.ridge = input.positive();
  if (spec.head.kind == HeadKind::kHinge && spec.head.ridge == 0.0) spec.head.ridge = 1.0;
  const bool canIterate = spec.method == Method::kProjected && spec.head.kind != HeadKind::kHinge &&
                          !(spec.head.kind == HeadKind::kLogistic && spec.head.ridge == 0.0);
  spec.solver = canIterate && input.boolean() ? Solver::kIterative : Solver::kDirect;
  spec.testDraws = input.integer(1, 40);
  spec.key = input.key();
  spec.head.intercept = spec.solver == Solver::kDirect && !isSum(spec.head.kind) && input.boolean();
  std::vector<KnownPromptMetrics> metrics(1);
  const TrialStatus status = runTwice(workspace, metrics, [&](KnownPromptWorkspace& scratch, auto* out) {
    return runKnownPromptTrial(spec, 3, kNever, scratch, *out);
  });
  if (status != TrialStatus::kOk) return;
  // Norms beyond 1e154 overflow when squared; the head is then one of NaN or ∞ norm, its error still a share
  // or NaN.
  EXPECT(std::isnan(metrics[0].error) || isShare(metrics[0].error));
  EXPECT(std::isnan(metrics[0].relevantAttention) || isShare(metrics[0].relevantAttention));
}

void threeStep(Input& input) {
  static ThreeStepWorkspace workspace;
  ThreeStepSpec spec{};
  spec.method = input.oneOf({Method::kProjected, Method::kDense});
  const bool projected = spec.method == Method::kProjected;
  spec.mixture = input.mixture(projected || input.boolean() ? NoiseKind::kGaussian : NoiseKind::kUniform,
                               projected ? kLeastProjectedDimension : 1);
  if (projected) spec.mixture.relevantNoiseLevel = 0.0;  // refused by the addon
  for (int& n : spec.examples) n = input.integer(1, 300);
  for (double& step : spec.options.stepSizes) step = input.number();
  spec.options.head =
      input.oneOf({ThreeStepHead::kFresh, ThreeStepHead::kRestarted, ThreeStepHead::kContinued});
  spec.options.intercept = input.boolean();
  spec.testDraws = input.integer(1, 300);
  spec.key = input.key();
  std::vector<ThreeStepMetrics> metrics(1);
  const TrialStatus status = runTwice(workspace, metrics, [&](ThreeStepWorkspace& scratch, auto* out) {
    return runThreeStepTrial(spec, 5, kNever, scratch, *out);
  });
  EXPECT(status == TrialStatus::kOk || status == TrialStatus::kDiverged);
  if (status != TrialStatus::kOk) return;
  EXPECT(std::isnan(metrics[0].error) || isShare(metrics[0].error));
  EXPECT(std::isnan(metrics[0].relevantAttention) || isShare(metrics[0].relevantAttention));
}

void descent(Input& input) {
  static DescentWorkspace workspace;
  DescentSpec spec{};
  spec.method = input.oneOf({Method::kProjected, Method::kDense});
  const bool projected = spec.method == Method::kProjected;
  spec.mixture =
      input.mixture(projected || input.boolean() ? NoiseKind::kGaussian : NoiseKind::kRademacher, 1);
  if (projected) spec.mixture.relevantNoiseLevel = 0.0;  // refused by the addon
  spec.examples = input.integer(1, 12);
  spec.model.kind = input.oneOf({ModelKind::kPromptAttention, ModelKind::kLinearAttention,
                                 ModelKind::kMeanPooling, ModelKind::kMatrixAttention});
  spec.model.tokens = spec.mixture.tokens;
  spec.model.dimension = spec.mixture.dimension;
  spec.model.outputs = 1;
  if (spec.model.kind == ModelKind::kMatrixAttention)
    spec.model.pooledHead = spec.model.trainsAttention = spec.model.trainsWeights = true;
  spec.loss = input.oneOf({LossKind::kSquare, LossKind::kLogistic});
  spec.optimizer = {input.oneOf(kOptimizers), 0.9, 0.9, 0.99, 1e-8};
  if (projected && spec.optimizer.kind == OptimizerKind::kAdam)
    spec.optimizer.kind = OptimizerKind::kMomentum;
  spec.steps = input.integer(0, 6);
  spec.promptStep = input.number();
  spec.headStep = input.number();
  const bool fromZero = projected && spec.model.kind == ModelKind::kMatrixAttention;
  spec.initialScale = fromZero ? 0.0 : input.positive();
  spec.freshExamples = input.boolean();
  spec.recordEvery = input.integer(0, 3);
  spec.testDraws = input.integer(1, 20);
  spec.key = input.key();
  std::vector<DescentMetrics> records(recordCount(spec));
  const TrialStatus status = runTwice(workspace, records, [&](DescentWorkspace& scratch, auto* out) {
    return runDescentTrial(spec, 7, kNever, scratch, out);
  });
  EXPECT(status == TrialStatus::kOk || status == TrialStatus::kDiverged);
  if (status != TrialStatus::kOk) return;
  for (const DescentMetrics& record : records) {
    EXPECT(std::isnan(record.error) || isShare(record.error));
    EXPECT(isShare(record.trainingError));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  input.oneOf({knownPrompt, threeStep, descent})(input);
  return 0;
}
