#include "core/three_step_law.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/blas.h"
#include "core/frame.h"
#include "core/joint_moments.h"
#include "core/running_mean.h"

namespace prompt_attention {

namespace {

// Coordinates of z: which fluctuation is which.
constexpr int kFirstPlane = 0;    // 2
constexpr int kFirstNorm = 2;     // 1
constexpr int kSecondJoint = 3;   // 4
constexpr int kSecondNorm = 7;    // 1
constexpr int kThirdNorm = 8;     // 1
constexpr int kThirdJoint = 9;    // 5, or 10 with an intercept
constexpr int kThirdBeyond = 19;  // 1, with an intercept
constexpr int kFluctuations = 20;
using Fluctuations = std::array<double, kFluctuations>;

// Quadrature for the standard normal law: exact for polynomials of degree 9.
constexpr std::array<double, 5> kNormalNodes{-2.8569700138728056, -1.3556261799742659, 0.0,
                                             1.3556261799742659, 2.8569700138728056};
constexpr std::array<double, 5> kNormalWeights{0.011257411327720689, 0.22207592200561266, 0.53333333333333333,
                                               0.22207592200561266, 0.011257411327720689};

struct LawValues {
  double error = 0.0;
  double contextOverlap = 0.0;
  double signalOverlap = 0.0;
  double promptNorm = 0.0;
  double relevantAttention = 0.0;
};

// Adds scale·b to a.
void accumulate(double scale, const LawValues& b, LawValues& a) {
  a.error += scale * b.error;
  a.contextOverlap += scale * b.contextOverlap;
  a.signalOverlap += scale * b.signalOverlap;
  a.promptNorm += scale * b.promptNorm;
  a.relevantAttention += scale * b.relevantAttention;
}

// The trajectory as a function of z, on draws first … first+draws−1.
class Trajectory {
 public:
  Trajectory(const ThreeStepLawSpec& spec, int first, int draws, const std::atomic<bool>& cancelled)
      : spec_(spec),
        mixture_(spec.mixture),
        terms_(labelTerms(spec.mixture)),
        k_(spec.mixture.relevantTokens),
        m_(spec.mixture.irrelevantTokens()),
        T_(spec.mixture.tokens),
        first_(first),
        draws_(draws),
        cancelled_(cancelled) {}

  LawValues values() {
    return expectation(0, kThirdNorm, Fluctuations{}, [this](Fluctuations& z) {
      start(z);
      const int last = spec_.options.intercept ? kFluctuations : kThirdJoint + 5;
      return expectation(kThirdNorm, last, z, [this](Fluctuations& inner) { return finish(inner); });
    });
  }

 private:
  // Draws begin … end−1 of it belong to this trajectory.
  struct PooledDraws {
    Pooled pooled;
    int begin;
    int end;
  };

  // The three-point rule in each of the coordinates first … last−1 of z; the value at the center without
  // fluctuations.
  template <class Value>
  LawValues expectation(int first, int last, Fluctuations z, Value value) {
    const LawValues center = value(z);
    LawValues sum = center;
    for (int j = first; j < last && spec_.fluctuations && !cancelled_; ++j) {
      for (const double step : {std::sqrt(3.0), -std::sqrt(3.0)}) {
        z[j] = step;
        accumulate(1.0 / 6.0, value(z), sum);
        accumulate(-1.0 / 6.0, center, sum);
      }
      z[j] = 0.0;
    }
    return sum;
  }

  // √d, or with fluctuations χ_{d−j} at z.
  double remainderNorm(int j, double z) const {
    if (!spec_.fluctuations) return std::sqrt(static_cast<double>(mixture_.dimension));
    const double degrees = mixture_.dimension - j;
    const double spread = 2.0 / (9.0 * degrees);
    return std::sqrt(degrees * std::pow(std::max(0.0, 1.0 - spread + z * std::sqrt(spread)), 3));
  }

  // w1, q1, the pooled draws at q1 and what S3 looks like there.
  void start(const Fluctuations& z) {
    firstHead(z);
    firstPrompt(z);
    poolDraws();
    thirdMoments();
  }

  void firstHead(const Fluctuations& z) {
    JointMoments<2> moments;
    for (const LabelTerm& term : terms_) {
      const PlaneVector u = (term.y * k_ / T_) * term.r + (term.y * m_ / T_) * term.mu;
      moments.add(term.probability, {u.e1, u.e2});
    }
    const double variance = mixture_.noiseLevel * mixture_.noiseLevel * m_ / (static_cast<double>(T_) * T_);
    moments.addNoise(0, 0, variance);
    moments.addNoise(1, 1, variance);
    const double n = spec_.examples[0];
    const auto mean = moments.sampleMean(n, z.data() + kFirstPlane);
    const double rate = spec_.options.stepSizes[0];
    w1_ = {rate * mean[0], rate * mean[1], rate * std::sqrt(variance / n) * remainderNorm(2, z[kFirstNorm]),
           0.0, 0.0};
  }

  // Moments of e(Σ_R c r + Σ_irr c μ + σ Σ_irr c g ŵ1) in e1 … e3 and of V = e² Σ_irr c². They depend on the
  // m scores through their sum √m x, x ~ N(0, 1), and their squares about the mean S ~ χ²_{m−1} only; V is
  // linear in S and of degree 4 in x, so that five nodes for x and two for S give all second moments exactly.
  void firstPrompt(const Fluctuations& z) {
    const double sigma = mixture_.noiseLevel;
    const FrameVector unit = unitVector(w1_);
    const double scale = sigma * std::sqrt(dot(w1_, w1_));
    const PlaneVector head = planeOf(w1_);
    JointMoments<4> moments;
    for (const LabelTerm& term : terms_) {
      const double relevant = dot(term.r, head);
      const double irrelevant = dot(term.mu, head);
      for (size_t node = 0; node < kNormalNodes.size(); ++node) {
        const double sum = std::sqrt(static_cast<double>(m_)) * kNormalNodes[node];
        const double pooled = (k_ * relevant + m_ * irrelevant + scale * sum) / T_;
        const double e = term.y - pooled;
        for (const double side : {-1.0, 1.0}) {
          const double S = m_ > 0 ? m_ - 1 + side * std::sqrt(2.0 * (m_ - 1)) : 0.0;
          const double offset = (irrelevant - pooled) / T_;
          const double slope = scale / T_;  // c_t = offset + slope g_t
          const double mean = m_ > 0 ? sum / m_ : 0.0;
          const double squares = S + sum * mean;
          const double c1 = m_ * offset + slope * sum;
          const double cg = offset * sum + slope * squares;
          const double c2 = m_ * std::pow(offset + slope * mean, 2) + slope * slope * S;
          const PlaneVector plane = (e * k_ * (relevant - pooled) / T_) * term.r + (e * c1) * term.mu;
          const double along = sigma * e * cg;
          moments.add(0.5 * kNormalWeights[node] * term.probability,
                      {plane.e1 + along * unit[0], plane.e2 + along * unit[1], along * unit[2], e * e * c2});
        }
      }
    }
    const double variance = sigma * sigma * moments.mean()[3];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j <= i; ++j) moments.addNoise(i, j, variance * ((i == j) - unit[i] * unit[j]));
    const double n = spec_.examples[1];
    const auto mean = moments.sampleMean(n, z.data() + kSecondJoint);
    const double rate = spec_.options.stepSizes[1];
    const double deviation = rate * sigma * std::sqrt(std::max(0.0, mean[3]) / n);
    q1_ = {rate * mean[0], rate * mean[1], rate * mean[2], deviation * remainderNorm(3, z[kSecondNorm]), 0.0};
  }

  void poolDraws() {
    const double scale = mixture_.noiseLevel * std::sqrt(dot(q1_, q1_));
    const PlaneVector prompt = planeOf(q1_);
    const Stream scores(spec_.key, Sample::kRisk, Field::kScore, 0);
    const int aligned = first_ - first_ % kPooledGroup;
    const int last = first_ + draws_;
    size_t next = 0;
    pooled_.resize(terms_.size() * ((last - aligned) / kPooledBlock + 1));
    for (int begin = aligned, count; begin < last && !cancelled_; begin += count) {
      count = std::min(kPooledBlock, last - begin);
      drawScoreSums(scores, begin, count, m_, scale, cancelled_, workspace_.sums);
      for (const LabelTerm& term : terms_) {
        std::fill_n(workspace_.gaps, kPooledBlock, dot(term.mu, prompt) - dot(term.r, prompt));
        PooledDraws& draws = pooled_[next++];
        pool(mixture_, workspace_.gaps, count, workspace_.sums, draws.pooled);
        draws.begin = std::max(0, first_ - begin);
        draws.end = count;
      }
    }
    pooled_.resize(next);
  }

  // Calls visit(term, draws) for every block of pooled draws; the weight of each draw is term.probability /
  // draws_.
  template <class Visit>
  void forEachBlock(Visit visit) const {
    for (size_t i = 0; i < pooled_.size(); ++i) visit(terms_[i % terms_.size()], pooled_[i]);
  }

  LawValues finish(const Fluctuations& z) {
    double intercept = 0.0;
    const FrameVector w2 = secondHead(z, intercept);
    Readout readout = makeReadout(q1_.data(), w2.data(), 5);
    LawValues values;
    const PlaneVector prompt = planeOf(q1_);
    values.contextOverlap = dot(prompt, mixture_.contextVector());
    values.signalOverlap = dot(prompt, mixture_.signalVector());
    values.promptNorm = readout.promptNorm;
    forEachBlock([&](const LabelTerm& term, const PooledDraws& draws) {
      const Margin margin{term.y,
                          dot(term.r, readout.head),
                          dot(term.mu, readout.head),
                          readout.headAlongPrompt,
                          readout.headOrthogonal,
                          intercept};
      const double weight = term.probability / draws_;
      std::fill_n(workspace_.values, kPooledBlock, 0.0);
      addErrors(draws.pooled, draws.end, margin, weight, workspace_.values);
      for (int i = draws.begin; i < draws.end; ++i) {
        values.error += workspace_.values[i];
        values.relevantAttention += weight * draws.pooled.relevantMass[i];
      }
    });
    return values;
  }

  // Joint statistics of S3: p v in e1 … e4, p²s², v in e1 … e4, p s².
  void thirdMoments() {
    const bool residual = spec_.options.head != ThreeStepHead::kFresh;
    const FrameVector promptUnit = unitVector(q1_);
    FrameVector headUnit{};
    double acrossPrompt = 0.0;
    if (residual) {
      const FrameVector across = orthogonalPart(promptUnit, w1_);
      acrossPrompt = std::sqrt(dot(across, across));
      headUnit = unitVector(across);
    }
    JointMoments<10> moments;
    double squares = 0.0;
    const std::array<double, 3> nodes{0.0, -std::sqrt(3.0), std::sqrt(3.0)};
    const std::array<double, 3> weights{2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0};
    const int nodeCount = residual ? 3 : 1;
    const auto addDraw = [&](const LabelTerm& term, const Pooled& pooled, int i) {
      const PlaneVector plane = pooled.relevantMass[i] * term.r + pooled.irrelevantMass[i] * term.mu;
      const double variance = pooled.variance[i];
      FrameVector center{plane.e1, plane.e2, 0.0, 0.0, 0.0};
      for (int j = 0; j < 4; ++j) center[j] += pooled.alongPrompt[i] * promptUnit[j];
      const double p0 = residual ? term.y - dot(center, w1_) : term.y;
      squares += term.probability / draws_ * variance;
      for (int node = 0; node < nodeCount; ++node) {
        const double across = residual ? std::sqrt(variance) * nodes[node] : 0.0;
        const double p = p0 - across * acrossPrompt;
        std::array<double, 10> values{};
        for (int j = 0; j < 4; ++j) {
          const double v = center[j] + across * headUnit[j];
          values[j] = p * v;
          values[5 + j] = v;
        }
        values[4] = p * p * variance;
        values[9] = p * variance;
        moments.add((residual ? weights[node] : 1.0) * term.probability / draws_, values);
      }
    };
    forEachBlock([&](const LabelTerm& term, const PooledDraws& draws) {
      for (int i = draws.begin; i < draws.end; ++i) addDraw(term, draws.pooled, i);
    });
    const double own = moments.mean()[4];
    const double shared = moments.mean()[9];
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) {
        const double free = (i == j) - promptUnit[i] * promptUnit[j] - headUnit[i] * headUnit[j];
        if (j <= i) moments.addNoise(i, j, own * free);
        if (j <= i) moments.addNoise(5 + i, 5 + j, squares * free);
        moments.addNoise(5 + i, j, shared * free);
      }
    }
    third_ = moments;
    meanVariance_ = squares;
  }

  // w2 and b.
  FrameVector secondHead(const Fluctuations& z, double& intercept) const {
    const double n = spec_.examples[2];
    const auto mean = third_.sampleMean(n, z.data() + kThirdJoint);
    const double rate = spec_.options.stepSizes[2];
    const double norm = remainderNorm(4, z[kThirdNorm]) / std::sqrt(n);
    const double l11 = std::sqrt(std::max(0.0, mean[4]));
    FrameVector w2{rate * mean[0], rate * mean[1], rate * mean[2], rate * mean[3], rate * l11 * norm};
    if (spec_.options.head == ThreeStepHead::kContinued) add(1.0, w1_, w2);
    if (spec_.options.intercept) {
      const double l21 = l11 > 0.0 ? mean[9] / l11 : 0.0;
      const double l22 = std::sqrt(std::max(0.0, meanVariance_ - l21 * l21));
      const FrameVector v{mean[5], mean[6], mean[7], mean[8],
                          l21 * norm + l22 * z[kThirdBeyond] / std::sqrt(n)};
      intercept = dot(w2, v);
    }
    return w2;
  }

  const ThreeStepLawSpec& spec_;
  const Mixture& mixture_;
  const std::vector<LabelTerm> terms_;
  const int k_;
  const int m_;
  const int T_;
  const int first_;
  const int draws_;
  const std::atomic<bool>& cancelled_;
  FrameVector w1_{};
  FrameVector q1_{};
  JointMoments<10> third_;
  double meanVariance_ = 0.0;        // E s²
  std::vector<PooledDraws> pooled_;  // terms adjacent, block by block
  PoolingWorkspace workspace_;
};

}  // namespace

ThreeStepLaw threeStepLaw(const ThreeStepLawSpec& spec, const std::atomic<bool>& cancelled) {
  const LawValues whole = Trajectory(spec, 0, spec.draws, cancelled).values();
  RunningMean errors;
  for (int batch = 0; batch < kLawBatches && !cancelled; ++batch) {
    const int begin = static_cast<int>(static_cast<int64_t>(spec.draws) * batch / kLawBatches);
    const int end = static_cast<int>(static_cast<int64_t>(spec.draws) * (batch + 1) / kLawBatches);
    errors.add(Trajectory(spec, begin, end - begin, cancelled).values().error);
  }
  return {std::clamp(whole.error, 0.0, 1.0),
          errors.standardError(),
          whole.contextOverlap,
          whole.signalOverlap,
          whole.promptNorm,
          std::clamp(whole.relevantAttention, 0.0, 1.0)};
}

void populationGradient(const Mixture& mixture, const double* w, double* headGradient,
                        double* promptGradient) {
  const int d = mixture.dimension;
  const double T = mixture.tokens;
  const double zeta = mixture.relevantTokens / T;
  const double sigma2 = mixture.noiseLevel * mixture.noiseLevel;
  const double pooledVariance = sigma2 * (1.0 - zeta) / T;
  const PlaneVector head{w[0], d > 1 ? w[1] : 0.0};
  const double squaredNorm = dot(w, w, d);
  PlaneVector headPlane{0.0, 0.0};
  PlaneVector promptPlane{0.0, 0.0};
  double alongHead = 0.0;
  for (const LabelTerm& term : labelTerms(mixture)) {
    const PlaneVector u = zeta * term.r + (1.0 - zeta) * term.mu;
    const PlaneVector difference = term.r + -1.0 * term.mu;
    const double D = dot(difference, head);
    const double e = term.y - dot(u, head);
    headPlane = headPlane + (term.probability * term.y) * u;
    promptPlane =
        promptPlane +
        (term.probability * (e * zeta * (1.0 - zeta) * D + zeta * pooledVariance * squaredNorm)) * difference;
    alongHead += term.probability * (e * sigma2 * (1.0 - zeta) * (1.0 - 1.0 / T) + zeta * pooledVariance * D);
  }
  for (int j = 0; j < d; ++j) {
    headGradient[j] = 0.0;
    promptGradient[j] = alongHead * w[j];
  }
  headGradient[0] = headPlane.e1;
  promptGradient[0] += promptPlane.e1;
  if (d > 1) {
    headGradient[1] = headPlane.e2;
    promptGradient[1] += promptPlane.e2;
  }
}

}  // namespace prompt_attention
