// Scores, attention weights, loss and gradient of models on given examples.
#include <algorithm>

#include "addon/entries/entry_points.h"
#include "addon/reading/model_request.h"
#include "addon/runtime/allocating.h"
#include "addon/runtime/environment.h"
#include "addon/runtime/result_array.h"
#include "core/models/objective.h"

namespace prompt_attention {

namespace {

// What every example of a block yields: its scores or its attention weights.
class ExampleValuesJob final : public PromiseJob {
 public:
  using Function = void (*)(const Model&, const double*, const ExampleBlock&, double*, ModelWorkspace&);

  // Example i has the values offsets[i] … offsets[i+1]−1.
  ExampleValuesJob(Model model, ModelExamples examples, std::vector<double> theta, Function function,
                   std::vector<size_t> offsets)
      : model_(model),
        examples_(std::move(examples)),
        theta_(std::move(theta)),
        function_(function),
        offsets_(std::move(offsets)),
        values_(offsets_.back()) {
    units = partCount(model_, examples_.count, examples_.view().rows(model_));
  }
  void run(uint64_t unit, Workspace& workspace) override {
    const Examples all = examples_.view();
    const int64_t n = all.count;
    const int end = static_cast<int>(n * static_cast<int64_t>(unit + 1) / static_cast<int64_t>(units));
    for (int i = static_cast<int>(n * static_cast<int64_t>(unit) / static_cast<int64_t>(units)), count;
         i < end && !cancelled; i += count) {
      count = examplesInBlock(model_, all.first, nullptr, i, end);
      const size_t row = all.first == nullptr ? static_cast<size_t>(i) * model_.tokens : all.first[i];
      const ExampleBlock block{count, all.X + row * model_.dimension, nullptr, nullptr,
                               all.first == nullptr ? nullptr : all.first + i};
      function_(model_, theta_.data(), block, values_.data() + offsets_[i], workspace.model);
    }
  }
  Napi::Value result(Napi::Env env) override {
    return Environment::of(env).float64Array(env, values_.data(), values_.size());
  }

 private:
  const Model model_;
  const ModelExamples examples_;
  const std::vector<double> theta_;
  const Function function_;
  const std::vector<size_t> offsets_;  // [n+1]
  ResultArray<double> values_;
};

class GradientJob final : public PromiseJob {
 public:
  GradientJob(const Model& model, LossKind loss, ModelExamples examples, std::vector<double> theta)
      : examples_(std::move(examples)),
        theta_(std::move(theta)),
        gradient_(theta_.size()),
        objective_(model, loss, examples_.view()) {
    objective_.begin(theta_.data(), nullptr, examples_.count, true);
    units = objective_.parts();
  }
  void run(uint64_t unit, Workspace& workspace) override {
    objective_.runPart(static_cast<int>(unit), workspace.model, cancelled);
  }
  Napi::Value result(Napi::Env env) override {
    const Evaluation evaluation = objective_.finish(gradient_.data());
    Napi::Object result = Napi::Object::New(env);
    result.Set("loss", evaluation.loss);
    result.Set("error", evaluation.error);
    result.Set("gradient", Environment::of(env).float64Array(env, gradient_.data(), gradient_.size()));
    return result;
  }

 private:
  const ModelExamples examples_;
  const std::vector<double> theta_;
  std::vector<double> gradient_;
  Objective objective_;
};

Napi::Value startExampleValues(const Napi::CallbackInfo& info, ExampleValuesJob::Function function,
                               size_t (*sizeOf)(const Model&, int length)) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  const Model model = readModel(request);
  ModelExamples examples = readExamples(request, "examples", model, nullptr);
  std::vector<double> theta = request.float64Array("parameters", model.parameters());
  // Before any of it is added up: no example has more values than one of T tokens.
  checkedProduct(env, checkedProduct(env, examples.count, sizeOf(model, model.tokens)), sizeof(double));
  const int threads = static_cast<int>(request.integer("threads", 1, kMaximumThreads));
  std::vector<size_t> offsets(1, 0);
  for (int i = 0; i < examples.count; ++i) {
    const size_t length = examples.first.empty() ? model.tokens : examples.first[i + 1] - examples.first[i];
    offsets.push_back(offsets.back() + sizeOf(model, static_cast<int>(length)));
  }
  auto job = allocating(env, offsets.back() * sizeof(double), [&] {
    return std::make_shared<ExampleValuesJob>(model, std::move(examples), std::move(theta), function,
                                              std::move(offsets));
  });
  job->maximumThreads = static_cast<int>(std::min<uint64_t>(threads, job->units));
  return Environment::of(env).start(env, job);
}

}  // namespace

Napi::Value holdTokens(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  const size_t entries = request.float64ArrayInPlace("tokens", Request::kAnyLength).ElementLength();
  return allocating(env, checkedProduct(env, entries, sizeof(double)), [&] {
    std::vector<double> tokens = request.float64Array("tokens", entries);
    return Napi::Number::New(env, static_cast<double>(Environment::of(env).hold(env, std::move(tokens))));
  });
}

Napi::Value dropTokens(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  Environment::of(info.Env()).drop(info.Env(), request.integer("held", 1, kMaximumInteger));
  return info.Env().Undefined();
}

Napi::Value modelScores(const Napi::CallbackInfo& info) {
  return startExampleValues(info, blockScores,
                            [](const Model& model, int) { return static_cast<size_t>(model.outputs); });
}

Napi::Value modelAttention(const Napi::CallbackInfo& info) {
  return startExampleValues(info, blockAttention,
                            [](const Model& model, int length) { return model.attentionSize(length); });
}

Napi::Value modelGradient(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  const Model model = readModel(request);
  const LossKind loss = readLoss(request, model);
  ModelExamples examples = readExamples(request, "examples", model, &loss);
  std::vector<double> theta = request.float64Array("parameters", model.parameters());
  const int threads = static_cast<int>(request.integer("threads", 1, kMaximumThreads));
  const size_t bytes = 2 * sizeof(double) * theta.size();
  auto job = allocating(env, bytes, [&] {
    return std::make_shared<GradientJob>(model, loss, std::move(examples), std::move(theta));
  });
  job->maximumThreads = static_cast<int>(std::min<uint64_t>(threads, job->units));
  return Environment::of(env).start(env, job);
}

Napi::Value firstNonFinite(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), positionOfNonFinite(info[0], "array"));
}

}  // namespace prompt_attention
