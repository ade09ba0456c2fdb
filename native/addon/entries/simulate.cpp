// Trials of experiments, and examples.
#include <algorithm>

#include "addon/entries/entry_points.h"
#include "addon/entries/trials.h"
#include "addon/runtime/allocating.h"
#include "core/trials/known_prompt.h"

namespace prompt_attention {

namespace {

constexpr MetricField<KnownPromptMetrics> kKnownPromptFields[] = {
    // Of heads with a free intercept only, which are found directly.
    {"intercept", &KnownPromptMetrics::intercept},
    {"error", &KnownPromptMetrics::error},
    {"relevantAttention", &KnownPromptMetrics::relevantAttention},
    {"headNorm", &KnownPromptMetrics::headNorm},
    {"solverUsed", &KnownPromptMetrics::solver},
    {"solverFallback", &KnownPromptMetrics::fallback},
    // Of the iterative solver only.
    {"solverIterations", &KnownPromptMetrics::iterations},
    {"solverResidual", &KnownPromptMetrics::residual},
};
constexpr size_t kDirectFields = 5;

Solver readSolver(const Request& request, const KnownPromptSpec& spec) {
  const Solver solver = request.oneOf("solver", kSolvers);
  if (solver != Solver::kDirect && (spec.method == Method::kDense || needsDirect(spec.head)))
    request.failRange("solver", "'direct' for this method or head");
  return solver;
}

class FeaturesJob final : public PromiseJob {
 public:
  FeaturesJob(KnownPromptSpec spec, uint64_t trial, size_t numbers)
      : spec_(std::move(spec)), trial_(trial), features_(numbers), labels_(spec_.examples) {}
  void run(uint64_t, Workspace& workspace) override {
    projectedFeatures(spec_, trial_, cancelled, workspace.knownPrompt, features_.data(), labels_.data());
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object result = Napi::Object::New(env);
    result.Set("features", environment.float64Array(env, features_.data(), features_.size()));
    result.Set("labels", environment.float64Array(env, labels_.data(), labels_.size()));
    return result;
  }

 private:
  const KnownPromptSpec spec_;
  const uint64_t trial_;
  ResultArray<double> features_;  // [n×d]
  ResultArray<double> labels_;    // [n]
};

class ExamplesJob final : public PromiseJob {
 public:
  ExamplesJob(Mixture mixture, TokenFrame frame, StreamKey key, Sample sample, uint64_t trial,
              uint64_t firstExample, size_t examples, std::vector<uint8_t> givenRelevance, size_t tokenCount)
      : mixture_(std::move(mixture)),
        frame_(std::move(frame)),
        key_(key),
        sample_(sample),
        trial_(trial),
        firstExample_(firstExample),
        examples_(examples),
        givenRelevance_(std::move(givenRelevance)),
        tokens_(tokenCount),
        labels_(examples),
        trueLabels_(examples),
        confusion_(examples),
        relevance_(examples * mixture_.tokens) {
    units = (examples + kExamplesPerUnit - 1) / kExamplesPerUnit;
  }
  void run(uint64_t unit, Workspace& workspace) override {
    const size_t T = mixture_.tokens;
    const size_t begin = unit * kExamplesPerUnit;
    const size_t end = std::min(begin + kExamplesPerUnit, examples_);
    LabelSampler labels(mixture_, key_, sample_, trial_);
    TokenSampler tokens(mixture_, frame_, key_, sample_, trial_, workspace.knownPrompt.example.scratch);
    for (size_t i = begin; i < end && !cancelled; ++i) {
      ExampleLabel label;
      labels.draw(firstExample_ + i, 1, &label);
      labels_[i] = label.observed;
      trueLabels_[i] = label.y;
      confusion_[i] = static_cast<uint32_t>(label.atom);
      tokens.draw(firstExample_ + i, label,
                  givenRelevance_.empty() ? nullptr : givenRelevance_.data() + i * T,
                  tokens_.data() + i * T * mixture_.dimension, relevance_.data() + i * T);
    }
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object result = Napi::Object::New(env);
    result.Set("tokens", environment.float64Array(env, tokens_.data(), tokens_.size()));
    result.Set("labels", environment.float64Array(env, labels_.data(), labels_.size()));
    result.Set("trueLabels", environment.float64Array(env, trueLabels_.data(), trueLabels_.size()));
    result.Set("confusion", environment.uint32Array(env, confusion_.data(), confusion_.size()));
    result.Set("relevance", environment.uint8Array(env, relevance_.data(), relevance_.size()));
    return result;
  }

 private:
  static constexpr size_t kExamplesPerUnit = 64;
  const Mixture mixture_;
  const TokenFrame frame_;
  const StreamKey key_;
  const Sample sample_;
  const uint64_t trial_;
  const uint64_t firstExample_;
  const size_t examples_;
  const std::vector<uint8_t> givenRelevance_;  // [n×T] or empty
  ResultArray<double> tokens_;                 // [n×T×d]
  ResultArray<double> labels_;                 // [n]
  ResultArray<double> trueLabels_;             // [n]
  ResultArray<uint32_t> confusion_;            // [n]
  ResultArray<uint8_t> relevance_;             // [n×T]
};

Sample readSample(const Request& request) {
  if (!request.has("sample")) return Sample::kTraining;
  const auto sample = static_cast<Sample>(request.integer("sample", 0, 8));
  for (const Sample known : {Sample::kTraining, Sample::kSecond, Sample::kThird, Sample::kTest})
    if (sample == known) return sample;
  request.failRange("sample", "0, 1, 2 or 8");
}

}  // namespace

Napi::Value simulateKnownPrompt(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  KnownPromptSpec spec{};
  spec.mixture = readMixture(request);
  spec.examples = static_cast<int>(request.integer("examples", 1, kMaximumCount));
  spec.inverseTemperature = request.number("inverseTemperature");
  spec.head = readFittedHead(request);
  spec.method = readMethod(request, spec.mixture);
  spec.solver = readSolver(request, spec);
  if (spec.solver == Solver::kAuto)
    spec.mostIterations = static_cast<int>(request.integer("mostIterations", 0, kMaximumCount));
  const bool isIterative = spec.solver != Solver::kDirect && !isSum(spec.head.kind);
  spec.testDraws = static_cast<int>(request.integer("testDraws", 1, kMaximumCount));
  spec.key = readKey(request);
  const double trialBytes = knownPromptBytes(spec);
  // What is left beside the trials, if there are as many threads as asked for.
  const auto memory = static_cast<double>(request.integer("memory", 0, kMaximumInteger));
  const auto threads = static_cast<double>(request.integer("threads", 1, kMaximumThreads));
  spec.memory = std::make_shared<MemoryShare>();
  spec.memory->all = std::max(memory - trialBytes, 0.0);
  spec.memory->freely = std::max(memory / threads - trialBytes, 0.0);
  const auto all = std::span(kKnownPromptFields);
  const auto fields = spec.head.intercept ? all.first(1 + kDirectFields) : all.subspan(1);
  return startTrials<KnownPromptMetrics>(
      info.Env(), request, isIterative || spec.head.intercept ? fields : fields.first(kDirectFields),
      [spec = std::move(spec)](uint64_t trial, const std::atomic<bool>& cancelled, Workspace& workspace,
                               KnownPromptMetrics& metrics) {
        return runKnownPromptTrial(spec, trial, cancelled, workspace.knownPrompt, metrics);
      },
      trialBytes);
}

Napi::Value trialFeatures(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  KnownPromptSpec spec{};
  spec.mixture = readMixture(request);
  if (!spec.mixture.isGaussian()) request.failRange("mixture.noise", "'gaussian'");
  spec.examples = static_cast<int>(request.integer("examples", 1, kMaximumCount));
  spec.inverseTemperature = request.number("inverseTemperature");
  spec.key = readKey(request);
  const uint64_t trial = request.integer("trial", 0, kMaximumInteger);
  const size_t numbers = checkedProduct(env, spec.examples, spec.mixture.dimension);
  auto job = allocating(env, checkedProduct(env, numbers, sizeof(double)),
                        [&] { return std::make_shared<FeaturesJob>(std::move(spec), trial, numbers); });
  return Environment::of(env).start(env, job);
}

Napi::Value sampleExamples(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  Mixture mixture = readMixture(request);
  const size_t n = request.integer("examples", 1, kMaximumCount);
  const size_t T = mixture.tokens;
  const size_t d = mixture.dimension;
  const size_t tokenCount = checkedProduct(env, checkedProduct(env, n, T), d);
  const size_t bytes = checkedProduct(env, tokenCount, sizeof(double));
  TokenFrame frame;
  if (request.has("contextVector")) {
    frame.contextVector = request.float64Array("contextVector", d);
    frame.signalVector = request.float64Array("signalVector", d);
  }
  if (request.has("noiseFactor"))
    frame.noiseFactor = request.float64Array("noiseFactor", checkedProduct(env, d, d));
  std::vector<uint8_t> relevance;
  if (request.has("relevance")) {
    relevance = request.uint8Array("relevance", n * T);
    for (size_t i = 0; i < n; ++i)
      if (std::count(relevance.begin() + i * T, relevance.begin() + (i + 1) * T, 1) !=
              mixture.relevantTokens ||
          std::count(relevance.begin() + i * T, relevance.begin() + (i + 1) * T, 0) !=
              mixture.irrelevantTokens())
        request.failRange("relevance", std::to_string(mixture.relevantTokens) +
                                           " ones and otherwise zeros in each example");
  }
  const StreamKey key = readKey(request);
  const Sample sample = readSample(request);
  const uint64_t trial = request.integer("trial", 0, kMaximumInteger);
  const uint64_t first = request.integer("firstExample", 0, kMaximumInteger);
  auto job = allocating(env, bytes, [&] {
    return std::make_shared<ExamplesJob>(std::move(mixture), std::move(frame), key, sample, trial, first, n,
                                         std::move(relevance), tokenCount);
  });
  job->maximumThreads =
      static_cast<int>(std::min<uint64_t>(std::max(std::thread::hardware_concurrency(), 1u), job->units));
  return Environment::of(env).start(env, job);
}

}  // namespace prompt_attention
