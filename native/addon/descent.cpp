// Trials of the gradient-descent experiment.
#include "core/descent.h"

#include "addon/entry_points.h"
#include "addon/model_request.h"
#include "addon/trials.h"

namespace prompt_attention {

namespace {

using Metrics = DescentMetrics;

constexpr MetricField<Metrics> kPromptAttentionFields[] = {
    {"error", &Metrics::error},
    {"trainingLoss", &Metrics::trainingLoss},
    {"trainingError", &Metrics::trainingError},
    {"contextOverlap", &Metrics::contextOverlap},
    {"signalOverlap", &Metrics::signalOverlap},
    {"promptNorm", &Metrics::promptNorm},
    {"headNorm", &Metrics::headNorm},
    {"relevantAttention", &Metrics::relevantAttention},
};
constexpr MetricField<Metrics> kLinearAttentionFields[] = {
    {"error", &Metrics::error},
    {"trainingLoss", &Metrics::trainingLoss},
    {"trainingError", &Metrics::trainingError},
    {"contextOverlap", &Metrics::contextOverlap},
    {"signalOverlap", &Metrics::signalOverlap},
    {"promptNorm", &Metrics::promptNorm},
    {"headNorm", &Metrics::headNorm},
};
constexpr MetricField<Metrics> kMeanPoolingFields[] = {
    {"error", &Metrics::error},
    {"trainingLoss", &Metrics::trainingLoss},
    {"trainingError", &Metrics::trainingError},
    {"headNorm", &Metrics::headNorm},
    {"relevantAttention", &Metrics::relevantAttention},
};
constexpr MetricField<Metrics> kSelfAttentionFields[] = {
    {"error", &Metrics::error},
    {"trainingLoss", &Metrics::trainingLoss},
    {"trainingError", &Metrics::trainingError},
    {"weightNorm", &Metrics::weightNorm},
    {"headNorm", &Metrics::headNorm},
    {"relevantAttention", &Metrics::relevantAttention},
};

}  // namespace

Napi::Value simulateDescent(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  DescentSpec spec{};
  spec.mixture = readMixture(request);
  spec.model = readModel(request);
  if (spec.model.tokens != spec.mixture.tokens || spec.model.dimension != spec.mixture.dimension)
    request.failRange("model", "of the mixture's sizes");
  const bool pooledSelfAttention =
      spec.model.pooledHead && spec.model.prompts == 0 && spec.model.outputs == 1;
  if (spec.model.kind == ModelKind::kMatrixAttention && !pooledSelfAttention)
    request.failRange("model", "self-attention with a pooled head, or a model without attention weights");
  spec.loss = readLoss(request, spec.model);
  spec.examples = static_cast<int>(request.integer("examples", 1, kMaximumCount));
  const size_t tokens = checkedProduct(env, spec.examples, spec.mixture.tokens);
  checkedProduct(env, checkedProduct(env, tokens, spec.mixture.dimension), sizeof(double));
  spec.optimizer = readOptimizer(request);
  spec.steps = static_cast<int>(request.integer("steps", 0, kMaximumCount - 1));
  spec.promptStep = request.number("promptStep");
  spec.headStep = request.number("headStep");
  spec.initialScale = request.number("initialScale");
  spec.testDraws = static_cast<int>(request.integer("testDraws", 1, kMaximumCount));
  spec.key = readKey(request);
  const ModelKind kind = spec.model.kind;
  const TrialsJob<Metrics>::RunTrial run = [spec = std::move(spec)](uint64_t trial,
                                                                    const std::atomic<bool>& cancelled,
                                                                    Workspace& workspace, Metrics& metrics) {
    return runDescentTrial(spec, trial, cancelled, workspace.descent, metrics);
  };
  switch (kind) {
    case ModelKind::kPromptAttention:
      return startTrials<Metrics>(env, request, kPromptAttentionFields, run);
    case ModelKind::kLinearAttention:
      return startTrials<Metrics>(env, request, kLinearAttentionFields, run);
    case ModelKind::kMeanPooling:
      return startTrials<Metrics>(env, request, kMeanPoolingFields, run);
    case ModelKind::kMatrixAttention:
      return startTrials<Metrics>(env, request, kSelfAttentionFields, run);
  }
  request.failRange("model", "a model");
}

}  // namespace prompt_attention
