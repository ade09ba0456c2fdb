#include "core/dynamics/three_step_limit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/running_mean.h"
#include "core/test_error/readout_errors.h"
#include "core/trials/three_step_large.h"

namespace prompt_attention {

namespace {

constexpr double kBatches = kLimitBatches;
constexpr uint64_t kPilotTrial = uint64_t{1} << 40;

// Weighted errors of test draws, kept relative to the first that is not 0.
class Sums {
 public:
  void add(double value) {
    sum_ += value;
    squares_ += value * value;
    ++count_;
  }
  double mean() const { return sum_ / count_; }
  double sum() const { return sum_; }
  double squares() const { return squares_; }

 private:
  double sum_ = 0.0;
  double squares_ = 0.0;
  double count_ = 0.0;
};

ThreeStepLaw limitFrom(const ThreeStepLawSpec& spec, int draws, const std::atomic<bool>& cancelled) {
  const Mixture& mixture = spec.mixture;
  const LargeSampleSpec large{mixture, spec.examples, spec.options, false, spec.key};
  LargeSampleSteps steps(large, cancelled);
  const FrameVector w1 = steps.firstHead(0);
  const FrameVector q1 = steps.firstPrompt(0, w1);
  std::vector<LargeSampleSteps::Statistics> means;
  LargeSampleSteps::Statistics total{};
  for (int batch = 0; batch < kLimitBatches; ++batch) {
    steps.startBatch(batch, draws);
    if (cancelled) return {};
    means.push_back(steps.baseMeans());
    for (size_t j = 0; j < total.size(); ++j) total[j] += means.back()[j];
  }
  // The head from all batches, then those without one.
  std::vector<Readout> readouts;
  for (int without = -1; without < kLimitBatches; ++without) {
    LargeSampleSteps::Statistics mean;
    for (size_t j = 0; j < total.size(); ++j)
      mean[j] = without < 0 ? total[j] / kBatches : (total[j] - means[without][j]) / (kBatches - 1.0);
    const SecondHead head = steps.headAt(w1, q1, mean);
    readouts.push_back(makeReadout(q1.data(), head.w2.data(), kFrameAxes));
    readouts.back().intercept = head.intercept;
  }

  ReadoutErrors errors(mixture, cancelled);
  const auto scores = [&](uint64_t batch) { return Stream(spec.key, Sample::kTest, Field::kScore, batch); };
  errors.choose({readouts[0]}, scores(kPilotTrial));
  const int testDraws = (draws / 8 + kLadderPeriod) / kLadderPeriod * kLadderPeriod;
  std::vector<Sums> sums(readouts.size());  // over all batches but the one left out
  RunningMean attention;
  double scale = 0.0;
  alignas(64) double values[kPooledBlock];
  for (int batch = 0; batch < kLimitBatches; ++batch) {
    double mass = 0.0;
    for (int first = 0, count; first < testDraws && !cancelled; first += count) {
      count = std::min(kPooledBlock, testDraws - first);
      errors.draw(scores(batch), first, count, readouts[0].promptNorm);
      for (int h = 0; h <= kLimitBatches; ++h) {
        if (h == batch + 1) continue;
        errors.errors(readouts[h], count, values);
        if (scale == 0.0) scale = *std::max_element(values, values + count);
        for (int i = 0; i < count; ++i)
          sums[h].add(errors.weights()[i] * (scale > 0.0 ? values[i] / scale : values[i]));
      }
    }
    for (int first = 0, count; first < testDraws && !cancelled; first += count) {
      count = std::min(kPooledBlock, testDraws - first);
      mass += errors.relevantMass(readouts[0], scores(batch), first, count);
    }
    attention.add(mass / testDraws);
  }
  if (cancelled) return {};
  double mean = 0.0;
  for (int h = 1; h <= kLimitBatches; ++h) mean += sums[h].mean() / kBatches;
  double squares = 0.0;
  for (int h = 1; h <= kLimitBatches; ++h) squares += (sums[h].mean() - mean) * (sums[h].mean() - mean);
  // Student's interval with 31 degrees of freedom is ±1.96 of these.
  constexpr double kStudent = 1.0 + 1.21 / (kBatches - 1.0);
  const double error = sums[0].mean();
  const double standardError = kStudent * std::sqrt((kBatches - 1.0) / kBatches * squares);
  const double bias = (kBatches - 1.0) * (mean - error);
  const bool isCorrected = error - bias > 0.0;
  ThreeStepLaw law{};
  const double unit = scale > 0.0 ? scale : 1.0;
  law.error = unit * (isCorrected ? std::min(error - bias, 1.0 / unit) : error);
  law.standardError = unit * standardError;
  // Without noise nothing is drawn that matters.
  const bool isExact = mixture.isNoiseless();
  law.effectiveDraws = isExact                   ? std::numeric_limits<double>::infinity()
                       : sums[0].squares() > 0.0 ? sums[0].sum() / sums[0].squares() * sums[0].sum()
                                                 : 0.0;
  law.reliable = isExact || (law.effectiveDraws >= kLeastEffectiveDraws && isCorrected &&
                             std::abs(bias) <= std::max(kLargestBias * error, standardError));
  law.contextOverlap = dot(readouts[0].prompt, mixture.contextVector());
  law.signalOverlap = dot(readouts[0].prompt, mixture.signalVector());
  law.promptNorm = readouts[0].promptNorm;
  law.relevantAttention = attention.mean();
  law.relevantAttentionStandardError = kStudent * attention.standardError();
  return law;
}

}  // namespace

ThreeStepLaw threeStepLimit(const ThreeStepLawSpec& spec, const std::atomic<bool>& cancelled) {
  constexpr int64_t kMost = std::numeric_limits<int>::max() / 2;
  ThreeStepLaw law{};
  for (int64_t draws = spec.draws;; draws *= 2) {
    law = limitFrom(spec, static_cast<int>(draws), cancelled);
    const bool isLast = 2 * draws > std::min<int64_t>(kMost, int64_t{spec.draws} * kMostLimitDrawsMore);
    if (law.reliable || isLast || cancelled || !std::isfinite(law.error)) return law;
  }
}

}  // namespace prompt_attention
