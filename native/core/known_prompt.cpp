#include "core/known_prompt.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/blas.h"
#include "core/known_prompt_lazy.h"

namespace prompt_attention {

namespace {

constexpr int kExamplesPerBlock = 256;

// Labels, in-plane parts and noise scales of the training examples, from their scores alone.
class PooledSampler {
 public:
  PooledSampler(const KnownPromptSpec& spec, uint64_t trial, KnownPromptWorkspace& workspace)
      : mixture_(spec.mixture),
        prompt_(spec.inverseTemperature * spec.mixture.contextVector()),
        labels_(spec.mixture, spec.key, Sample::kTraining, trial),
        scores_(spec.key, Sample::kTraining, Field::kScore, trial),
        workspace_(workspace) {}

  // Calls visit(i, example) for examples first … first+count−1.
  template <class Visit>
  void forEach(int first, int count, Visit visit) {
    const int m = mixture_.irrelevantTokens();
    const double scale = mixture_.noiseLevel * prompt_.e1;
    std::vector<double>& g = workspace_.scores;
    g.resize(static_cast<size_t>(kExamplesPerBlock) * m);
    workspace_.labels.resize(kExamplesPerBlock);
    for (int block = first; block < first + count; block += kExamplesPerBlock) {
      const int size = std::min(kExamplesPerBlock, first + count - block);
      labels_.draw(block, size, workspace_.labels.data());
      scores_.normals(static_cast<uint64_t>(block) * m, static_cast<size_t>(size) * m, g.data());
      for (int i = 0; i < size; ++i) {
        const ExampleLabel label = workspace_.labels[i];
        const PlaneVector r = mixture_.relevantMean(label.y);
        const PlaneVector mu = mixture_.irrelevantMean(label.y, mixture_.confusion[label.atom]);
        const ScoreSums sums =
            m > 0 ? scoreSums(g.data() + static_cast<size_t>(i) * m, m, scale) : ScoreSums{};
        const Pooling pooled = pool(mixture_, dot(r, prompt_), dot(mu, prompt_), sums);
        PlaneVector inPlane = pooled.relevantMass * r + pooled.irrelevantMass * mu;
        inPlane.e1 += pooled.alongPrompt;
        visit(block + i, PooledExample{label.y, inPlane, std::sqrt(pooled.variance)});
      }
    }
  }

 private:
  const Mixture& mixture_;
  PlaneVector prompt_;
  LabelSampler labels_;
  Stream scores_;
  KnownPromptWorkspace& workspace_;
};

class ProjectedFeatures final : public FeatureSource {
 public:
  ProjectedFeatures(const KnownPromptSpec& spec, uint64_t trial, KnownPromptWorkspace& workspace)
      : spec_(spec),
        pooled_(spec, trial, workspace),
        noise_(spec.key, Sample::kTraining, Field::kFeature, trial),
        buffer_(workspace.noise) {}
  int examples() const override { return spec_.examples; }
  int dimension() const override { return spec_.mixture.dimension; }
  void rows(int first, int count, double* V, double* y) override {
    const int d = dimension();
    buffer_.resize(static_cast<size_t>(kExamplesPerBlock) * (d - 1));
    pooled_.forEach(first, count, [&](int i, const PooledExample& example) {
      const int inBlock = (i - first) % kExamplesPerBlock;
      if (inBlock == 0) {
        const size_t size = std::min(kExamplesPerBlock, first + count - i);
        noise_.normals(static_cast<uint64_t>(i) * (d - 1), size * (d - 1), buffer_.data());
      }
      const double* h = buffer_.data() + static_cast<size_t>(inBlock) * (d - 1);
      double* v = V + static_cast<size_t>(i - first) * d;
      v[0] = example.inPlane.e1;
      for (int j = 1; j < d; ++j) v[j] = example.deviation * h[j - 1];
      if (d > 1) v[1] += example.inPlane.e2;
      y[i - first] = example.y;
    });
  }

 private:
  const KnownPromptSpec& spec_;
  PooledSampler pooled_;
  Stream noise_;
  std::vector<double>& buffer_;
};

class DenseFeatures final : public FeatureSource {
 public:
  DenseFeatures(const KnownPromptSpec& spec, const double* q, uint64_t trial, KnownPromptWorkspace& workspace)
      : spec_(spec),
        q_(q),
        labels_(spec.mixture, spec.key, Sample::kTraining, trial),
        tokens_(spec.mixture, canonical_, spec.key, Sample::kTraining, trial),
        example_(workspace.example) {
    example_.resize(spec.mixture);
  }
  int examples() const override { return spec_.examples; }
  int dimension() const override { return spec_.mixture.dimension; }
  void rows(int first, int count, double* V, double* y) override {
    const int d = dimension();
    for (int i = 0; i < count; ++i) {
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
  DenseExample& example_;
};

// Head coordinates in the frame e1, e2, rest: what the test error needs of w.
struct HeadInFrame {
  PlaneVector inPlane;
  double rest;
};

HeadInFrame averageProjected(const KnownPromptSpec& spec, uint64_t trial, KnownPromptWorkspace& workspace) {
  const int n = spec.examples;
  const int d = spec.mixture.dimension;
  PlaneVector sum{0.0, 0.0};
  double variance = 0.0;
  PooledSampler(spec, trial, workspace).forEach(0, n, [&](int, const PooledExample& example) {
    sum = sum + example.y * example.inPlane;
    variance += example.deviation * example.deviation;
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

}  // namespace

void forEachPooledExample(const KnownPromptSpec& spec, uint64_t trial, KnownPromptWorkspace& workspace,
                          const std::function<void(int, const PooledExample&)>& visit) {
  PooledSampler(spec, trial, workspace).forEach(0, spec.examples, visit);
}

TrialStatus runKnownPromptTrial(const KnownPromptSpec& spec, uint64_t trial,
                                const std::atomic<bool>& cancelled, KnownPromptWorkspace& workspace,
                                KnownPromptMetrics& metrics) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  metrics = {kNone, kNone, kNone, 0.0, 0.0};
  const int d = spec.mixture.dimension;
  const PlaneVector prompt = spec.inverseTemperature * spec.mixture.contextVector();
  const bool averaging = spec.head.kind == HeadKind::kAveraging;
  HeadInFrame head{};
  if (spec.method == Method::kProjected && averaging) {
    head = averageProjected(spec, trial, workspace);
  } else if (spec.method == Method::kProjected && spec.solver == Solver::kIterative) {
    LazyHead lazy;
    const TrialStatus status = fitLazily(spec, trial, cancelled, workspace, lazy);
    metrics.iterations = lazy.iterations;
    metrics.residual = lazy.residual;
    if (status != TrialStatus::kOk) return status;
    head = {lazy.inPlane, lazy.rest};
  } else {
    std::vector<double>& w = workspace.w;
    w.resize(2 * static_cast<size_t>(d));
    double* q = w.data() + d;
    std::fill(q, q + d, 0.0);
    q[0] = prompt.e1;
    TrialStatus status;
    if (spec.method == Method::kProjected) {
      ProjectedFeatures features(spec, trial, workspace);
      status = fitHead(features, spec.head, workspace.head, w.data());
    } else {
      DenseFeatures features(spec, q, trial, workspace);
      status = fitHead(features, spec.head, workspace.head, w.data());
    }
    if (status != TrialStatus::kOk) return status;
    head = {{w[0], d > 1 ? w[1] : 0.0}, d > 2 ? std::sqrt(dot(w.data() + 2, w.data() + 2, d - 2)) : 0.0};
    if (spec.mixture.noise != NoiseKind::kGaussian) {
      const TestError test = countedTestError(spec.mixture, q, w.data(), 0.0, spec.key, trial, spec.testDraws,
                                              workspace.example);
      metrics = {test.error, test.relevantAttention, std::sqrt(dot(w.data(), w.data(), d)), 0.0, 0.0};
      return status;
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
                        spec.testDraws, workspace.scores);
  metrics.error = test.error;
  metrics.relevantAttention = test.relevantAttention;
  metrics.headNorm = norm;
  return TrialStatus::kOk;
}

}  // namespace prompt_attention
