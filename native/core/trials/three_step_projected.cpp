#include "core/trials/three_step_projected.h"

#include <algorithm>
#include <cmath>

#include "core/mixture/frame.h"

namespace prompt_attention {

namespace {

// Normals first … first+axes−1 of the stream as coordinates along the first `axes` axes.
FrameVector frameNormals(const Stream& stream, uint64_t first, int axes) {
  FrameVector v{};
  stream.normals(first, axes, v.data());
  return v;
}

class ProjectedTrial {
 public:
  ProjectedTrial(const ThreeStepSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                 ThreeStepWorkspace& workspace)
      : spec_(spec),
        mixture_(spec.mixture),
        trial_(trial),
        cancelled_(cancelled),
        workspace_(workspace),
        m_(spec.mixture.irrelevantTokens()),
        perToken_(1.0 / spec.mixture.tokens),
        relevantShare_(perToken_ * spec.mixture.relevantTokens),
        irrelevantShare_(perToken_ * m_) {}

  FrameVector firstHead() {
    const int n = spec_.examples[0];
    PlaneVector sum{0.0, 0.0};
    forEachLabel(Sample::kTraining, n, [&](int, const LabelTerm& term) {
      sum = sum + (term.observed * relevantShare_) * term.r + (term.observed * irrelevantShare_) * term.mu;
    });
    const double rate = spec_.options.stepSizes[0] / n;
    const double deviation = rate * mixture_.noiseLevel * std::sqrt(static_cast<double>(m_) * n) * perToken_;
    FrameVector w1{};
    add(rate * sum, w1);
    add(deviation, frameNormals(summary(Sample::kTraining), 0, 2), w1);
    w1[2] = deviation * remainderNorm(Sample::kTraining, mixture_.dimension - 2);
    return w1;
  }

  FrameVector firstPrompt(const FrameVector& w1) {
    // Tokens that are all alike leave attention nothing to choose: rounding shall not either.
    if (m_ == 0 || mixture_.tokens == 1) return FrameVector{};
    const int n = spec_.examples[1];
    const FrameVector unit = unitVector(w1);
    const double slope = mixture_.noiseLevel * std::sqrt(dot(w1, w1)) * perToken_;
    const double perIrrelevant = m_ > 0 ? 1.0 / m_ : 0.0;
    PlaneVector sum{0.0, 0.0};
    double along = 0.0;
    double variance = 0.0;
    const Stream scores(spec_.key, Sample::kSecond, Field::kScore, trial_);
    double* normalSum = workspace_.pooling.values;
    double* squareSum = workspace_.pooling.gaps;
    forEachLabel(Sample::kSecond, n, [&](int i, const LabelTerm& term) {
      const int inBlock = i % kPooledBlock;
      if (inBlock == 0)
        drawPowerSums(scores, i, std::min(kPooledBlock, n - i), m_, cancelled_, normalSum, squareSum);
      const double relevant = dot(term.r, planeOf(w1));
      const double irrelevant = dot(term.mu, planeOf(w1));
      const double g1 = normalSum[inBlock];
      const double pooled = relevantShare_ * relevant + irrelevantShare_ * irrelevant + slope * g1;
      const double e = term.observed - pooled;
      // Irrelevant c_t = center + slope (g_t − ḡ): Σ c_t, Σ c_t g_t and Σ c_t² follow from Σ g_t and Σ g_t².
      const double mean = perIrrelevant * g1;
      const double deviations = std::max(0.0, squareSum[inBlock] - g1 * mean);
      const double center = perToken_ * (irrelevant - pooled) + slope * mean;
      const double c1 = m_ * center;
      const double cg = center * g1 + slope * deviations;
      const double c2 = c1 * center + slope * slope * deviations;
      sum = sum + (e * relevantShare_ * (relevant - pooled)) * term.r + (e * c1) * term.mu;
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
    PoolingWorkspace& pooling = workspace_.pooling;
    double* residualNormals = pooling.values;
    const double length = std::sqrt(dot(q1, q1));
    WeightedSum P;
    WeightedSum M;
    double covariance = 0.0;
    const auto addBlock = [&](int begin, int size) {
      if (residual) residuals.normals(begin, size, residualNormals);
      for (int i = 0; i < size; ++i) {
        const LabelTerm& term = pooling.terms[pooling.labels[i].term];
        const PlaneVector mean =
            pooling.pooled.relevantMass[i] * term.r + pooling.pooled.irrelevantMass[i] * term.mu;
        const double alongFirst = pooling.pooled.alongPrompt[i];
        const double tokenVariance = pooling.pooled.variance[i];
        double p = term.observed;
        double across = 0.0;  // s ξ
        if (residual) {
          across = std::sqrt(tokenVariance) * residualNormals[i];
          p -= dot(mean, planeOf(w1)) + alongFirst * alongPrompt + across * acrossPrompt;
        }
        P.add(p, mean, alongFirst, across, tokenVariance);
        M.add(1.0, mean, alongFirst, across, tokenVariance);
        covariance += p * tokenVariance;
      }
    };
    forEachPooled(mixture_, planeOf(q1), length, spec_.key, Sample::kThird, trial_, 0, n, cancelled_, pooling,
                  addBlock);
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

  // Calls visit(i, term) for every example of the sample, until cancelled.
  template <class Visit>
  void forEachLabel(Sample sample, int n, Visit visit) {
    const LabelSampler labels(mixture_, spec_.key, sample, trial_);
    PoolingWorkspace& pooling = workspace_.pooling;
    trainingTable(mixture_, pooling.terms);
    for (int first = 0, count; first < n && !cancelled_; first += count) {
      count = std::min(kPooledBlock, n - first);
      labels.draw(first, count, pooling.labels);
      for (int i = 0; i < count; ++i) visit(first + i, pooling.terms[pooling.labels[i].term]);
    }
  }

  const ThreeStepSpec& spec_;
  const Mixture& mixture_;
  const uint64_t trial_;
  const std::atomic<bool>& cancelled_;
  ThreeStepWorkspace& workspace_;
  const int m_;
  const double perToken_;         // 1/T
  const double relevantShare_;    // k/T
  const double irrelevantShare_;  // m/T
};

}  // namespace

FrameVector projectFirstHead(const ThreeStepSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                             ThreeStepWorkspace& workspace) {
  return ProjectedTrial(spec, trial, cancelled, workspace).firstHead();
}

FrameVector projectFirstPrompt(const ThreeStepSpec& spec, uint64_t trial, const FrameVector& w1,
                               const std::atomic<bool>& cancelled, ThreeStepWorkspace& workspace) {
  return ProjectedTrial(spec, trial, cancelled, workspace).firstPrompt(w1);
}

FrameVector projectSecondHead(const ThreeStepSpec& spec, uint64_t trial, const FrameVector& w1,
                              const FrameVector& q1, const std::atomic<bool>& cancelled,
                              ThreeStepWorkspace& workspace, double& intercept) {
  return ProjectedTrial(spec, trial, cancelled, workspace).secondHead(w1, q1, intercept);
}

void projectThreeSteps(const ThreeStepSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                       ThreeStepWorkspace& workspace, ThreeStepIterates& iterates) {
  const FrameVector w1 = projectFirstHead(spec, trial, cancelled, workspace);
  const FrameVector q1 = projectFirstPrompt(spec, trial, w1, cancelled, workspace);
  const FrameVector w2 = projectSecondHead(spec, trial, w1, q1, cancelled, workspace, iterates.intercept);
  iterates.w1.assign(w1.begin(), w1.end());
  iterates.q1.assign(q1.begin(), q1.end());
  iterates.w2.assign(w2.begin(), w2.end());
}

}  // namespace prompt_attention
