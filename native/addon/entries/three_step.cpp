// The three-step trajectory: trials, its law, population gradients, and the trajectory on given tokens.
#include "core/trials/three_step.h"

#include <algorithm>

#include "addon/entries/entry_points.h"
#include "addon/entries/trials.h"
#include "core/dynamics/three_step_law.h"
#include "core/mixture/population_gradient.h"
#include "core/trials/three_step_projected.h"

namespace prompt_attention {

namespace {

constexpr MetricField<ThreeStepMetrics> kThreeStepFields[] = {
    {"error", &ThreeStepMetrics::error},
    {"contextOverlap", &ThreeStepMetrics::contextOverlap},
    {"signalOverlap", &ThreeStepMetrics::signalOverlap},
    {"promptNorm", &ThreeStepMetrics::promptNorm},
    {"relevantAttention", &ThreeStepMetrics::relevantAttention},
    {"w1ContextCosine", &ThreeStepMetrics::w1ContextCosine},
    {"w1SignalCosine", &ThreeStepMetrics::w1SignalCosine},
    {"q1ContextCosine", &ThreeStepMetrics::q1ContextCosine},
    {"q1SignalCosine", &ThreeStepMetrics::q1SignalCosine},
    {"w2ContextCosine", &ThreeStepMetrics::w2ContextCosine},
    {"w2SignalCosine", &ThreeStepMetrics::w2SignalCosine},
};

ThreeStepOptions readThreeStepOptions(const Request& request) {
  ThreeStepOptions options{};
  const std::vector<double> steps = request.finiteFloat64Array("stepSizes", 3);
  std::copy(steps.begin(), steps.end(), options.stepSizes.begin());
  options.head = request.oneOf("head", kThreeStepHeads);
  options.intercept = request.boolean("intercept");
  return options;
}

std::array<int, 3> readExampleCounts(const Request& request) {
  const std::vector<uint32_t> counts = request.uint32Array("examples", 3);
  std::array<int, 3> examples;
  for (size_t i = 0; i < 3; ++i) {
    if (counts[i] < 1 || counts[i] > kMaximumCount) request.failRange("examples", "counts in [1, 2^31 - 1]");
    examples[i] = static_cast<int>(counts[i]);
  }
  return examples;
}

// Examples that lie in memory.
class GivenExamples final : public ExampleSource {
 public:
  GivenExamples(const std::vector<double>& tokens, const std::vector<double>& labels)
      : tokens_(tokens.data()), labels_(labels), stride_(tokens.size() / labels.size()) {}
  int examples() const override { return static_cast<int>(labels_.size()); }
  const double* example(int i, double& y) override {
    y = labels_[i];
    return tokens_ + static_cast<size_t>(i) * stride_;
  }

 private:
  const double* tokens_;
  const std::vector<double>& labels_;
  const size_t stride_;  // T·d
};

struct GivenSample {
  std::vector<double> tokens;  // [n×T×d]
  std::vector<double> labels;  // [n]
};

class DescentJob final : public PromiseJob {
 public:
  DescentJob(std::array<GivenSample, 3> samples, int tokens, int dimension, ThreeStepOptions options)
      : samples_(std::move(samples)), tokens_(tokens), dimension_(dimension), options_(options) {}
  void run(uint64_t, Workspace& workspace) override {
    GivenExamples first(samples_[0].tokens, samples_[0].labels);
    GivenExamples second(samples_[1].tokens, samples_[1].labels);
    GivenExamples third(samples_[2].tokens, samples_[2].labels);
    descendThreeSteps({&first, &second, &third}, tokens_, dimension_, options_, cancelled,
                      workspace.threeStep, iterates_);
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object result = Napi::Object::New(env);
    const auto set = [&](const char* name, const std::vector<double>& vector) {
      result.Set(name, environment.float64Array(env, vector.data(), vector.size()));
    };
    set("w1", iterates_.w1);
    set("q1", iterates_.q1);
    set("w2", iterates_.w2);
    result.Set("intercept", iterates_.intercept);
    return result;
  }

 private:
  const std::array<GivenSample, 3> samples_;
  const int tokens_;
  const int dimension_;
  const ThreeStepOptions options_;
  ThreeStepIterates iterates_;
};

class LawJob final : public PromiseJob {
 public:
  explicit LawJob(ThreeStepLawSpec spec) : spec_(std::move(spec)) {}
  void run(uint64_t, Workspace&) override { law_ = threeStepLaw(spec_, cancelled); }
  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result.Set("error", law_.error);
    result.Set("standardError", law_.standardError);
    result.Set("contextOverlap", law_.contextOverlap);
    result.Set("contextOverlapStandardError", law_.contextOverlapStandardError);
    result.Set("signalOverlap", law_.signalOverlap);
    result.Set("signalOverlapStandardError", law_.signalOverlapStandardError);
    result.Set("promptNorm", law_.promptNorm);
    result.Set("promptNormStandardError", law_.promptNormStandardError);
    result.Set("relevantAttention", law_.relevantAttention);
    result.Set("relevantAttentionStandardError", law_.relevantAttentionStandardError);
    result.Set("effectiveDraws", law_.effectiveDraws);
    result.Set("reliable", law_.reliable);
    return result;
  }

 private:
  const ThreeStepLawSpec spec_;
  ThreeStepLaw law_{};
};

}  // namespace

Napi::Value simulateThreeStep(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  ThreeStepSpec spec{};
  spec.mixture = readMixture(request);
  spec.examples = readExampleCounts(request);
  spec.options = readThreeStepOptions(request);
  spec.method = readScalarNoiseMethod(request, spec.mixture);
  if (spec.method == Method::kProjected && spec.mixture.dimension < kLeastProjectedDimension)
    request.failRange("method", "'dense' for a dimension below 5");
  spec.testDraws = static_cast<int>(request.integer("testDraws", 1, kMaximumCount));
  spec.key = readKey(request);
  const double trialBytes = threeStepBytes(spec);
  return startTrials<ThreeStepMetrics>(
      info.Env(), request, kThreeStepFields,
      [spec = std::move(spec)](uint64_t trial, const std::atomic<bool>& cancelled, Workspace& workspace,
                               ThreeStepMetrics& metrics) {
        return runThreeStepTrial(spec, trial, cancelled, workspace.threeStep, metrics);
      },
      trialBytes);
}

Napi::Value threeStepRisk(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  ThreeStepLawSpec spec{};
  spec.mixture = readMixture(request);
  spec.examples = readExampleCounts(request);
  spec.options = readThreeStepOptions(request);
  spec.fluctuations = request.boolean("fluctuations");
  if (spec.fluctuations && spec.mixture.dimension < kLeastProjectedDimension)
    request.failRange("fluctuations", "false for a dimension below 5");
  spec.draws = static_cast<int>(request.integer("draws", kLeastLawDraws, kMaximumCount));
  spec.key = readKey(request);
  return Environment::of(info.Env()).start(info.Env(), std::make_shared<LawJob>(std::move(spec)));
}

Napi::Value populationGradient(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  const Mixture mixture = readMixture(request);
  const size_t d = mixture.dimension;
  const std::vector<double> head = request.finiteFloat64Array("head", d);
  std::vector<double> gradients(2 * d);
  populationGradient(mixture, head.data(), gradients.data(), gradients.data() + d);
  const Environment& environment = Environment::of(env);
  Napi::Object result = Napi::Object::New(env);
  result.Set("head", environment.float64Array(env, gradients.data(), d));
  result.Set("prompt", environment.float64Array(env, gradients.data() + d, d));
  return result;
}

Napi::Value threeStepDescent(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  const size_t T = request.integer("tokens", 1, kMaximumCount);
  const size_t d = request.integer("dimension", 1, kMaximumCount);
  const ThreeStepOptions options = readThreeStepOptions(request);
  std::array<GivenSample, 3> samples;
  const char* names[] = {"first", "second", "third"};
  for (size_t i = 0; i < 3; ++i) {
    const Request fields = request.object(names[i]);
    samples[i].labels = fields.finiteFloat64Array("labels", Request::kAnyLength);
    const size_t n = samples[i].labels.size();
    if (n < 1 || n > static_cast<size_t>(kMaximumCount)) fields.failRange("labels", "at least one label");
    samples[i].tokens = fields.float64Array("tokens", checkedProduct(env, checkedProduct(env, n, T), d));
  }
  return Environment::of(env).start(env, std::make_shared<DescentJob>(std::move(samples), static_cast<int>(T),
                                                                      static_cast<int>(d), options));
}

}  // namespace prompt_attention
