#include "core/three_step_law.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/blas.h"
#include "core/running_mean.h"
#include "core/score_ladder.h"
#include "core/test_error.h"
#include "core/three_step_large.h"
#include "core/three_step_projected.h"

namespace prompt_attention {

namespace {

// Work is counted in scores: what an example costs beside them, at its label, and in all.
constexpr double kExampleWork = 16.0;
constexpr double kLabelWork = 4.0;
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
constexpr size_t kFieldCount = std::size(kFields);

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
class Trajectories {
 public:
  Trajectories(const ThreeStepLawSpec& spec, const std::atomic<bool>& cancelled)
      : spec_(spec),
        cancelled_(cancelled),
        m_(spec.mixture.irrelevantTokens()),
        large_{spec.mixture, spec.examples, spec.options, spec.fluctuations, spec.key},
        projected_{spec.mixture, spec.examples, spec.options, Method::kProjected, 1, spec.key},
        steps_(large_, cancelled) {
    const auto& n = spec.examples;
    const double work[] = {n[0] * kLabelWork, n[1] * (m_ + kExampleWork), n[2] * (m_ + kExampleWork)};
    work_ = 0.0;
    for (int step = 0; step < 3; ++step) {
      draws_[step] = spec.fluctuations && work[step] <= kLargestDrawnSample;
      if (draws_[step]) work_ += work[step];
    }
    testDraws_ = n[1] + static_cast<double>(n[2]) < 2048.0 ? 64 : 256;
    if (!spec.fluctuations) testDraws_ = (spec.draws + 7) / 8;
    testDraws_ = (testDraws_ + kLadderPeriod - 1) / kLadderPeriod * kLadderPeriod;
    if (!draws_[2]) work_ += kInnerDraws * (m_ + kExampleWork * 4);
    work_ += testDraws_ * (m_ + kExampleWork);
    double count = kLeastTrajectories;
    const double most =
        std::min({spec.draws / 4.0, spec.draws * kWorkPerDraw / work_, 1.0 * kMostTrajectories});
    while (2.0 * count <= most) count *= 2.0;
    count_ = spec.fluctuations ? static_cast<int>(count) : kBatches;
    perBatch_ = draws_[2] ? 1 : count_ / kBatches;
    double base = kInnerDraws;
    while (base < 4.0 * n[2] &&
           2.0 * base * kBatches * (m_ + kExampleWork) <= 0.5 * spec.draws * kWorkPerDraw)
      base *= 2.0;
    baseDraws_ = spec.fluctuations ? static_cast<int>(base) : spec.draws;
  }

  int count() const { return count_; }
  // Trajectories that share random numbers: they are adjacent.
  int perBatch() const { return perBatch_; }
  // Whether no mean is replaced by its normal law.
  bool isExact() const { return draws_[0] && draws_[1] && draws_[2]; }

  // Chooses how scores are drawn. Until then they are drawn plainly.
  void pilot() {
    if (spec_.mixture.isNoiseless()) return;
    LadderWorkspace scratch;
    std::vector<Readout> readouts;
    std::vector<double> errors;
    double seen = 0.0;
    double seenSquares = 0.0;
    double unseen = 0.0;
    double unseenSquares = 0.0;
    for (int i = 0; i < kPilots && !cancelled_; ++i) {
      if (!draws_[2] && i == 0) steps_.startBatch(kPilotTrial, std::min(baseDraws_, 4 * kInnerDraws));
      const Readout readout = trajectory(kPilotTrial + i)[0];
      if (readout.promptNorm == 0.0 || !std::isfinite(readout.headOrthogonal)) continue;
      const double c = spec_.mixture.noiseLevel * readout.promptNorm;
      ScoreSums& sums = pooling_.sums;
      drawScoreSums(scores(kPilotTrial + i), 0, kPooledBlock, m_, c, cancelled_, sums);
      alignas(64) double values[kPooledBlock];
      conditionalErrors(readout, sums, kPooledBlock, values, nullptr);
      double error = 0.0;
      for (const double value : values) {
        error += value / kPooledBlock;
        seenSquares += value * value / kPooledBlock;
      }
      const UnseenMoments more = unseenMoments(sums, kPooledBlock, m_, c, valuesOf(readout), scratch);
      seen += error;
      unseen += more.power[0];
      unseenSquares += more.power[1];
      readouts.push_back(readout);
      errors.push_back(error + more.power[0]);
    }
    if (readouts.empty()) return;
    if (unseen <= kUnseenShare * seen && unseenSquares <= kUnseenShare * seenSquares && seenSquares > 1e-280)
      return;
    // The trajectory that is most like the mean.
    const double mean = (seen + unseen) / static_cast<double>(errors.size());
    size_t typical = 0;
    for (size_t i = 1; i < errors.size(); ++i)
      if (std::abs(errors[i] - mean) < std::abs(errors[typical] - mean)) typical = i;
    const Readout& readout = readouts[typical];
    ladder_ = buildLadder(scores(kPilotTrial), m_, spec_.mixture.noiseLevel * readout.promptNorm,
                          valuesOf(readout), cancelled_, scratch);
  }

  Values values(uint64_t trial) {
    if (!draws_[2] && trial % perBatch_ == 0) steps_.startBatch(trial, baseDraws_);
    const std::array<Readout, 2> readouts = trajectory(trial);
    Values values;
    values.contextOverlap = dot(readouts[0].prompt, spec_.mixture.contextVector());
    values.signalOverlap = dot(readouts[0].prompt, spec_.mixture.signalVector());
    values.promptNorm = readouts[0].promptNorm;
    const double c = spec_.mixture.noiseLevel * readouts[0].promptNorm;
    const bool laddered = !ladder_.components.empty();
    double attention = 0.0;
    double weight = 0.0;
    for (int first = 0, count; first < testDraws_ && !cancelled_; first += count) {
      count = std::min(kPooledBlock, testDraws_ - first);
      if (laddered) {
        drawLadderSums(scores(trial), first, count, m_, c, ladder_, cancelled_, scratch_, pooling_.sums,
                       scratch_.weights);
      } else {
        drawScoreSums(scores(trial), first, count, m_, c, cancelled_, pooling_.sums);
        std::fill_n(scratch_.weights, kPooledBlock, 1.0);
      }
      conditionalErrors(readouts[0], pooling_.sums, count, pooling_.values, [&](double probability) {
        for (int i = 0; i < count; ++i)
          attention += probability * scratch_.weights[i] * pooling_.pooled.relevantMass[i];
      });
      for (int i = 0; i < count; ++i) {
        weight += scratch_.weights[i];
        values.error += scratch_.weights[i] * pooling_.values[i] / testDraws_;
      }
      if (draws_[2]) continue;
      conditionalErrors(readouts[1], pooling_.sums, count, pooling_.values, nullptr);
      for (int i = 0; i < count; ++i)
        values.noisierError += scratch_.weights[i] * pooling_.values[i] / testDraws_;
    }
    if (draws_[2]) values.noisierError = values.error;
    values.relevantAttention = attention / weight;
    return values;
  }

 private:
  static constexpr double kUnseenShare = 1e-3;

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

  // Errors given the scores, summed over labels and atoms, into errors[kPooledBlock]; calls
  // visit(probability) after each (y, δ), when pooling_.pooled holds its masses.
  void conditionalErrors(const Readout& readout, const ScoreSums& sums, int count, double* errors,
                         const std::function<void(double)>& visit) {
    std::fill_n(errors, kPooledBlock, 0.0);
    labelTable(spec_.mixture, pooling_.terms);
    for (const LabelTerm& term : pooling_.terms) {
      if (term.probability == 0.0) continue;
      std::fill_n(pooling_.gaps, kPooledBlock, dot(term.mu, readout.prompt) - dot(term.r, readout.prompt));
      pool(spec_.mixture, pooling_.gaps, count, sums, pooling_.pooled);
      const Margin margin{term.y,
                          dot(term.r, readout.head),
                          dot(term.mu, readout.head),
                          readout.headAlongPrompt,
                          readout.headOrthogonal,
                          readout.intercept};
      addErrors(pooling_.pooled, count, margin, term.probability, errors);
      if (visit) visit(term.probability);
    }
  }
  ValuesOf valuesOf(const Readout& readout) {
    return [this, readout](const ScoreSums& sums, int count, double* values) {
      conditionalErrors(readout, sums, count, values, nullptr);
    };
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
  ScoreLadder ladder_;
  LadderWorkspace scratch_;
  PoolingWorkspace pooling_;
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
  if (spec.fluctuations) {
    const ThreeStepLawSpec probe = probeOf(spec);
    Trajectories rare(probe, cancelled);
    const size_t count = std::min(kProbes, trajectories.count());
    while (probes.size() < count && !cancelled) probes.add(rare.values(kProbeTrial + probes.size()));
  }
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
    law.reliable = true;
    if (spec.fluctuations) {
      const double rare = probes.rarePart(static_cast<double>(averages.size()));
      law.reliable = law.effectiveDraws >= kLeastEffectiveTrajectories &&
                     rare <= std::max(kLargestRareShare * law.error, 0.5 * law.standardError);
    }
    const bool isBiased = bias > std::max(kLargestBias * law.error, law.standardError);
    law.standardError = std::hypot(law.standardError, bias);
    if (law.reliable || !spec.fluctuations || averages.size() >= most) {
      law.reliable = law.reliable && !isBiased;
      break;
    }
  }
  averages.read(&Values::contextOverlap, law.contextOverlap, law.contextOverlapStandardError);
  averages.read(&Values::signalOverlap, law.signalOverlap, law.signalOverlapStandardError);
  averages.read(&Values::promptNorm, law.promptNorm, law.promptNormStandardError);
  averages.read(&Values::relevantAttention, law.relevantAttention, law.relevantAttentionStandardError);
  return law;
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
