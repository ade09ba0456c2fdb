// Heads fitted on given features.
#include "addon/entries/entry_points.h"
#include "addon/reading/unpack.h"
#include "addon/runtime/allocating.h"
#include "addon/runtime/environment.h"
#include "core/heads/head.h"
#include "core/heads/linear_heads.h"

namespace prompt_attention {

namespace {

struct GivenHeadSpec {
  HeadOptions head;
  int examples;                  // n
  int dimension;                 // d
  std::vector<double> features;  // [n×d]
  std::vector<double> labels;    // [n]
  std::vector<double> weights;   // [n], of weighted averaging; else empty
};

class GivenFeatures final : public FeatureSource {
 public:
  explicit GivenFeatures(const GivenHeadSpec& spec) : spec_(spec) {}
  int examples() const override { return spec_.examples; }
  int dimension() const override { return spec_.dimension; }
  void rows(int first, int count, double* V, double* y) override {
    const size_t d = spec_.dimension;
    std::copy_n(spec_.features.data() + first * d, count * d, V);
    std::copy_n(spec_.labels.data() + first, count, y);
  }
  void weights(int first, int count, double* omega) override {
    std::copy_n(spec_.weights.data() + first, count, omega);
  }

 private:
  const GivenHeadSpec& spec_;
};

class HeadJob final : public PromiseJob {
 public:
  explicit HeadJob(GivenHeadSpec spec) : spec_(std::move(spec)), head_(spec_.dimension) {}
  void run(uint64_t, Workspace& workspace) override {
    const double* V = spec_.features.data();
    const double* y = spec_.labels.data();
    const int n = spec_.examples;
    const int d = spec_.dimension;
    const double ridge = spec_.head.ridge;
    switch (traitsOf(spec_.head.kind).form) {
      case HeadForm::kMargin: {
        std::vector<double> features(spec_.features);
        outcome_ = fitMarginHead(features.data(), y, n, d, spec_.head, head_.data(), cancelled);
        return;
      }
      case HeadForm::kAveraging:
      case HeadForm::kWeightedAveraging:
      case HeadForm::kLeastSquares: {
        GivenFeatures features(spec_);
        const TrialStatus status =
            fitHead(features, spec_.head, workspace.knownPrompt.head, head_.data(), cancelled).status;
        outcome_ = {status == TrialStatus::kOk ? LinearHeadStatus::kOk : LinearHeadStatus::kSingular, 0,
                    isSum(spec_.head.kind) ? 0.0 : leastSquaresResidual(V, y, n, d, ridge, head_.data())};
        return;
      }
    }
  }
  Napi::Value result(Napi::Env env) override {
    const char* statuses[] = {"ok", "singular", "separable", "not-converged"};
    Napi::Object result = Napi::Object::New(env);
    result.Set("head", Environment::of(env).float64Array(env, head_.data(), head_.size()));
    result.Set("status", statuses[static_cast<int>(outcome_.status)]);
    result.Set("iterations", outcome_.iterations);
    result.Set("residual", outcome_.residual);
    return result;
  }

 private:
  const GivenHeadSpec spec_;
  std::vector<double> head_;  // [d]
  LinearHeadResult outcome_{};
};

}  // namespace

Napi::Value fitGivenHead(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  GivenHeadSpec spec{};
  spec.head = readFittedHead(request);
  spec.examples = static_cast<int>(request.integer("examples", 1, kMaximumCount));
  spec.dimension = static_cast<int>(request.integer("dimension", 1, kMaximumCount));
  const size_t numbers = checkedProduct(env, spec.examples, spec.dimension);
  auto job = allocating(env, checkedProduct(env, numbers, sizeof(double)), [&] {
    spec.features = request.float64Array("features", numbers);
    spec.labels = request.float64Array("labels", spec.examples);
    if (spec.head.kind == HeadKind::kWeightedAveraging)
      spec.weights = request.finiteFloat64Array("weights", spec.examples);
    return std::make_shared<HeadJob>(std::move(spec));
  });
  return Environment::of(env).start(env, job);
}

}  // namespace prompt_attention
