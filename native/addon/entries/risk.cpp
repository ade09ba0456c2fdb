// Test error of given parameters, and the laws.
#include "core/laws/risk.h"

#include "addon/entries/entry_points.h"
#include "addon/reading/unpack.h"
#include "addon/runtime/crew.h"
#include "addon/runtime/environment.h"
#include "core/laws/long_context_risk.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

namespace {

class TestErrorJob final : public PromiseJob {
 public:
  TestErrorJob(Mixture mixture, std::vector<double> prompt, std::vector<double> head, double intercept,
               StreamKey key, int draws)
      : mixture_(std::move(mixture)),
        prompt_(std::move(prompt)),
        head_(std::move(head)),
        intercept_(intercept),
        key_(key),
        draws_(draws) {}
  void run(uint64_t, Workspace& workspace) override {
    if (mixture_.isGaussian()) {
      Readout readout = makeReadout(prompt_.data(), head_.data(), mixture_.dimension);
      readout.intercept = intercept_;
      result_ = gaussianTestError(mixture_, readout, Stream(key_, Sample::kTest, Field::kScore, 0), draws_,
                                  cancelled, workspace.knownPrompt.pooling);
    } else {
      result_ = countedTestError(mixture_, prompt_.data(), head_.data(), intercept_, key_, 0, draws_,
                                 cancelled, workspace.knownPrompt.example);
    }
  }
  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result.Set("error", result_.error);
    result.Set("standardError", result_.standardError);
    result.Set("effectiveDraws", result_.effectiveDraws);
    result.Set("reliable", result_.reliable);
    return result;
  }

 private:
  const Mixture mixture_;
  const std::vector<double> prompt_;  // [d]
  const std::vector<double> head_;    // [d]
  const double intercept_;
  const StreamKey key_;
  const int draws_;
  TestError result_{};
};

class RiskJob final : public PromiseJob {
 public:
  RiskJob(RiskSpec spec, int threads) : spec_(std::move(spec)) {
    // Handing parts to threads costs more than few draws do.
    constexpr int64_t kDrawsWorthThreads = 4096;
    const int64_t work = spec_.draws * static_cast<int64_t>(spec_.sampleRatios.size());
    partThreads = work < kDrawsWorthThreads ? 1 : threads;
  }
  void run(uint64_t, Workspace&) override {
    Crew crew(pool(), partThreads);
    curve_ = knownPromptRisk(spec_, crew, cancelled);
  }
  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    const auto add = [&](const std::string& name, auto... fields) {
      std::vector<double> values;
      for (const RiskPoint& point : curve_.points) (values.push_back(fields(point)), ...);
      result.Set(name, Environment::of(env).float64Array(env, values.data(), values.size()));
    };
    const auto addField = [&](const std::string& name, auto... fields) {
      add(name, [fields](const RiskPoint& point) { return point.fields[fields].value; }...);
      add(name == "error" ? "standardError" : name + "StandardError",
          [fields](const RiskPoint& point) { return point.fields[fields].standardError; }...);
    };
    addField("error", kRiskError);
    addField("trainingError", kRiskTrainingError);
    addField("chi", kRiskChi);
    addField("inPlaneHead", kRiskHead1, kRiskHead2);
    addField("orthogonalNorm", kRiskOrthogonalNorm);
    addField("headNorm", kRiskHeadNorm);
    addField("signalCosine", kRiskSignalCosine);
    if (spec_.intercept) addField("intercept", kRiskIntercept);
    addField("separabilityThreshold", kRiskSeparability);
    add("converged", [](const RiskPoint& point) { return point.status == RiskStatus::kOk ? 1.0 : 0.0; });
    add("effectiveDraws", [](const RiskPoint& point) { return point.effectiveDraws; });
    add("reliable", [](const RiskPoint& point) { return point.reliable ? 1.0 : 0.0; });
    std::vector<double> residuals;
    for (const RiskPoint& point : curve_.points)
      residuals.insert(residuals.end(), point.residuals.begin(),
                       point.residuals.begin() + (spec_.intercept ? 5 : 4));
    result.Set("residuals", Environment::of(env).float64Array(env, residuals.data(), residuals.size()));
    result.Set("relevantAttention", curve_.relevantAttention);
    result.Set("relevantAttentionStandardError", curve_.relevantAttentionStandardError);
    return result;
  }

 private:
  const RiskSpec spec_;
  RiskCurve curve_{};
};

}  // namespace

Napi::Value testError(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  Mixture mixture = readMixture(request);
  const size_t d = mixture.dimension;
  const double intercept = request.has("intercept") ? request.number("intercept") : 0.0;
  auto job = std::make_shared<TestErrorJob>(std::move(mixture), request.float64Array("prompt", d),
                                            request.float64Array("head", d), intercept, readKey(request),
                                            static_cast<int>(request.integer("draws", 1, kMaximumCount)));
  return Environment::of(info.Env()).start(info.Env(), job);
}

Napi::Value knownPromptRiskCurve(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  RiskSpec spec{};
  spec.mixture = readMixture(request);
  spec.sampleRatios = request.float64Array("sampleRatios", Request::kAnyLength);
  for (const double ratio : spec.sampleRatios)
    if (!(ratio > 0.0)) request.failRange("sampleRatios", "above 0");
  spec.ridges = request.float64Array("ridges", spec.sampleRatios.size());
  for (const double ridge : spec.ridges)
    if (!(ridge >= 0.0)) request.failRange("ridges", "at least 0");
  if (request.has("examples")) spec.examples = request.float64Array("examples", spec.sampleRatios.size());
  for (const double examples : spec.examples)
    if (!(examples >= 0.0)) request.failRange("examples", "at least 0");
  spec.inverseTemperature = request.number("inverseTemperature");
  spec.head = request.oneOf("head", kHeads);
  spec.intercept = readIntercept(request, spec.head);
  spec.draws = static_cast<int>(request.integer("draws", 64, kMaximumCount));
  spec.general = request.has("general") && request.boolean("general");
  spec.key = readKey(request);
  const int threads = static_cast<int>(request.integer("threads", 1, kMaximumThreads));
  return Environment::of(info.Env()).start(info.Env(), std::make_shared<RiskJob>(std::move(spec), threads));
}

Napi::Value proximalOperator(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  const std::vector<double> margins = request.float64Array("margins", Request::kAnyLength);
  const std::vector<double> scales = request.float64Array("scales", margins.size());
  const HeadKind head = request.oneOf("head", kHeads);
  if (isSum(head)) request.failRange("head", "one with a proximal operator");
  std::vector<double> values(margins.size());
  proximalPoints(traitsOf(head).loss, margins.data(), scales.data(), margins.size(), values.data());
  return Environment::of(info.Env()).float64Array(info.Env(), values.data(), values.size());
}

Napi::Value longContextRiskPoint(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  const double sampleRatio = request.number("sampleRatio");
  if (!(sampleRatio > 0.0)) request.failRange("sampleRatio", "above 0");
  const HeadOptions head = readHead(request);
  if (head.kind != HeadKind::kAveraging && head.kind != HeadKind::kLeastSquares)
    request.failRange("head", "averaging or least squares");
  const LongContextRisk risk =
      longContextRisk(readMixture(request), sampleRatio, request.number("inverseTemperature"), head);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("error", risk.error);
  result.Set("signalToNoise", risk.signalToNoise);
  return result;
}

}  // namespace prompt_attention
