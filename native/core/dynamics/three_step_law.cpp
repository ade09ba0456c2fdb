#include "core/dynamics/three_step_law.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/base/running_mean.h"
#include "core/dynamics/three_step_limit.h"
#include "core/test_error/readout_errors.h"
#include "core/trials/three_step_large.h"
#include "core/trials/three_step_projected.h"

namespace prompt_attention {

namespace {

// Work is counted in scores: what an example costs beside them, its label alone, and a value of the moments.
constexpr double kExampleWork = 16.0;
constexpr double kLabelWork = 4.0;
constexpr double kMomentWork = 64.0;
// Larger samples are not drawn.
constexpr double kLargestDrawnSample = 5e6;
constexpr double kWorkPerDraw = 25'000.0;
// Trajectories are a power of two times this, so that a little more work does not change them.
constexpr int kLeastTrajectories = 64;
constexpr int kMostTrajectories = 1 << 20;
constexpr int kBatches = 32;
constexpr int kPilots = 16;
constexpr int kProbes = 512;
// Trajectories whose numbers nothing else uses.
constexpr uint64_t kPilotTrial = uint64_t{1} << 40;
constexpr uint64_t kProbeTrial = uint64_t{1} << 41;

struct Values {
  double error = 0.0;
  double noisierError = 0.0;  // with the noise of the moments twice (three_step_large.h)
  double contextOverlap = 0.0;
  double signalOverlap = 0.0;
  double promptNorm = 0.0;
  double relevantAttention = 0.0;
};
constexpr double Values::*kFields[] = {&Values::error,          &Values::noisierError,
                                       &Values::contextOverlap, &Values::signalOverlap,
                                       &Values::promptNorm,     &Values::relevantAttention};

double normalTailOf(double x) {
  return 0.5 * std::erfc(x * M_SQRT1_2);
}

// x with normalTailOf(x) = p, p in (0, ½].
double normalQuantile(double p) {
  double low = 0.0;
  double high = 40.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (normalTailOf(middle) > p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// Trajectories of one setting, one by one.
// Its fields stand in the order in which they are made of one another.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
class Trajectories {
 public:
  Trajectories(const ThreeStepLawSpec& spec, const std::atomic<bool>& cancelled)
      : spec_(spec),
        cancelled_(cancelled),
        m_(spec.mixture.irrelevantTokens()),
        large_{spec.mixture, spec.examples, spec.options, true, spec.key},
        projected_{spec.mixture, spec.examples, spec.options, Method::kProjected, 1, spec.key},
        steps_(large_, cancelled),
        errors_(spec.mixture, cancelled) {
    const auto& n = spec.examples;
    const double work[] = {n[0] * kLabelWork, n[1] * (m_ + kExampleWork), n[2] * (m_ + kExampleWork)};
    work_ = 0.0;
    for (int step = 0; step < 3; ++step) {
      draws_[step] = work[step] <= kLargestDrawnSample;
      if (draws_[step]) work_ += work[step];
    }
    testDraws_ = n[1] + static_cast<double>(n[2]) < 2048.0 ? 64 : 256;
    const double values =
        labelTerms(spec.mixture).size() * (spec.options.head == ThreeStepHead::kFresh ? 1.0 : 3.0);
    const double momentWork = m_ + kMomentWork * values;
    if (!draws_[2]) work_ += kInnerDraws * momentWork;
    work_ += testDraws_ * (m_ + kExampleWork);
    double count = kLeastTrajectories;
    const double most =
        std::min({spec.draws / 4.0, spec.draws * kWorkPerDraw / work_, 1.0 * kMostTrajectories});
    while (2.0 * count <= most) count *= 2.0;
    count_ = static_cast<int>(count);
    perBatch_ = draws_[2] ? 1 : count_ / kBatches;
    double base = kInnerDraws;
    while (base < 4.0 * n[2] && 2.0 * base * kBatches * momentWork <= 0.5 * spec.draws * kWorkPerDraw)
      base *= 2.0;
    baseDraws_ = static_cast<int>(base);
  }

  int count() const { return count_; }
  // Trajectories that share random numbers: they are adjacent.
  int perBatch() const { return perBatch_; }

  // Chooses how scores are drawn. Until then they are drawn plainly.
  void pilot() {
    if (spec_.mixture.isNoiseless()) return;
    std::vector<Readout> readouts;
    for (int i = 0; i < kPilots && !cancelled_; ++i) {
      if (!draws_[2] && i == 0) steps_.startBatch(kPilotTrial, kInnerDraws);
      readouts.push_back(trajectory(kPilotTrial + i)[0]);
    }
    errors_.choose(readouts, scores(kPilotTrial));
  }

  Values values(uint64_t trial) {
    if (!draws_[2] && trial % perBatch_ == 0) steps_.startBatch(trial, baseDraws_);
    const std::array<Readout, 2> readouts = trajectory(trial);
    Values values;
    values.contextOverlap = dot(readouts[0].prompt, spec_.mixture.contextVector());
    values.signalOverlap = dot(readouts[0].prompt, spec_.mixture.signalVector());
    values.promptNorm = readouts[0].promptNorm;
    double attention = 0.0;
    double* errors = workspace_.pooling.values;
    const auto mean = [&](int count) {
      double sum = 0.0;
      for (int i = 0; i < count; ++i) sum += errors_.weights()[i] * errors[i];
      return sum / testDraws_;
    };
    for (int first = 0, count; first < testDraws_ && !cancelled_; first += count) {
      count = std::min(kPooledBlock, testDraws_ - first);
      errors_.draw(scores(trial), first, count, readouts[0].promptNorm);
      errors_.errors(readouts[0], count, errors);
      values.error += mean(count);
      if (draws_[2]) continue;
      errors_.errors(readouts[1], count, errors);
      values.noisierError += mean(count);
    }
    for (int first = 0, count; first < testDraws_ && !cancelled_; first += count) {
      count = std::min(kPooledBlock, testDraws_ - first);
      attention += errors_.relevantMass(readouts[0], scores(trial), first, count);
    }
    if (draws_[2]) values.noisierError = values.error;
    values.relevantAttention = attention / testDraws_;
    return values;
  }

 private:
  Stream scores(uint64_t trial) const { return Stream(spec_.key, Sample::kTest, Field::kScore, trial); }

  // Readouts of the trajectory, and of the one with the noise of the moments twice.
  std::array<Readout, 2> trajectory(uint64_t trial) {
    const FrameVector w1 =
        draws_[0] ? projectFirstHead(projected_, trial, cancelled_, workspace_) : steps_.firstHead(trial);
    const FrameVector q1 = draws_[1] ? projectFirstPrompt(projected_, trial, w1, cancelled_, workspace_)
                                     : steps_.firstPrompt(trial, w1);
    std::array<SecondHead, 2> heads;
    if (draws_[2]) {
      heads[0].w2 = projectSecondHead(projected_, trial, w1, q1, cancelled_, workspace_, heads[0].intercept);
      heads[1] = heads[0];
    } else {
      heads = steps_.secondHeads(trial, w1, q1);
    }
    std::array<Readout, 2> readouts;
    for (int i = 0; i < 2; ++i) {
      readouts[i] = makeReadout(q1.data(), heads[i].w2.data(), kFrameAxes);
      readouts[i].intercept = heads[i].intercept;
    }
    return readouts;
  }

  const ThreeStepLawSpec& spec_;
  const std::atomic<bool>& cancelled_;
  const int m_;
  const LargeSampleSpec large_;
  const ThreeStepSpec projected_;
  LargeSampleSteps steps_;
  std::array<bool, 3> draws_{};  // which samples are drawn
  double work_;
  int testDraws_;
  int count_;
  int perBatch_;
  int baseDraws_;
  ReadoutErrors errors_;
  ThreeStepWorkspace workspace_;
};

// Means over trajectories.
class Averages {
 public:
  explicit Averages(int perBatch) : perBatch_(perBatch) {}
  void add(const Values& values) {
    errors_.push_back(values.error);
    if (errors_.size() % perBatch_ == 1 || perBatch_ == 1) batch_ = {};
    for (double Values::*field : kFields) batch_.*field += values.*field / perBatch_;
    if (errors_.size() % perBatch_ == 0) batches_.push_back(batch_);
  }
  size_t size() const { return errors_.size(); }

  // Mean and standard error; the interval ±1.96 standard errors is Student's.
  void read(double Values::*field, double& mean, double& standardError) const {
    double largest = 0.0;
    for (const Values& batch : batches_) largest = std::max(largest, std::abs(batch.*field));
    RunningMean running;
    for (const Values& batch : batches_) running.add(largest > 0.0 ? batch.*field / largest : batch.*field);
    mean = largest > 0.0 ? largest * running.mean() : running.mean();
    const double degrees = static_cast<double>(batches_.size()) - 1.0;
    standardError = largest * running.standardError() * (1.0 + 1.21 / degrees);
  }

  double effectiveTrajectories() const {
    const double largest = *std::max_element(errors_.begin(), errors_.end());
    if (!(largest > 0.0)) return 0.0;
    double sum = 0.0;
    double squares = 0.0;
    for (const double error : errors_) {
      sum += error / largest;
      squares += error / largest * (error / largest);
    }
    return sum * sum / squares;
  }

  // What trajectories too rare for `seen` of them add to the mean error, judged from these, whose
  // fluctuations are twice as large. An event that has the probability Φ(−a/2) here has about Φ(−a) there.
  double rarePart(double seen) const {
    std::vector<double> errors = errors_;
    std::sort(errors.begin(), errors.end(), std::greater<>());
    double sum = 0.0;
    for (size_t i = 0; 2 * (i + 1) < errors.size(); ++i) {
      const double here = static_cast<double>(i + 1) / static_cast<double>(errors.size());
      const double there = normalTailOf(2.0 * normalQuantile(here));
      if (there * seen > 3.0) break;
      sum += there * (errors[i] - errors[i + 1]);
    }
    return sum;
  }

 private:
  const int perBatch_;
  Values batch_;
  std::vector<Values> batches_;
  std::vector<double> errors_;
};

// The same setting with a quarter of the examples and of the dimension: all fluctuations are twice as large.
ThreeStepLawSpec probeOf(const ThreeStepLawSpec& spec) {
  ThreeStepLawSpec probe = spec;
  probe.mixture.dimension = std::max(kLeastProjectedDimension, spec.mixture.dimension / 4);
  for (int& n : probe.examples) n = std::max(1, n / 4);
  return probe;
}

}  // namespace

ThreeStepLaw threeStepLaw(const ThreeStepLawSpec& spec, const std::atomic<bool>& cancelled) {
  if (!spec.fluctuations) return threeStepLimit(spec, cancelled);
  ThreeStepLaw law{};
  Trajectories trajectories(spec, cancelled);
  trajectories.pilot();
  Averages averages(trajectories.perBatch());
  const auto drawUpTo = [&](size_t count) {
    while (averages.size() < count && !cancelled) averages.add(trajectories.values(averages.size()));
  };
  drawUpTo(trajectories.count());
  if (cancelled) return law;
  Averages probes(1);
  const ThreeStepLawSpec probe = probeOf(spec);
  Trajectories rare(probe, cancelled);
  const size_t probeCount = std::min(kProbes, trajectories.count());
  while (probes.size() < probeCount && !cancelled) probes.add(rare.values(kProbeTrial + probes.size()));
  const size_t most = trajectories.count() * size_t{kMostTrajectoriesMore};
  for (;; drawUpTo(2 * averages.size())) {
    if (cancelled) return law;
    double noisier;
    double noisierStandardError;
    averages.read(&Values::error, law.error, law.standardError);
    averages.read(&Values::noisierError, noisier, noisierStandardError);
    if (!std::isfinite(law.error)) break;
    const double bias = std::abs(noisier - law.error);
    law.effectiveDraws = averages.effectiveTrajectories();
    const double missed = probes.rarePart(static_cast<double>(averages.size()));
    law.reliable = law.effectiveDraws >= kLeastEffectiveTrajectories &&
                   missed <= std::max(kLargestRareShare * law.error, 0.5 * law.standardError);
    const bool isBiased = bias > std::max(kLargestBias * law.error, law.standardError);
    law.standardError = std::hypot(law.standardError, bias);
    if (law.reliable || averages.size() >= most) {
      law.reliable = law.reliable && !isBiased;
      break;
    }
  }
  // A mean of weighted draws may pass 1.
  law.error = std::min(law.error, 1.0);
  averages.read(&Values::contextOverlap, law.contextOverlap, law.contextOverlapStandardError);
  averages.read(&Values::signalOverlap, law.signalOverlap, law.signalOverlapStandardError);
  averages.read(&Values::promptNorm, law.promptNorm, law.promptNormStandardError);
  averages.read(&Values::relevantAttention, law.relevantAttention, law.relevantAttentionStandardError);
  return law;
}

}  // namespace prompt_attention
