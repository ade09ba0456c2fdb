#include "core/trials/known_prompt.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/attention/attention.h"
#include "core/base/blas.h"
#include "core/trials/known_prompt_lazy.h"

namespace prompt_attention {

namespace {

// Visits the pooled training examples first … first+count−1 block by block (forEachPooled).
template <class Visit>
void forEachTrainingBlock(const KnownPromptSpec& spec, uint64_t trial, int first, int count,
                          const std::atomic<bool>& cancelled, PoolingWorkspace& workspace, Visit visit) {
  const PlaneVector prompt = spec.inverseTemperature * spec.mixture.contextVector();
  forEachPooled(spec.mixture, prompt, spec.mixture.noiseLevel * prompt.e1, spec.key, Sample::kTraining, trial,
                first, count, cancelled, workspace, visit);
}

// A r + (1−A) μ + t̃ e1 of example i of the workspace.
PlaneVector inPlaneFeature(const LabelTerm& term, const Pooled& pooled, int i) {
  PlaneVector v = pooled.relevantMass[i] * term.r + pooled.irrelevantMass[i] * term.mu;
  v.e1 += pooled.alongPrompt[i];
  return v;
}

class ProjectedFeatures final : public FeatureSource {
 public:
  ProjectedFeatures(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                    KnownPromptWorkspace& workspace)
      : spec_(spec),
        trial_(trial),
        noise_(spec.key, Sample::kTraining, Field::kFeature, trial),
        cancelled_(cancelled),
        workspace_(workspace) {}
  int examples() const override { return spec_.examples; }
  int dimension() const override { return spec_.mixture.dimension; }
  void rows(int first, int count, double* V, double* y) override {
    const int d = dimension();
    // Every row begins a block of the stream.
    const int stride = (d - 1 + 3) / 4 * 4;
    std::vector<float>& h = workspace_.noise;
    h.resize(stride);
    const PoolingWorkspace& pooling = workspace_.pooling;
    forEachTrainingBlock(spec_, trial_, first, count, cancelled_, workspace_.pooling,
                         [&](int begin, int size) {
                           for (int i = 0; i < size; ++i) {
                             const LabelTerm& term = pooling.terms[pooling.labels[i].term];
                             const PlaneVector inPlane = inPlaneFeature(term, pooling.pooled, i);
                             const double deviation = std::sqrt(pooling.pooled.variance[i]);
                             noise_.normals(static_cast<uint64_t>(begin + i) * stride, stride, h.data());
                             double* v = V + static_cast<size_t>(begin + i - first) * d;
                             v[0] = inPlane.e1;
                             for (int j = 1; j < d; ++j) v[j] = deviation * h[j - 1];
                             if (d > 1) v[1] += inPlane.e2;
                             y[begin + i - first] = term.y;
                           }
                         });
  }

 private:
  const KnownPromptSpec& spec_;
  const uint64_t trial_;
  const Stream noise_;
  const std::atomic<bool>& cancelled_;
  KnownPromptWorkspace& workspace_;
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
      y[i] = label.y;
    }
  }

 private:
  const KnownPromptSpec& spec_;
  const double* q_;  // [d]
  const TokenFrame canonical_;
  LabelSampler labels_;
  TokenSampler tokens_;
  const std::atomic<bool>& cancelled_;
  DenseExample& example_;
};

// Head coordinates in the frame e1, e2, rest: what the test error needs of w.
struct HeadInFrame {
  PlaneVector inPlane;
  double rest;
};

HeadInFrame averageProjected(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                             KnownPromptWorkspace& workspace) {
  const int n = spec.examples;
  const int d = spec.mixture.dimension;
  PlaneVector sum{0.0, 0.0};
  double variance = 0.0;
  const PoolingWorkspace& pooling = workspace.pooling;
  forEachTrainingBlock(spec, trial, 0, n, cancelled, workspace.pooling, [&](int, int size) {
    for (int i = 0; i < size; ++i) {
      const LabelTerm& term = pooling.terms[pooling.labels[i].term];
      sum = sum + term.y * inPlaneFeature(term, pooling.pooled, i);
      variance += pooling.pooled.variance[i];
    }
  });
  HeadInFrame head{(1.0 / n) * sum, 0.0};
  if (d > 1) {
    const double deviation = std::sqrt(variance) / n;
    // Position 0 of the summary stream is the component along e2; the norm has streams of its own.
    head.inPlane.e2 += deviation * Stream(spec.key, Sample::kTraining, Field::kSummary, trial).normal(0);
    head.rest = deviation * drawChi(d - 2, Stream(spec.key, Sample::kTraining, Field::kSummaryNorm, trial),
                                    Stream(spec.key, Sample::kTraining, Field::kSummaryUniform, trial));
  }
  return head;
}

template <class Code>
void record(double& metric, Code code) {
  metric = static_cast<double>(static_cast<uint8_t>(code));
}

}  // namespace

void forEachPooledExample(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                          KnownPromptWorkspace& workspace,
                          const std::function<void(int, const PooledExample&)>& visit) {
  const PoolingWorkspace& pooling = workspace.pooling;
  forEachTrainingBlock(spec, trial, 0, spec.examples, cancelled, workspace.pooling, [&](int begin, int size) {
    for (int i = 0; i < size; ++i) {
      const LabelTerm& term = pooling.terms[pooling.labels[i].term];
      visit(begin + i,
            {term.y, inPlaneFeature(term, pooling.pooled, i), std::sqrt(pooling.pooled.variance[i])});
    }
  });
}

void projectedFeatures(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                       KnownPromptWorkspace& workspace, double* V, double* y) {
  ProjectedFeatures(spec, trial, cancelled, workspace).rows(0, spec.examples, V, y);
}

double knownPromptBytes(const KnownPromptSpec& spec) {
  const double example = spec.method == Method::kDense ? DenseExample::bytes(spec.mixture) : 0.0;
  if (spec.method == Method::kProjected && spec.head.kind == HeadKind::kAveraging) return 0.0;
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
  const bool averaging = spec.head.kind == HeadKind::kAveraging;
  HeadInFrame head{};
  bool isFound = false;
  if (spec.method == Method::kProjected && averaging) {
    head = averageProjected(spec, trial, cancelled, workspace);
    isFound = true;
  } else if (spec.method == Method::kProjected && spec.solver != Solver::kDirect) {
    LazyHead lazy;
    const bool isAuto = spec.solver == Solver::kAuto;
    const TrialStatus status = fitLazily(spec, trial, cancelled, workspace, isAuto, lazy);
    metrics.iterations = lazy.iterations;
    metrics.residual = lazy.residual;
    record(metrics.solver, HeadSolver::kIterative);
    head = {lazy.inPlane, lazy.rest};
    isFound = status == TrialStatus::kOk;
    if (!isFound && (!isAuto || cancelled)) return status;
    if (!isFound) record(metrics.fallback, lazy.isHopeless ? Fallback::kPredicted : Fallback::kNotConverged);
  }
  if (!isFound) {
    const MemoryHold hold(spec.solver == Solver::kAuto ? spec.memory.get() : nullptr,
                          headBytes(spec.head.kind, spec.examples, d));
    if (!hold) return TrialStatus::kNotConverged;
    std::vector<double>& w = workspace.w;
    w.resize(2 * static_cast<size_t>(d));
    double* q = w.data() + d;
    std::fill(q, q + d, 0.0);
    q[0] = prompt.e1;
    HeadOptions options = spec.head;
    // Large ones already run one at a time.
    options.memory = hold.isExclusive() ? nullptr : spec.memory.get();
    HeadOutcome outcome{};
    if (spec.method == Method::kProjected) {
      ProjectedFeatures features(spec, trial, cancelled, workspace);
      outcome = fitHead(features, options, workspace.head, w.data(), cancelled);
    } else {
      DenseFeatures features(spec, q, trial, cancelled, workspace);
      outcome = fitHead(features, options, workspace.head, w.data(), cancelled);
    }
    record(metrics.solver, outcome.solver);
    if (outcome.solver == HeadSolver::kOrthogonal && metrics.fallback == 0.0)
      record(metrics.fallback, Fallback::kIllConditioned);
    if (outcome.status != TrialStatus::kOk) return outcome.status;
    head = {{w[0], d > 1 ? w[1] : 0.0}, d > 2 ? std::sqrt(dot(w.data() + 2, w.data() + 2, d - 2)) : 0.0};
    if (spec.mixture.noise != NoiseKind::kGaussian) {
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
