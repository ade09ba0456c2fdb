#include "core/trials/known_prompt.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/attention/attention.h"
#include "core/base/blas.h"
#include "core/heads/weighted_averaging.h"
#include "core/trials/known_prompt_lazy.h"

namespace prompt_attention {

namespace {

constexpr size_t kBytesKept = size_t{256} << 20;  // larger noise is given back after the trial

// Visits the pooled training examples block by block (forEachPooled).
template <class Visit>
void forEachTrainingBlock(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                          PoolingWorkspace& workspace, Visit visit) {
  const PlaneVector prompt = spec.inverseTemperature * spec.mixture.contextVector();
  forEachPooled(spec.mixture, prompt, prompt.e1, spec.key, Sample::kTraining, trial, 0, spec.examples,
                cancelled, workspace, visit);
}

// A r + (1−A) μ + t̃ e1 of example i of the workspace.
PlaneVector inPlaneFeature(const LabelTerm& term, const Pooled& pooled, int i) {
  PlaneVector v = pooled.relevantMass[i] * term.r + pooled.irrelevantMass[i] * term.mu;
  v.e1 += pooled.alongPrompt[i];
  return v;
}

class ProjectedFeatures final : public FeatureSource {
 public:
  ProjectedFeatures(const KnownPromptSpec& spec, const PooledSample& sample, uint64_t trial,
                    std::vector<float>& scratch)
      : sample_(sample),
        dimension_(spec.mixture.dimension),
        noise_(spec.key, Sample::kTraining, Field::kFeature, trial),
        scratch_(scratch) {}
  int examples() const override { return static_cast<int>(sample_.label.size()); }
  int dimension() const override { return dimension_; }
  void rows(int first, int count, double* V, double* y) override {
    const int d = dimension_;
    // Every row begins a block of the stream.
    const int stride = (d - 1 + 3) / 4 * 4;
    scratch_.resize(stride);
    for (int i = first; i < first + count; ++i) {
      noise_.normals(static_cast<uint64_t>(i) * stride, stride, scratch_.data());
      double* v = V + static_cast<size_t>(i - first) * d;
      v[0] = sample_.u1[i];
      for (int j = 1; j < d; ++j) v[j] = sample_.deviation[i] * scratch_[j - 1];
      if (d > 1) v[1] += sample_.u2[i];
      y[i - first] = sample_.label[i];
    }
  }

 private:
  const PooledSample& sample_;
  const int dimension_;
  const Stream noise_;
  std::vector<float>& scratch_;
};

// Features that are known: V[n×d], of the sample.
class CompletedFeatures final : public FeatureSource {
 public:
  CompletedFeatures(const PooledSample& sample, std::vector<double> V, int dimension)
      : sample_(sample), V_(std::move(V)), dimension_(dimension) {}
  int examples() const override { return static_cast<int>(sample_.label.size()); }
  int dimension() const override { return dimension_; }
  void rows(int first, int count, double* V, double* y) override {
    const size_t d = dimension_;
    std::copy_n(V_.data() + first * d, count * d, V);
    std::copy_n(sample_.label.data() + first, count, y);
  }

 private:
  const PooledSample& sample_;
  const std::vector<double> V_;
  const int dimension_;
};

class DenseFeatures final : public FeatureSource {
 public:
  DenseFeatures(const KnownPromptSpec& spec, const double* q, uint64_t trial,
                const std::atomic<bool>& cancelled, KnownPromptWorkspace& workspace)
      : spec_(spec),
        q_(q),
        labels_(spec.mixture, spec.key, Sample::kTraining, trial),
        tokens_(spec.mixture, canonical_, spec.key, Sample::kTraining, trial, workspace.example.scratch),
        cancelled_(cancelled),
        example_(workspace.example) {
    example_.resize(spec.mixture);
    const double largest = std::max(spec.mixture.noiseLevel, spec.mixture.relevantNoiseLevel);
    if (largest == 0.0) return;
    relevantVariance_ = std::pow(spec.mixture.relevantNoiseLevel / largest, 2);
    otherVariance_ = std::pow(spec.mixture.noiseLevel / largest, 2);
  }
  int examples() const override { return spec_.examples; }
  int dimension() const override { return spec_.mixture.dimension; }
  void rows(int first, int count, double* V, double* y) override {
    const int d = dimension();
    for (int i = 0; i < count && !cancelled_; ++i) {
      ExampleLabel label;
      labels_.draw(first + i, 1, &label);
      tokens_.draw(first + i, label, nullptr, example_.X.data(), example_.mask.data());
      attend(example_.X.data(), spec_.mixture.tokens, d, q_, example_.phi.data(),
             V + static_cast<size_t>(i) * d);
      y[i] = label.observed;
      if (spec_.head.kind == HeadKind::kWeightedAveraging) addWeight(i);
    }
  }
  void weights(int, int count, double* omega) override { std::copy_n(weights_.data(), count, omega); }

 private:
  // Of the example whose attention has just been computed.
  void addWeight(size_t i) {
    double relevant = 0.0;
    double purity = 0.0;
    for (size_t t = 0; t < example_.phi.size(); ++t) {
      const double phi = example_.phi[t];
      const bool isRelevant = example_.mask[t] != 0;
      if (isRelevant) relevant += phi;
      purity += (isRelevant ? relevantVariance_ : otherVariance_) * phi * phi;
    }
    weights_.resize(std::max(weights_.size(), i + 1));
    weights_[i] = exampleWeight(relevant, purity);
  }

  const KnownPromptSpec& spec_;
  const double* q_;  // [d]
  const TokenFrame canonical_;
  LabelSampler labels_;
  TokenSampler tokens_;
  const std::atomic<bool>& cancelled_;
  DenseExample& example_;
  std::vector<double> weights_;  // of the block that rows() gave last
  // σ_R² and σ² over the larger; without any noise those of σ = 1.
  double relevantVariance_ = 0.0;
  double otherVariance_ = 1.0;
};

// Conjugate gradients' view of a trial, and the noise that they have looked at.
struct LazyTrial {
  LazyTrial(const KnownPromptSpec& spec, const PooledSample& sample, uint64_t trial, LazyNoise& lazyNoise)
      : noise(lazyNoise), features(spec, sample, frameCapacity(spec), trial, lazyNoise) {}
  ~LazyTrial() {
    if (noise.heldBytes() > kBytesKept) noise.release();
  }
  LazyTrial(const LazyTrial&) = delete;
  LazyTrial& operator=(const LazyTrial&) = delete;

  LazyNoise& noise;
  lazy_head::LazyFeatures features;
};

// Head coordinates in the frame e1, e2, rest: what the test error needs of w.
struct HeadInFrame {
  PlaneVector inPlane;
  double rest;
};

// A head with noise of this deviation in every direction but e1.
HeadInFrame withNoise(const KnownPromptSpec& spec, uint64_t trial, PlaneVector inPlane, double deviation) {
  const int d = spec.mixture.dimension;
  if (d == 1) return {inPlane, 0.0};
  // Position 0 of the summary stream is the component along e2; the norm has streams of its own.
  inPlane.e2 += deviation * Stream(spec.key, Sample::kTraining, Field::kSummary, trial).normal(0);
  const double rest =
      deviation * drawChi(d - 2, Stream(spec.key, Sample::kTraining, Field::kSummaryNorm, trial),
                          Stream(spec.key, Sample::kTraining, Field::kSummaryUniform, trial));
  return {inPlane, rest};
}

HeadInFrame averageProjected(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                             KnownPromptWorkspace& workspace) {
  const int n = spec.examples;
  PlaneVector sum{0.0, 0.0};
  double variance = 0.0;
  const PoolingWorkspace& pooling = workspace.pooling;
  forEachTrainingBlock(spec, trial, cancelled, workspace.pooling, [&](int, int size) {
    for (int i = 0; i < size; ++i) {
      const LabelTerm& term = pooling.terms[pooling.labels[i].term];
      sum = sum + term.observed * inPlaneFeature(term, pooling.pooled, i);
      variance += pooling.pooled.variance[i];
    }
  });
  return withNoise(spec, trial, (1.0 / n) * sum, std::sqrt(variance) / n);
}

// Without the part along q⋆.
HeadInFrame averageWeighted(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                            KnownPromptWorkspace& workspace) {
  const Mixture& mixture = spec.mixture;
  const PoolingWorkspace& pooling = workspace.pooling;
  WeightUnit unit;
  double total = 0.0;
  double across = 0.0;
  double deviation = 0.0;  // of the noise
  forEachTrainingBlock(spec, trial, cancelled, workspace.pooling, [&](int, int size) {
    for (int i = 0; i < size; ++i) {
      const LabelTerm& term = pooling.terms[pooling.labels[i].term];
      const Pooled& pooled = pooling.pooled;
      const double variance = pooled.variance[i];
      const double purity = attentionPurity(pooled.irrelevantMass[i], mixture.irrelevantTokens(), variance,
                                            std::max(mixture.noiseLevel, mixture.relevantNoiseLevel));
      const double weight = exampleWeight(pooled.relevantMass[i], purity);
      const double shrunk = unit.include(weight);
      const double omega = unit.of(weight);
      total = shrunk * total + omega;
      across = shrunk * across + omega * term.observed * inPlaneFeature(term, pooled, i).e2;
      deviation = std::hypot(shrunk * deviation, omega * std::sqrt(variance));
    }
  });
  if (total == 0.0 || mixture.dimension == 1) return {{0.0, 0.0}, 0.0};
  return withNoise(spec, trial, {0.0, across / total}, deviation / total);
}

template <class Code>
void record(double& metric, Code code) {
  metric = static_cast<double>(static_cast<uint8_t>(code));
}

HeadInFrame inFrame(const double* w, int d) {
  return {{w[0], d > 1 ? w[1] : 0.0}, d > 2 ? std::sqrt(dot(w + 2, w + 2, d - 2)) : 0.0};
}

// The head of these features, into workspace.w[≥ d].
TrialStatus solveDirectly(FeatureSource& features, const HeadOptions& options,
                          const std::atomic<bool>& cancelled, KnownPromptWorkspace& workspace,
                          KnownPromptMetrics& metrics) {
  const HeadOutcome outcome = fitHead(features, options, workspace.head, workspace.w.data(), cancelled);
  record(metrics.solver, outcome.solver);
  if (outcome.solver == HeadSolver::kOrthogonal && metrics.fallback == 0.0)
    record(metrics.fallback, Fallback::kIllConditioned);
  return outcome.status;
}

TrialStatus solveProjected(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                           KnownPromptWorkspace& workspace, KnownPromptMetrics& metrics, HeadInFrame& head) {
  const int d = spec.mixture.dimension;
  const PooledSample sample = poolSample(spec, trial, cancelled, workspace);
  if (cancelled) return TrialStatus::kNotConverged;
  const bool isAuto = spec.solver == Solver::kAuto;
  LazyHead lazy{};
  TrialStatus status = TrialStatus::kNotConverged;
  std::optional<LazyTrial> tried;
  if (spec.solver != Solver::kDirect) {
    tried.emplace(spec, sample, trial, workspace.lazyNoise);
    status = fitLazily(spec, tried->features, cancelled, isAuto, lazy);
    metrics.iterations = lazy.iterations;
    metrics.residual = lazy.residual;
    record(metrics.solver, HeadSolver::kIterative);
    head = {lazy.inPlane, lazy.rest};
    if (status == TrialStatus::kOk || !isAuto || cancelled) return status;
    record(metrics.fallback, lazy.isHopeless ? Fallback::kPredicted : Fallback::kNotConverged);
  }
  // With noise that has been looked at, that noise: those who fail are not typical.
  const bool completes = tried && !lazy.isHopeless;
  const MemoryHold hold(isAuto ? spec.memory.get() : nullptr, headBytes(spec.head.kind, spec.examples, d) +
                                                                  (completes ? completionBytes(spec) : 0.0));
  if (!hold) return TrialStatus::kNotConverged;
  HeadOptions options = spec.head;
  // Large ones already run one at a time.
  options.memory = hold.isExclusive() ? nullptr : spec.memory.get();
  workspace.w.resize(std::max(workspace.w.size(), static_cast<size_t>(d)));
  if (completes) {
    CompletedFeatures features(sample, tried->features.complete(), d);
    tried.reset();
    status = solveDirectly(features, options, cancelled, workspace, metrics);
  } else {
    ProjectedFeatures features(spec, sample, trial, workspace.noise);
    status = solveDirectly(features, options, cancelled, workspace, metrics);
  }
  if (status == TrialStatus::kOk) head = inFrame(workspace.w.data(), d);
  return status;
}

}  // namespace

PooledSample poolSample(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                        KnownPromptWorkspace& workspace) {
  PooledSample sample;
  for (std::vector<double>* values : {&sample.u1, &sample.u2, &sample.deviation, &sample.label})
    values->resize(spec.examples);
  const PoolingWorkspace& pooling = workspace.pooling;
  forEachTrainingBlock(spec, trial, cancelled, workspace.pooling, [&](int begin, int size) {
    for (int i = 0; i < size; ++i) {
      const LabelTerm& term = pooling.terms[pooling.labels[i].term];
      const PlaneVector inPlane = inPlaneFeature(term, pooling.pooled, i);
      sample.u1[begin + i] = inPlane.e1;
      sample.u2[begin + i] = inPlane.e2;
      sample.deviation[begin + i] = std::sqrt(pooling.pooled.variance[i]);
      sample.label[begin + i] = term.observed;
    }
  });
  return sample;
}

void projectedFeatures(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                       KnownPromptWorkspace& workspace, double* V, double* y) {
  const PooledSample sample = poolSample(spec, trial, cancelled, workspace);
  ProjectedFeatures(spec, sample, trial, workspace.noise).rows(0, spec.examples, V, y);
}

double knownPromptBytes(const KnownPromptSpec& spec) {
  const double example = spec.method == Method::kDense ? DenseExample::bytes(spec.mixture) : 0.0;
  if (spec.method == Method::kProjected && isSum(spec.head.kind)) return 0.0;
  if (spec.method == Method::kProjected && spec.solver != Solver::kDirect) return lazyHeadBytes(spec);
  return example + headBytes(spec.head.kind, spec.examples, spec.mixture.dimension);
}

TrialStatus runKnownPromptTrial(const KnownPromptSpec& spec, uint64_t trial,
                                const std::atomic<bool>& cancelled, KnownPromptWorkspace& workspace,
                                KnownPromptMetrics& metrics) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  metrics = {kNone, kNone, kNone, 0.0, 0.0, {kNone, kNone, 0.0}, 0.0, 0.0};
  const int d = spec.mixture.dimension;
  const PlaneVector prompt = spec.inverseTemperature * spec.mixture.contextVector();
  const bool weighted = spec.head.kind == HeadKind::kWeightedAveraging;
  HeadInFrame head{};
  if (spec.method == Method::kProjected && isSum(spec.head.kind)) {
    head = weighted ? averageWeighted(spec, trial, cancelled, workspace)
                    : averageProjected(spec, trial, cancelled, workspace);
  } else if (spec.method == Method::kProjected) {
    const TrialStatus status = solveProjected(spec, trial, cancelled, workspace, metrics, head);
    if (status != TrialStatus::kOk) return status;
  } else {
    std::vector<double>& w = workspace.w;
    w.resize(2 * static_cast<size_t>(d));
    double* q = w.data() + d;
    std::fill(q, q + d, 0.0);
    q[0] = prompt.e1;
    DenseFeatures features(spec, q, trial, cancelled, workspace);
    const TrialStatus status = solveDirectly(features, spec.head, cancelled, workspace, metrics);
    if (status != TrialStatus::kOk) return status;
    if (weighted) w[0] = 0.0;
    head = inFrame(w.data(), d);
    if (!spec.mixture.isGaussian()) {
      const TestError test = countedTestError(spec.mixture, q, w.data(), 0.0, spec.key, trial, spec.testDraws,
                                              cancelled, workspace.example);
      metrics.error = test.error;
      metrics.relevantAttention = test.relevantAttention;
      metrics.headNorm = std::sqrt(dot(w.data(), w.data(), d));
      metrics.test = test.accuracy();
      return TrialStatus::kOk;
    }
  }
  const double norm = std::hypot(head.inPlane.e1, head.inPlane.e2, head.rest);
  Readout readout{};
  readout.prompt = prompt;
  readout.promptNorm = std::abs(prompt.e1);
  readout.head = head.inPlane;
  readout.headAlongPrompt = prompt.e1 < 0.0 ? -head.inPlane.e1 : head.inPlane.e1;
  readout.headOrthogonal = prompt.e1 == 0.0 ? norm : std::hypot(head.inPlane.e2, head.rest);
  const TestError test =
      gaussianTestError(spec.mixture, readout, Stream(spec.key, Sample::kTest, Field::kScore, trial),
                        spec.testDraws, cancelled, workspace.pooling);
  metrics.error = test.error;
  metrics.test = test.accuracy();
  metrics.relevantAttention = test.relevantAttention;
  metrics.headNorm = norm;
  return TrialStatus::kOk;
}

}  // namespace prompt_attention
