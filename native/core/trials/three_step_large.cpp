#include "core/trials/three_step_large.h"

#include <algorithm>
#include <cmath>

namespace prompt_attention {

namespace {

// Quadrature for the standard normal law: exact for polynomials of degree 9.
constexpr std::array<double, 5> kNormalNodes{-2.8569700138728056, -1.3556261799742659, 0.0,
                                             1.3556261799742659, 2.8569700138728056};
constexpr std::array<double, 5> kNormalWeights{0.011257411327720689, 0.22207592200561266, 0.53333333333333333,
                                               0.22207592200561266, 0.011257411327720689};
// And for degree 5: residuals are linear in the noise along w1, the statistics of degree 2, their products 4.
constexpr std::array<double, 3> kResidualNodes{0.0, -1.7320508075688772, 1.7320508075688772};
constexpr std::array<double, 3> kResidualWeights{2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0};

// Where the normals of each use begin in a summary stream; the first nine are three_step_projected.cpp's.
constexpr uint64_t kMeanNormals = 16;
constexpr uint64_t kBaseNormals = 32;
constexpr uint64_t kDifferenceNormals = 48;

}  // namespace

double LargeSampleSteps::remainderNorm(Sample sample, int j, uint64_t trial, bool fluctuates) const {
  if (!spec_.fluctuations) return std::sqrt(static_cast<double>(mixture_.dimension));
  if (!fluctuates) return std::sqrt(static_cast<double>(mixture_.dimension - j));
  return drawChi(mixture_.dimension - j, Stream(spec_.key, sample, Field::kSummaryNorm, trial),
                 Stream(spec_.key, sample, Field::kSummaryUniform, trial));
}

FrameVector LargeSampleSteps::firstHead(uint64_t trial, bool fluctuates) const {
  JointMoments<2> moments;
  for (const LabelTerm& term : terms_) {
    const PlaneVector u = (term.observed * k_ / T_) * term.r + (term.observed * m_ / T_) * term.mu;
    moments.add(term.probability, {u.e1, u.e2});
  }
  const double n = spec_.examples[0];
  const double rate = spec_.options.stepSizes[0];
  const double deviation = mixture_.noiseLevel * std::sqrt(m_ / n) / T_;
  std::array<double, 2> mean = moments.mean();
  if (fluctuates) {
    const Stream stream = summary(Sample::kTraining, trial);
    double z[2];
    double noise[2];
    stream.normals(0, 2, noise);
    stream.normals(kMeanNormals, 2, z);
    const auto change = moments.fluctuation(1.0 / std::sqrt(n), z);
    for (int j = 0; j < 2; ++j) mean[j] += change[j] + deviation * noise[j];
  }
  return {rate * mean[0], rate * mean[1],
          rate * deviation * remainderNorm(Sample::kTraining, 2, trial, fluctuates), 0.0, 0.0};
}

FrameVector LargeSampleSteps::firstPrompt(uint64_t trial, const FrameVector& w1, bool fluctuates) const {
  const double sigma = mixture_.noiseLevel;
  const FrameVector unit = unitVector(w1);
  const double scale = sigma * std::sqrt(dot(w1, w1));
  const PlaneVector head = planeOf(w1);
  JointMoments<4> moments;
  for (const LabelTerm& term : terms_) {
    const double relevant = dot(term.r, head);
    const double irrelevant = dot(term.mu, head);
    for (size_t node = 0; node < kNormalNodes.size(); ++node) {
      const double sum = std::sqrt(static_cast<double>(m_)) * kNormalNodes[node];
      const double pooled = (k_ * relevant + m_ * irrelevant + scale * sum) / T_;
      const double e = term.observed - pooled;
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
  const double n = spec_.examples[1];
  const double rate = spec_.options.stepSizes[1];
  std::array<double, 4> mean = moments.mean();
  FrameVector noise{};
  if (fluctuates) {
    const Stream stream = summary(Sample::kSecond, trial);
    double z[4];
    stream.normals(kMeanNormals, 4, z);
    const auto change = moments.fluctuation(1.0 / std::sqrt(n), z);
    for (int j = 0; j < 4; ++j) mean[j] += change[j];
    stream.normals(0, 3, noise.data());
    removeAlong(unit, noise);
  }
  const double deviation = sigma * std::sqrt(std::max(0.0, mean[3]) / n);
  FrameVector q1{mean[0], mean[1], mean[2], 0.0, 0.0};
  add(deviation, noise, q1);
  q1[3] = deviation * remainderNorm(Sample::kSecond, 3, trial, fluctuates);
  for (double& coordinate : q1) coordinate *= rate;
  return q1;
}

LargeSampleSteps::Point LargeSampleSteps::pointAt(const FrameVector& w1, const FrameVector& q1) const {
  Point point{w1, q1, unitVector(q1), {}, 0.0};
  if (spec_.options.head != ThreeStepHead::kFresh) {
    const FrameVector across = orthogonalPart(point.promptUnit, w1);
    point.acrossPrompt = std::sqrt(dot(across, across));
    point.headUnit = unitVector(across);
  }
  return point;
}

// Of one example.
LargeSampleSteps::Statistics LargeSampleSteps::statistics(const Point& point, const LabelTerm& term,
                                                          const Pooled& pooled, int i, int node) const {
  const bool residual = spec_.options.head != ThreeStepHead::kFresh;
  const double variance = pooled.variance[i];
  FrameVector v{};
  add(pooled.relevantMass[i] * term.r + pooled.irrelevantMass[i] * term.mu, v);
  add(pooled.alongPrompt[i], point.promptUnit, v);
  double p = term.observed;
  if (residual) {
    add(std::sqrt(variance) * kResidualNodes[node], point.headUnit, v);
    p -= dot(v, point.w1);
  }
  Statistics values{};
  for (int j = 0; j < 4; ++j) {
    values[j] = p * v[j];
    values[5 + j] = v[j];
  }
  values[4] = p * p * variance;
  values[9] = p * variance;
  values[10] = variance;
  return values;
}

// Calls visit(weight, statistics) for every label, atom and node of the first `draws` draws of the batch; the
// weights sum to `draws`.
template <class Visit>
void LargeSampleSteps::forEachDraw(const Point& point, int draws, Visit visit) {
  const double scale = mixture_.noiseLevel * std::sqrt(dot(point.q1, point.q1));
  const PlaneVector prompt = planeOf(point.q1);
  const Stream scores(spec_.key, Sample::kRisk, Field::kScore, batch_);
  for (int begin = 0, count; begin < draws && !cancelled_; begin += count) {
    count = std::min(kPooledBlock, draws - begin);
    drawScoreSums(scores, begin, count, m_, scale, cancelled_, workspace_.sums);
    for (const LabelTerm& term : terms_) {
      std::fill_n(workspace_.gaps, kPooledBlock, dot(term.mu, prompt) - dot(term.r, prompt));
      pool(mixture_, workspace_.gaps, count, workspace_.sums, workspace_.pooled);
      for (int i = 0; i < count; ++i)
        for (int node = 0; node < nodes(); ++node)
          visit(term.probability * (nodes() == 1 ? 1.0 : kResidualWeights[node]),
                statistics(point, term, workspace_.pooled, i, node));
    }
  }
}

void LargeSampleSteps::startBatch(uint64_t batch, int draws) {
  batch_ = batch;
  draws_ = draws;
  const FrameVector w1 = firstHead(0, false);
  const Point point = pointAt(w1, firstPrompt(0, w1, false));
  base_ = {};
  forEachDraw(point, draws, [this](double weight, const Statistics& values) { base_.add(weight, values); });
  common_.clear();
  if (!spec_.fluctuations) return;
  forEachDraw(point, kInnerDraws, [this](double, const Statistics& values) { common_.push_back(values); });
}

std::array<SecondHead, 2> LargeSampleSteps::secondHeads(uint64_t trial, const FrameVector& w1,
                                                        const FrameVector& q1) {
  const Point point = pointAt(w1, q1);
  const Stream stream = summary(Sample::kThird, trial);
  const double n = spec_.examples[2];
  const double left = 1.0 / n;
  double z[kStatistics];
  double again[kStatistics];
  stream.normals(kBaseNormals, kStatistics, again);
  Statistics mean = base_.mean();
  Statistics extra = base_.fluctuation(1.0 / std::sqrt(static_cast<double>(draws_)), again);
  if (1.0 / draws_ <= left) extra = {};
  ThirdMoments here;
  ThirdMoments difference;
  size_t next = 0;
  forEachDraw(point, kInnerDraws, [&](double weight, const Statistics& values) {
    here.add(weight, values);
    Statistics change;
    for (int j = 0; j < kStatistics; ++j) change[j] = values[j] - common_[next][j];
    difference.add(weight, change);
    ++next;
  });
  stream.normals(kMeanNormals, kStatistics, z);
  stream.normals(kDifferenceNormals, kStatistics, again);
  const auto fluctuation = here.fluctuation(std::sqrt(std::max(0.0, left - 1.0 / draws_)), z);
  const auto noise = difference.fluctuation(1.0 / std::sqrt(static_cast<double>(kInnerDraws)), again);
  for (int j = 0; j < kStatistics; ++j) {
    mean[j] += difference.mean()[j] + fluctuation[j];
    extra[j] += noise[j];
  }
  Statistics noisier = mean;
  for (int j = 0; j < kStatistics; ++j) noisier[j] += extra[j];
  return {headFrom(trial, point, mean), headFrom(trial, point, noisier)};
}

// w2 and b given the means over S3: the noise is that of three_step_projected.h.
SecondHead LargeSampleSteps::headFrom(uint64_t trial, const Point& point, const Statistics& mean) const {
  const double n = spec_.examples[2];
  const double rate = spec_.options.stepSizes[2];
  const double norm = remainderNorm(Sample::kThird, 4, trial, spec_.fluctuations) / std::sqrt(n);
  const double l11 = std::sqrt(std::max(0.0, mean[4]));
  const double l21 = l11 > 0.0 ? mean[9] / l11 : 0.0;
  const double l22 = std::sqrt(std::max(0.0, mean[10] - l21 * l21));
  FrameVector P{mean[0], mean[1], mean[2], mean[3], l11 * norm};
  FrameVector M{mean[5], mean[6], mean[7], mean[8], l21 * norm};
  if (spec_.fluctuations) {
    double z[9];
    summary(Sample::kThird, trial).normals(0, 9, z);
    FrameVector own{z[0], z[1], z[2], z[3], 0.0};
    FrameVector other{z[4], z[5], z[6], z[7], 0.0};
    for (FrameVector* noise : {&own, &other}) {
      removeAlong(point.promptUnit, *noise);
      removeAlong(point.headUnit, *noise);
    }
    other[4] = z[8];
    add(l11 / std::sqrt(n), own, P);
    add(l21 / std::sqrt(n), own, M);
    add(l22 / std::sqrt(n), other, M);
  }
  SecondHead head{};
  add(rate, P, head.w2);
  if (spec_.options.head == ThreeStepHead::kContinued) add(1.0, point.w1, head.w2);
  if (spec_.options.intercept) head.intercept = dot(head.w2, M);
  return head;
}

}  // namespace prompt_attention
