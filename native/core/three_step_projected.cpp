#include "core/three_step_projected.h"

#include <algorithm>
#include <cmath>

#include "core/attention.h"
#include "core/frame.h"

namespace prompt_attention {

namespace {

constexpr int kExamplesPerBlock = 256;

// Normals first … first+axes−1 of the stream as coordinates along the first `axes` axes.
FrameVector frameNormals(const Stream& stream, uint64_t first, int axes) {
  FrameVector v{};
  stream.normals(first, axes, v.data());
  return v;
}

class ProjectedTrial {
 public:
  ProjectedTrial(const ThreeStepSpec& spec, uint64_t trial, ThreeStepWorkspace& workspace)
      : spec_(spec),
        mixture_(spec.mixture),
        trial_(trial),
        workspace_(workspace),
        k_(spec.mixture.relevantTokens),
        m_(spec.mixture.irrelevantTokens()),
        T_(spec.mixture.tokens) {}

  FrameVector firstHead() {
    const int n = spec_.examples[0];
    PlaneVector sum{0.0, 0.0};
    forEachLabel(Sample::kTraining, n, [&](int, double y, PlaneVector r, PlaneVector mu) {
      sum = sum + (y * k_ / T_) * r + (y * m_ / T_) * mu;
    });
    const double rate = spec_.options.stepSizes[0] / n;
    const double deviation = rate * mixture_.noiseLevel * std::sqrt(static_cast<double>(m_) * n) / T_;
    FrameVector w1{};
    add(rate * sum, w1);
    add(deviation, frameNormals(summary(Sample::kTraining), 0, 2), w1);
    w1[2] = deviation * remainderNorm(Sample::kTraining, mixture_.dimension - 2);
    return w1;
  }

  FrameVector firstPrompt(const FrameVector& w1) {
    const int n = spec_.examples[1];
    const FrameVector unit = unitVector(w1);
    const double scale = mixture_.noiseLevel * std::sqrt(dot(w1, w1));
    PlaneVector sum{0.0, 0.0};
    double along = 0.0;
    double variance = 0.0;
    forEachScored(Sample::kSecond, n, [&](int, double y, PlaneVector r, PlaneVector mu, const double* g) {
      const double relevant = dot(r, planeOf(w1));
      const double irrelevant = dot(mu, planeOf(w1));
      double noise = 0.0;
      for (int t = 0; t < m_; ++t) noise += g[t];
      const double pooled = (k_ * relevant + m_ * irrelevant + scale * noise) / T_;
      const double e = y - pooled;
      // Σ c_t, Σ c_t g_t and Σ c_t² over irrelevant tokens
      double c1 = 0.0;
      double cg = 0.0;
      double c2 = 0.0;
      for (int t = 0; t < m_; ++t) {
        const double c = (irrelevant - pooled + scale * g[t]) / T_;
        c1 += c;
        cg += c * g[t];
        c2 += c * c;
      }
      sum = sum + (e * k_ * (relevant - pooled) / T_) * r + (e * c1) * mu;
      along += e * cg;
      variance += e * e * c2;
    });
    const double rate = spec_.options.stepSizes[1] / n;
    const double deviation = rate * mixture_.noiseLevel * std::sqrt(variance);
    FrameVector noise = frameNormals(summary(Sample::kSecond), 0, 3);
    removeAlong(unit, noise);
    FrameVector q1{};
    add(rate * sum, q1);
    add(rate * mixture_.noiseLevel * along, unit, q1);
    add(deviation, noise, q1);
    q1[3] = deviation * remainderNorm(Sample::kSecond, mixture_.dimension - 3);
    return q1;
  }

  FrameVector secondHead(const FrameVector& w1, const FrameVector& q1, double& intercept) {
    const bool residual = spec_.options.head != ThreeStepHead::kFresh;
    const int n = spec_.examples[2];
    const FrameVector promptUnit = unitVector(q1);
    FrameVector headUnit{};
    double alongPrompt = 0.0;
    double acrossPrompt = 0.0;
    if (residual) {
      alongPrompt = dot(w1, promptUnit);
      const FrameVector across = orthogonalPart(promptUnit, w1);
      acrossPrompt = std::sqrt(dot(across, across));
      headUnit = unitVector(across);
    }
    const Stream residuals(spec_.key, Sample::kThird, Field::kResidual, trial_);
    workspace_.residualNormals.resize(kExamplesPerBlock);
    const double scale = mixture_.noiseLevel * std::sqrt(dot(q1, q1));
    WeightedSum P;
    WeightedSum M;
    double covariance = 0.0;
    forEachScored(Sample::kThird, n, [&](int i, double y, PlaneVector r, PlaneVector mu, const double* g) {
      const ScoreSums sums = m_ > 0 ? scoreSums(g, m_, scale) : ScoreSums{};
      const Pooling pooled = pool(mixture_, dot(r, planeOf(q1)), dot(mu, planeOf(q1)), sums);
      const PlaneVector mean = pooled.relevantMass * r + pooled.irrelevantMass * mu;
      double p = y;
      double across = 0.0;  // s ξ
      if (residual) {
        const int inBlock = i % kExamplesPerBlock;
        if (inBlock == 0)
          residuals.normals(i, std::min(kExamplesPerBlock, n - i), workspace_.residualNormals.data());
        across = std::sqrt(pooled.variance) * workspace_.residualNormals[inBlock];
        p -= dot(mean, planeOf(w1)) + pooled.alongPrompt * alongPrompt + across * acrossPrompt;
      }
      P.add(p, mean, pooled.alongPrompt, across, pooled.variance);
      M.add(1.0, mean, pooled.alongPrompt, across, pooled.variance);
      covariance += p * pooled.variance;
    });
    // Cholesky factor of the joint covariance of the two remaining noise sums.
    const double l11 = std::sqrt(P.variance);
    const double l21 = l11 > 0.0 ? covariance / l11 : 0.0;
    const double l22 = std::sqrt(std::max(0.0, M.variance - l21 * l21));
    const FrameVector Z = remainingNoise(promptUnit, headUnit, 0);
    const double norm = remainderNorm(Sample::kThird, mixture_.dimension - 4);

    const double rate = spec_.options.stepSizes[2] / n;
    FrameVector w2{};
    add(rate, P.inFrame(promptUnit, headUnit), w2);
    add(rate * l11, Z, w2);
    w2[4] = rate * l11 * norm;
    if (spec_.options.head == ThreeStepHead::kContinued) add(1.0, w1, w2);
    intercept = 0.0;
    if (spec_.options.intercept) {
      FrameVector sum = M.inFrame(promptUnit, headUnit);
      add(l21, Z, sum);
      add(l22, remainingNoise(promptUnit, headUnit, 4), sum);
      sum[4] = l21 * norm + l22 * summary(Sample::kThird).normal(8);
      intercept = dot(w2, sum) / n;
    }
    return w2;
  }

 private:
  // Σ weight_i v_i: its part in the plane, along q̂ and along u, and the variance Σ weight_i² s_i² of the
  // rest.
  struct WeightedSum {
    PlaneVector plane{0.0, 0.0};
    double prompt = 0.0;
    double head = 0.0;
    double variance = 0.0;
    void add(double weight, PlaneVector mean, double alongPrompt, double alongHead, double tokenVariance) {
      plane = plane + weight * mean;
      prompt += weight * alongPrompt;
      head += weight * alongHead;
      variance += weight * weight * tokenVariance;
    }
    FrameVector inFrame(const FrameVector& promptUnit, const FrameVector& headUnit) const {
      FrameVector v{};
      prompt_attention::add(plane, v);
      prompt_attention::add(prompt, promptUnit, v);
      prompt_attention::add(head, headUnit, v);
      return v;
    }
  };

  Stream summary(Sample sample) const { return Stream(spec_.key, sample, Field::kSummary, trial_); }

  double remainderNorm(Sample sample, int64_t degrees) const {
    return drawChi(degrees, Stream(spec_.key, sample, Field::kSummaryNorm, trial_),
                   Stream(spec_.key, sample, Field::kSummaryUniform, trial_));
  }

  FrameVector remainingNoise(const FrameVector& promptUnit, const FrameVector& headUnit,
                             uint64_t first) const {
    FrameVector noise = frameNormals(summary(Sample::kThird), first, 4);
    removeAlong(promptUnit, noise);
    removeAlong(headUnit, noise);
    return noise;
  }

  // Calls visit(i, y, r, μ) for every example of the sample.
  template <class Visit>
  void forEachLabel(Sample sample, int n, Visit visit) {
    LabelSampler labels(mixture_, spec_.key, sample, trial_);
    workspace_.labels.resize(kExamplesPerBlock);
    for (int first = 0; first < n; first += kExamplesPerBlock) {
      const int count = std::min(kExamplesPerBlock, n - first);
      labels.draw(first, count, workspace_.labels.data());
      for (int i = 0; i < count; ++i) {
        const ExampleLabel label = workspace_.labels[i];
        visit(first + i, label.y, mixture_.relevantMean(label.y),
              mixture_.irrelevantMean(label.y, mixture_.confusion[label.atom]));
      }
    }
  }

  // The same with the m score normals of the example as a last argument.
  template <class Visit>
  void forEachScored(Sample sample, int n, Visit visit) {
    const Stream scores(spec_.key, sample, Field::kScore, trial_);
    std::vector<double>& g = workspace_.scores;
    g.resize(static_cast<size_t>(kExamplesPerBlock) * m_);
    forEachLabel(sample, n, [&](int i, double y, PlaneVector r, PlaneVector mu) {
      const int inBlock = i % kExamplesPerBlock;
      if (inBlock == 0) {
        const size_t count = std::min(kExamplesPerBlock, n - i);
        scores.normals(static_cast<uint64_t>(i) * m_, count * m_, g.data());
      }
      visit(i, y, r, mu, g.data() + static_cast<size_t>(inBlock) * m_);
    });
  }

  const ThreeStepSpec& spec_;
  const Mixture& mixture_;
  const uint64_t trial_;
  ThreeStepWorkspace& workspace_;
  const int k_;
  const int m_;
  const int T_;
};

}  // namespace

void projectThreeSteps(const ThreeStepSpec& spec, uint64_t trial, ThreeStepWorkspace& workspace,
                       ThreeStepIterates& iterates) {
  ProjectedTrial projected(spec, trial, workspace);
  const FrameVector w1 = projected.firstHead();
  const FrameVector q1 = projected.firstPrompt(w1);
  const FrameVector w2 = projected.secondHead(w1, q1, iterates.intercept);
  iterates.w1.assign(w1.begin(), w1.end());
  iterates.q1.assign(q1.begin(), q1.end());
  iterates.w2.assign(w2.begin(), w2.end());
}

}  // namespace prompt_attention
