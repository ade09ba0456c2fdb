#include "core/trials/three_step.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/attention/attention.h"
#include "core/base/blas.h"
#include "core/trials/three_step_projected.h"

namespace prompt_attention {

namespace {

// Examples of one sample of one trial, drawn in the canonical frame.
class SampledExamples final : public ExampleSource {
 public:
  SampledExamples(const ThreeStepSpec& spec, int sample, uint64_t trial, DenseExample& example)
      : examples_(spec.examples[sample]),
        labels_(spec.mixture, spec.key, kSamples[sample], trial),
        tokens_(spec.mixture, canonical_, spec.key, kSamples[sample], trial, example.scratch),
        example_(example) {}
  int examples() const override { return examples_; }
  const double* example(int i, double& y) override {
    ExampleLabel label;
    labels_.draw(i, 1, &label);
    tokens_.draw(i, label, nullptr, example_.X.data(), example_.mask.data());
    y = label.observed;
    return example_.X.data();
  }

 private:
  static constexpr std::array<Sample, 3> kSamples{Sample::kTraining, Sample::kSecond, Sample::kThird};
  const int examples_;
  const TokenFrame canonical_;
  LabelSampler labels_;
  TokenSampler tokens_;
  DenseExample& example_;
};

double cosine(double product, double normProduct) {
  return normProduct > 0.0 ? product / normProduct : 0.0;
}

// Cosines of v, given by its plane coordinates and its norm, with q⋆ and w⋆.
void planeCosines(const Mixture& mixture, PlaneVector v, double norm, double& context, double& signal) {
  context = cosine(dot(v, mixture.contextVector()), norm * mixture.contextNorm);
  signal = cosine(dot(v, mixture.signalVector()), norm * mixture.signalNorm);
}

// Iterates whose first two coordinates are those along e1 and e2.
ThreeStepMetrics metricsOf(const Mixture& mixture, const ThreeStepIterates& iterates, const TestError& test) {
  const int d = static_cast<int>(iterates.q1.size());
  const auto plane = [d](const std::vector<double>& v) { return PlaneVector{v[0], d > 1 ? v[1] : 0.0}; };
  const auto norm = [d](const std::vector<double>& v) { return std::sqrt(dot(v.data(), v.data(), d)); };
  ThreeStepMetrics metrics{};
  metrics.error = test.error;
  metrics.test = test.accuracy();
  metrics.relevantAttention = test.relevantAttention;
  metrics.contextOverlap = dot(plane(iterates.q1), mixture.contextVector());
  metrics.signalOverlap = dot(plane(iterates.q1), mixture.signalVector());
  metrics.promptNorm = norm(iterates.q1);
  planeCosines(mixture, plane(iterates.w1), norm(iterates.w1), metrics.w1ContextCosine,
               metrics.w1SignalCosine);
  planeCosines(mixture, plane(iterates.q1), metrics.promptNorm, metrics.q1ContextCosine,
               metrics.q1SignalCosine);
  planeCosines(mixture, plane(iterates.w2), norm(iterates.w2), metrics.w2ContextCosine,
               metrics.w2SignalCosine);
  return metrics;
}

// Bound on the rounding of w2 where tokens have no noise: of its sum of n3 features of size R, times
// residuals 1 + ‖w1‖R, which inherit that of w1.
double headRounding(const ThreeStepSpec& spec, const ThreeStepIterates& iterates) {
  double size = 0.0;
  for (const LabelTerm& term : labelTerms(spec.mixture))
    size = std::max({size, std::hypot(term.r.e1, term.r.e2), std::hypot(term.mu.e1, term.mu.e2)});
  const int d = static_cast<int>(iterates.w1.size());
  const double w1 = std::sqrt(dot(iterates.w1.data(), iterates.w1.data(), d));
  const double ofFirst = spec.options.head == ThreeStepHead::kFresh
                             ? 0.0
                             : spec.examples[0] * std::abs(spec.options.stepSizes[0]) * size * size;
  const double ofResiduals = spec.examples[2] * (1.0 + w1 * size) + ofFirst;
  const double carried = spec.options.head == ThreeStepHead::kContinued ? w1 : 0.0;
  return 4.0 * std::numeric_limits<double>::epsilon() *
         (std::abs(spec.options.stepSizes[2]) * ofResiduals * size + carried);
}

// Finite, with finite norms.
bool isFinite(const ThreeStepIterates& iterates) {
  const int d = static_cast<int>(iterates.q1.size());
  for (const auto* v : {&iterates.w1, &iterates.q1, &iterates.w2})
    if (!std::isfinite(dot(v->data(), v->data(), d))) return false;
  return std::isfinite(iterates.intercept);
}

}  // namespace

void descendThreeSteps(const std::array<ExampleSource*, 3>& samples, int T, int d,
                       const ThreeStepOptions& options, const std::atomic<bool>& cancelled,
                       ThreeStepWorkspace& workspace, ThreeStepIterates& iterates) {
  iterates.w1.assign(d, 0.0);
  iterates.q1.assign(d, 0.0);
  iterates.w2.assign(d, 0.0);
  iterates.intercept = 0.0;
  double* w1 = iterates.w1.data();
  double* q1 = iterates.q1.data();
  double* w2 = iterates.w2.data();
  std::vector<double>& weights = workspace.scores;
  const auto rate = [&](int step) { return options.stepSizes[step] / samples[step]->examples(); };

  weights.assign(T, 1.0);
  for (int i = 0; i < samples[0]->examples() && !cancelled; ++i) {
    double y;
    const double* X = samples[0]->example(i, y);
    addTransposedProduct(rate(0) * y / T, X, T, d, weights.data(), w1);
  }

  for (int i = 0; i < samples[1]->examples() && !cancelled; ++i) {
    double y;
    const double* X = samples[1]->example(i, y);
    product(X, T, d, w1, weights.data());
    double pooled = 0.0;
    for (int t = 0; t < T; ++t) pooled += weights[t] / T;
    for (int t = 0; t < T; ++t) weights[t] = (weights[t] - pooled) / T;
    addTransposedProduct(rate(1) * (y - pooled), X, T, d, weights.data(), q1);
  }

  std::vector<double>& v = workspace.feature;
  std::vector<double>& mean = workspace.mean;
  v.resize(d);
  mean.assign(d, 0.0);
  const int n3 = samples[2]->examples();
  for (int i = 0; i < n3 && !cancelled; ++i) {
    double y;
    const double* X = samples[2]->example(i, y);
    attend(X, T, d, q1, weights.data(), v.data());
    const double p = options.head == ThreeStepHead::kFresh ? y : y - dot(w1, v.data(), d);
    for (int j = 0; j < d; ++j) {
      w2[j] += rate(2) * p * v[j];
      mean[j] += v[j] / n3;
    }
  }
  if (options.head == ThreeStepHead::kContinued)
    for (int j = 0; j < d; ++j) w2[j] += w1[j];
  if (options.intercept) iterates.intercept = dot(w2, mean.data(), d);
}

double threeStepBytes(const ThreeStepSpec& spec) {
  return spec.method == Method::kDense ? DenseExample::bytes(spec.mixture) : 0.0;
}

TrialStatus runThreeStepTrial(const ThreeStepSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                              ThreeStepWorkspace& workspace, ThreeStepMetrics& metrics) {
  const Mixture& mixture = spec.mixture;
  ThreeStepIterates& iterates = workspace.iterates;
  if (spec.method == Method::kProjected) {
    projectThreeSteps(spec, trial, cancelled, workspace, iterates);
  } else {
    workspace.example.resize(mixture);
    SampledExamples first(spec, 0, trial, workspace.example);
    SampledExamples second(spec, 1, trial, workspace.example);
    SampledExamples third(spec, 2, trial, workspace.example);
    descendThreeSteps({&first, &second, &third}, mixture.tokens, mixture.dimension, spec.options, cancelled,
                      workspace, iterates);
  }
  if (!isFinite(iterates)) {
    const double none = std::numeric_limits<double>::quiet_NaN();
    metrics = {none, none, none, none, none, none, none, none, none, none, none, {none, none, 0.0}};
    return TrialStatus::kDiverged;
  }
  TestError test;
  if (mixture.isGaussian() || mixture.isNoiseless()) {
    Readout readout =
        makeReadout(iterates.q1.data(), iterates.w2.data(), static_cast<int>(iterates.q1.size()));
    readout.intercept = iterates.intercept;
    if (mixture.isNoiseless()) readout.headRounding = headRounding(spec, iterates);
    test = gaussianTestError(mixture, readout, Stream(spec.key, Sample::kTest, Field::kScore, trial),
                             spec.testDraws, cancelled, workspace.pooling);
  } else {
    test = countedTestError(mixture, iterates.q1.data(), iterates.w2.data(), iterates.intercept, spec.key,
                            trial, spec.testDraws, cancelled, workspace.example);
  }
  metrics = metricsOf(mixture, iterates, test);
  return TrialStatus::kOk;
}

}  // namespace prompt_attention
