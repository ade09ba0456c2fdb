// Trials of the gradient-descent experiment, and their law.
#include "core/trials/descent.h"

#include "addon/entries/entry_points.h"
#include "addon/entries/trials.h"
#include "addon/reading/model_request.h"
#include "addon/runtime/allocating.h"
#include "addon/runtime/crew.h"
#include "core/dynamics/descent_law.h"
#include "core/trials/lazy_descent.h"

namespace prompt_attention {

namespace {

using Metrics = DescentMetrics;

// A metric, and which models have it.
struct DescentMetric {
  MetricField<Metrics> field;
  bool (*isOf)(const ModelTraits&);
};

constexpr bool always(const ModelTraits&) {
  return true;
}
constexpr bool withPrompt(const ModelTraits& model) {
  return model.hasPrompt;
}
constexpr bool withWeights(const ModelTraits& model) {
  return model.isMatrix;
}
constexpr bool withDistribution(const ModelTraits& model) {
  return model.isDistribution;
}

constexpr DescentMetric kFields[] = {
    {{"error", &Metrics::error}, always},
    {{"trainingLoss", &Metrics::trainingLoss}, always},
    {{"trainingError", &Metrics::trainingError}, always},
    {{"contextOverlap", &Metrics::contextOverlap}, withPrompt},
    {{"signalOverlap", &Metrics::signalOverlap}, withPrompt},
    {{"promptNorm", &Metrics::promptNorm}, withPrompt},
    {{"weightNorm", &Metrics::weightNorm}, withWeights},
    {{"headNorm", &Metrics::headNorm}, always},
    {{"headContextOverlap", &Metrics::headContextOverlap}, always},
    {{"headSignalOverlap", &Metrics::headSignalOverlap}, always},
    {{"relevantAttention", &Metrics::relevantAttention}, withDistribution},
};

std::vector<MetricField<Metrics>> fieldsOf(const ModelTraits& model) {
  std::vector<MetricField<Metrics>> fields;
  for (const DescentMetric& metric : kFields)
    if (metric.isOf(model)) fields.push_back(metric.field);
  return fields;
}

// One unit per trial; metrics of every record, gathered by name.
class DescentJob final : public PromiseJob {
 public:
  DescentJob(DescentSpec spec, std::vector<MetricField<Metrics>> fields, uint64_t firstTrial, size_t trials)
      : spec_(std::move(spec)),
        fields_(std::move(fields)),
        firstTrial_(firstTrial),
        records_(recordCount(spec_)),
        metrics_(fields_.size() * trials),
        path_(spec_.recordEvery > 0 ? fields_.size() * trials * records_ : 0),
        accuracy_(trials),
        status_(trials) {
    units = trials;
  }
  void run(uint64_t unit, Workspace& workspace) override {
    std::vector<Metrics> records(records_);
    status_[unit] = static_cast<uint8_t>(
        runDescentTrial(spec_, firstTrial_ + unit, cancelled, workspace.descent, records.data()));
    accuracy_.set(unit, records.back().test);
    for (size_t i = 0; i < fields_.size(); ++i) {
      metrics_[i * units + unit] = records.back().*fields_[i].value;
      if (path_.empty()) continue;
      double* path = path_.data() + (i * units + unit) * records_;
      for (size_t j = 0; j < records_; ++j) path[j] = records[j].*fields_[i].value;
    }
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object result = Napi::Object::New(env);
    result.Set("metrics", byName(env, metrics_, units));
    if (!path_.empty()) result.Set("path", byName(env, path_, units * records_));
    result.Set("testError", accuracy_.packed(env));
    result.Set("status", environment.uint8Array(env, status_.data(), units));
    return result;
  }

 private:
  Napi::Object byName(Napi::Env env, const ResultArray<double>& values, size_t each) const {
    Napi::Object object = Napi::Object::New(env);
    for (size_t i = 0; i < fields_.size(); ++i)
      object.Set(fields_[i].name, Environment::of(env).float64Array(env, values.data() + i * each, each));
    return object;
  }

  const DescentSpec spec_;
  const std::vector<MetricField<Metrics>> fields_;
  const uint64_t firstTrial_;
  const size_t records_;
  ResultArray<double> metrics_;  // [fields×trials], of the last record
  ResultArray<double> path_;     // [fields×trials×records], or empty
  AccuracyArrays accuracy_;      // of the last record
  ResultArray<uint8_t> status_;  // [trials]
};

struct LawField {
  const char* name;
  DescentField field;
};
constexpr LawField kLawFields[] = {
    {"error", kDescentError},
    {"trainingLoss", kDescentLoss},
    {"contextOverlap", kContextOverlap},
    {"signalOverlap", kSignalOverlap},
    {"headContextOverlap", kHeadContextOverlap},
    {"headSignalOverlap", kHeadSignalOverlap},
    {"promptNorm", kDescentPromptNorm},
    {"headNorm", kDescentHeadNorm},
    {"relevantAttention", kDescentRelevantAttention},
};

class LawJob final : public PromiseJob {
 public:
  LawJob(DescentLawSpec spec, int threads) : spec_(std::move(spec)) { partThreads = threads; }
  void run(uint64_t, Workspace&) override {
    Crew crew(pool(), partThreads);
    records_ = descentLaw(spec_, crew, cancelled);
  }
  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    const auto add = [&](const std::string& name, auto valueOf) {
      std::vector<double> values;
      values.reserve(records_.size());
      for (const DescentRecord& record : records_) values.push_back(valueOf(record));
      result.Set(name, Environment::of(env).float64Array(env, values.data(), values.size()));
    };
    add("steps", [](const DescentRecord& record) { return static_cast<double>(record.step); });
    for (const LawField& law : kLawFields) {
      add(law.name, [&law](const DescentRecord& record) { return record.values[law.field]; });
      add(law.field == kDescentError ? "standardError" : std::string(law.name) + "StandardError",
          [&law](const DescentRecord& record) { return record.standardErrors[law.field]; });
    }
    add("effectiveDraws", [](const DescentRecord& record) { return record.effectiveDraws; });
    add("reliable", [](const DescentRecord& record) { return record.reliable ? 1.0 : 0.0; });
    return result;
  }

 private:
  const DescentLawSpec spec_;
  std::vector<DescentRecord> records_;
};

}  // namespace

Napi::Value descentRisk(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  DescentLawSpec spec{};
  DescentSpec& descent = spec.descent;
  descent.mixture = readMixture(request);
  if (!descent.mixture.hasScalarNoise())
    request.failRange("mixture.noise", "'gaussian', on irrelevant tokens only");
  descent.model = readModel(request);
  if (descent.model.traits().descent == DescentForm::kNone)
    request.failRange("model", "a model without attention weights");
  descent.loss = readLoss(request, descent.model);
  descent.examples = static_cast<int>(request.integer("examples", 1, kMaximumCount));
  descent.optimizer = readOptimizer(request);
  if (descent.optimizer.kind == OptimizerKind::kAdam)
    request.failRange("optimizer", "gradient descent, normalized or not, or momentum");
  spec.promptSteps = request.finiteFloat64Array("promptSteps", Request::kAnyLength);
  spec.headSteps = request.finiteFloat64Array("headSteps", spec.promptSteps.size());
  if (spec.promptSteps.size() >= static_cast<size_t>(kMaximumCount))
    request.failRange("promptSteps", "fewer than 2^31 - 1");
  descent.steps = static_cast<int>(spec.promptSteps.size());
  descent.initialScale = request.number("initialScale");
  descent.freshExamples = true;
  descent.recordEvery = static_cast<int>(request.integer("recordEvery", 1, kMaximumCount));
  descent.method = Method::kProjected;
  spec.fluctuations = request.boolean("fluctuations");
  if (spec.fluctuations && descent.mixture.dimension < kLeastDescentDimension)
    request.failRange("fluctuations", "false for a dimension below 8");
  spec.draws = static_cast<int>(request.integer("draws", 64, kMaximumCount));
  descent.key = readKey(request);
  const int threads = static_cast<int>(request.integer("threads", 1, kMaximumThreads));
  return Environment::of(info.Env()).start(info.Env(), std::make_shared<LawJob>(std::move(spec), threads));
}

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
  if (spec.model.traits().isMatrix && !pooledSelfAttention)
    request.failRange("model", "self-attention with a pooled head, or a model without attention weights");
  spec.loss = readLoss(request, spec.model);
  spec.examples = static_cast<int>(request.integer("examples", 1, kMaximumCount));
  spec.optimizer = readOptimizer(request);
  spec.steps = static_cast<int>(request.integer("steps", 0, kMaximumCount - 1));
  spec.promptStep = request.number("promptStep");
  spec.headStep = request.number("headStep");
  spec.initialScale = request.number("initialScale");
  spec.freshExamples = request.boolean("freshExamples");
  spec.recordEvery = static_cast<int>(request.integer("recordEvery", 0, kMaximumCount));
  spec.method = readScalarNoiseMethod(request, spec.mixture);
  if (spec.method == Method::kProjected &&
      (spec.model.traits().descent == DescentForm::kNone || spec.optimizer.kind == OptimizerKind::kAdam))
    request.failRange("method", "'dense' for self-attention and for Adam");
  if (spec.method == Method::kProjected && lazyDescentRows(spec) > static_cast<double>(kMaximumCount))
    request.failRange("examples", "such that there are fewer than 2^31 irrelevant tokens");
  spec.testDraws = static_cast<int>(request.integer("testDraws", 1, kMaximumCount));
  spec.key = readKey(request);
  const uint64_t firstTrial = request.integer("firstTrial", 0, kMaximumInteger);
  const size_t trials = request.integer("trials", 1, kMaximumCount);
  const int threads = threadsThatFit(request, descentBytes(spec), trials);
  std::vector<MetricField<Metrics>> fields = fieldsOf(spec.model.traits());
  const size_t recorded = checkedProduct(env, trials, static_cast<size_t>(recordCount(spec)) + 1);
  const size_t bytes = checkedProduct(env, checkedProduct(env, recorded, fields.size()), sizeof(double));
  auto job = allocating(env, bytes, [&] {
    return std::make_shared<DescentJob>(std::move(spec), std::move(fields), firstTrial, trials);
  });
  job->maximumThreads = threads;
  return Environment::of(env).start(env, job);
}

}  // namespace prompt_attention
