#include "core/dynamics/descent_law.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "core/base/running_mean.h"

namespace prompt_attention {

namespace {

constexpr int kReplicates = 64;
// Small samples have more of them.
constexpr int kMostReplicates = 512;
constexpr int kLeastTestDraws = 64;
// Replicates that must carry the error, and examples that each must have unless it has all n.
constexpr double kLeastEffectiveReplicates = 10.0;
constexpr int kLeastPerReplicate = 16;
// By how many of their standard deviations the replicates may differ from the path on all draws in the mean.
// Paths that are told to first order scatter by a term of order N_r^(−1/2) and differ by one of order 1/N_r.
constexpr double kLargestShift = 0.7;
// Of their errors: paths that scatter by more end here and there, and one of them says nothing of the mean.
constexpr double kLargestScatter = 0.025;
// All three numbers are by calibration (npm run audit -- --part gradient-descent), and so is after how many
// steps of the normalized rule nothing is told: gradients near zero are noise, of whose direction a step of
// full length is made, so that the limit jumps where small samples do not.
constexpr int kSmoothSteps = 3;
// Positions of a replicate's norms per step.
constexpr uint64_t kAttempts = 128;
// 97.5 % of Student's t of kReplicates − 1 degrees of freedom over the normal law.
constexpr double kStudent = 1.9983405 / 1.9599640;

struct Workspace {
  std::array<TokenSums, 2> sums;
  PoolingWorkspace pooling;
  std::vector<float> normals;
  std::vector<ExampleLabel> labels;
};

class Paths {
 public:
  Paths(const DescentLawSpec& spec, PartRunner& runner, const std::atomic<bool>& cancelled)
      : spec_(spec),
        descent_(spec.descent),
        mixture_(spec.descent.mixture),
        runner_(runner),
        cancelled_(cancelled),
        terms_(trainingTerms(mixture_)) {
    const double n = descent_.examples;
    const int share = std::max(2, spec.draws / kReplicates);
    perReplicate_ = spec.fluctuations ? static_cast<int>(std::min<double>(n, share)) : share;
    replicates_ = std::clamp(spec.draws / perReplicate_, kReplicates, kMostReplicates);
    dimensions_ = perReplicate_ * (mixture_.dimension / n);
    extrapolation_ = spec.fluctuations ? perReplicate_ / n : 0.0;
    points_.resize(replicates_ + 1);
    for (int i = 0; i < runner.workers(); ++i) workspaces_.push_back(std::make_unique<Workspace>());
    trainingTable(mixture_, table_);
    if (descent_.initialScale > 0.0) begin();
  }

  std::vector<DescentRecord> run() {
    std::vector<DescentRecord> records;
    for (int step = 0; step <= descent_.steps && !cancelled_; ++step) {
      std::vector<StepMeans> ofAll(replicates_);
      std::vector<StepMeans> ofOne(replicates_);
      const StepView whole(descent_, points_.back());
      runner_.run(replicates_,
                  [&](int i, int worker) { look(step, i, whole, *workspaces_[worker], ofAll[i], ofOne[i]); });
      StepMeans means;
      for (const StepMeans& part : ofAll) means.add(1.0 / replicates_, part);
      if (isRecorded(descent_, step)) records.push_back(record(step, means, ofOne));
      if (step == descent_.steps || cancelled_) break;
      for (int i = 0; i < replicates_; ++i) {
        const StepView view(descent_, points_[i]);
        move(step, ofOne[i], view, fluctuatingNoise(step, i), points_[i]);
      }
      StepNoise noise;
      const double ratio = std::sqrt(mixture_.dimension / static_cast<double>(descent_.examples));
      noise.beyond = {ratio, 0.0, ratio};
      move(step, means, whole, noise, points_.back());
    }
    return records;
  }

 private:
  // Independent normals of the start: along the plane only in the replicates.
  void begin() {
    const double scale = descent_.initialScale;
    const double length = scale * std::sqrt(static_cast<double>(mixture_.dimension));
    for (int i = 0; i <= replicates_; ++i) {
      if (i < replicates_) {
        drawStart(i, scale, points_[i]);
      } else {
        points_[i].vectors[kHeadVector][2] = length;
        points_[i].vectors[kPromptVector][3] = length;
      }
      if (!descent_.model.traits().hasPrompt) points_[i].vectors[kPromptVector] = {};
    }
  }
  // In N_r d/n dimensions, of the same squared norm.
  void drawStart(int i, double scale, DescentPoint& point) const {
    const double deviation = scale * std::sqrt(mixture_.dimension / dimensions_);
    const Stream stream(descent_.key, Sample::kTraining, Field::kInitial, i);
    double z[8];
    stream.normals(0, 8, z);
    const double beyond = dimensions_ - 4.0;
    const auto norm = [&](uint64_t first) {
      return deviation * chi(beyond, Stream(descent_.key, Sample::kSecond, Field::kSummaryNorm, i),
                             Stream(descent_.key, Sample::kSecond, Field::kSummaryUniform, i), first);
    };
    point.vectors[kHeadVector] = {deviation * z[0], deviation * z[1],
                                  std::hypot(norm(0), deviation * z[6], deviation * z[7])};
    point.vectors[kPromptVector] = {deviation * z[2], deviation * z[3], deviation * z[4],
                                    std::hypot(norm(kAttempts), deviation * z[5])};
  }

  // χ of a number of degrees that need not be whole.
  static double chi(double degrees, const Stream& normals, const Stream& uniforms, uint64_t first) {
    const double whole = std::floor(degrees);
    if (whole < 1.0) return std::sqrt(std::max(degrees, 0.0));
    return std::sqrt(degrees / whole) * drawChi(static_cast<int64_t>(whole), normals, uniforms, first);
  }

  // The examples of a replicate in a step, seen from its own point and from that of all.
  void look(int step, int i, const StepView& whole, Workspace& workspace, StepMeans& ofAll,
            StepMeans& ofOne) const {
    const StepView own(descent_, points_[i]);
    const double scales[] = {whole.scoreScale(), own.scoreScale()};
    const Stream stream(descent_.key, Sample::kRisk, Field::kScore, i);
    const LabelSampler labels(mixture_, descent_.key, Sample::kTraining, i);
    const uint64_t groups = (perReplicate_ + kPooledGroup - 1) / kPooledGroup;
    const uint64_t stride = groups * kPooledGroup;
    const double weight = 1.0 / perReplicate_;
    workspace.labels.resize(kPooledBlock);
    for (int first = 0, count; first < perReplicate_ && !cancelled_; first += count) {
      count = std::min(kPooledBlock, perReplicate_ - first);
      const uint64_t at = step * stride + first;
      drawTokenSums(stream, at, count, mixture_.irrelevantTokens(), scales, cancelled_, workspace.normals,
                    workspace.sums.data());
      labels.draw(at, count, workspace.labels.data());
      for (int example = 0; example < count; ++example) {
        for (const LabelTerm& term : terms_)
          whole.add(term, workspace.sums[0], example, weight * term.probability, ofAll);
        own.add(table_[workspace.labels[example].term], workspace.sums[1], example, weight, ofOne);
      }
    }
  }

  StepNoise fluctuatingNoise(int step, int i) const {
    StepNoise noise;
    noise.deviation = 1.0 / std::sqrt(static_cast<double>(perReplicate_));
    const int frame = frameSize(descent_);
    constexpr size_t kNormals = 2 * kMostFrame + 2;
    double z[kNormals];
    const Stream stream(descent_.key, Sample::kRisk, Field::kSummary, i);
    stream.normals(static_cast<uint64_t>(step) * 16, kNormals, z);
    for (size_t j = 0; j < static_cast<size_t>(frame); ++j) noise.axes[j] = {z[2 * j], z[2 * j + 1]};
    const Stream normals(descent_.key, Sample::kRisk, Field::kSummaryNorm, i);
    const Stream uniforms(descent_.key, Sample::kRisk, Field::kSummaryUniform, i);
    const double degrees = dimensions_ - frame;
    const uint64_t first = static_cast<uint64_t>(step) * 2 * kAttempts;
    noise.beyond = {chi(degrees, normals, uniforms, first), degrees >= 1.0 ? z[kNormals - 2] : 0.0,
                    chi(degrees - 1.0, normals, uniforms, first + kAttempts)};
    for (double& x : noise.beyond) x *= noise.deviation;
    return noise;
  }

  void move(int step, const StepMeans& means, const StepView& view, const StepNoise& noise,
            DescentPoint& point) const {
    moveAlong(descent_, means, view, noise, spec_.promptSteps[step], spec_.headSteps[step], point);
  }

  // Values at a point; the error from `draws` draws of a stream.
  std::array<double, kDescentFields> valuesAt(const DescentPoint& point, double loss, int draws,
                                              uint64_t stream, PoolingWorkspace& pooling,
                                              TestAccuracy* accuracy) const {
    DescentSpec spec = descent_;
    spec.testDraws = draws;
    const double* q = descent_.model.traits().hasPrompt ? point.vectors[kPromptVector].data() : nullptr;
    const FrameCoordinates& w = point.vectors[kHeadVector];
    const DescentMetrics metrics =
        gaussianMetrics(spec, stream, q, w.data(), kMostFrame, {}, cancelled_, pooling);
    if (accuracy != nullptr) *accuracy = metrics.test;
    return {metrics.error,
            loss,
            metrics.contextOverlap,
            metrics.signalOverlap,
            metrics.headContextOverlap,
            metrics.headSignalOverlap,
            metrics.promptNorm,
            metrics.headNorm,
            metrics.relevantAttention};
  }

  DescentRecord record(int step, const StepMeans& means, const std::vector<StepMeans>& ofOne) {
    using Values = std::array<double, kDescentFields>;
    const int few = std::max(kLeastTestDraws, spec_.draws / replicates_);
    std::vector<Values> own(replicates_);
    std::vector<Values> whole(replicates_);
    Values all{};
    TestAccuracy accuracy{};
    runner_.run(replicates_ + 1, [&](int i, int worker) {
      PoolingWorkspace& pooling = workspaces_[worker]->pooling;
      if (i == 0) {
        all = valuesAt(points_.back(), means.loss, spec_.draws, replicates_, pooling, &accuracy);
        return;
      }
      own[i - 1] = valuesAt(points_[i - 1], ofOne[i - 1].loss, few, i - 1, pooling, nullptr);
      whole[i - 1] = valuesAt(points_.back(), means.loss, few, i - 1, pooling, nullptr);
    });
    DescentRecord record{step, all, {}, accuracy.effectiveDraws, accuracy.reliable != 0.0};
    for (int field = 0; field < kDescentFields; ++field) {
      std::vector<double> changes(replicates_);
      for (int i = 0; i < replicates_; ++i) changes[i] = own[i][field] - whole[i][field];
      RunningMean change;
      change.add(changes.data(), replicates_);
      record.values[field] += extrapolation_ * change.mean();
      const double ofDraws = field == kDescentError ? accuracy.standardError : 0.0;
      record.standardErrors[field] =
          std::hypot(kStudent * change.standardError() * widening(changes, change), ofDraws);
      if (field != kDescentError) continue;
      double sum = 0.0;
      double squares = 0.0;
      for (const Values& values : own) {
        sum += values[field];
        squares += values[field] * values[field];
      }
      if (squares > 0.0 && sum * sum / squares < kLeastEffectiveReplicates) record.reliable = false;
      const double scatter = std::sqrt(1.0 * replicates_) * record.standardErrors[field];
      const bool isFirstOrder =
          scatter <= kLargestScatter && std::abs(change.mean()) <= kLargestShift * scatter;
      const bool isTold =
          perReplicate_ >= kLeastPerReplicate && isFirstOrder && !breaksSymmetry() && !jumpsBy(step);
      if (extrapolation_ < 1.0 && !isTold) record.reliable = false;
      record.values[field] = std::clamp(record.values[field], 0.0, 1.0);
    }
    return record;
  }

  // By how much the longer arm of an interval that knows the skewness of the values is longer (Johnson 1978).
  static double widening(const std::vector<double>& values, const RunningMean& mean) {
    const double count = static_cast<double>(values.size());
    const double deviation = mean.standardError() * std::sqrt(count);
    if (deviation == 0.0) return 1.0;
    double cubes = 0.0;
    for (const double value : values) cubes += std::pow((value - mean.mean()) / deviation, 3);
    constexpr double kQuantile = 1.9599640;
    return 1.0 + std::abs(cubes / count) * (1.0 + 2.0 * kQuantile * kQuantile) /
                     (6.0 * kQuantile * std::sqrt(count));
  }

  // In the limit linear attention stays at the saddle that it starts from; what leaves it at finite n is no
  // term of order 1/n.
  bool breaksSymmetry() const { return descent_.model.traits().descent == DescentForm::kLinear; }
  bool jumpsBy(int step) const {
    return descent_.optimizer.kind == OptimizerKind::kNormalized && step > kSmoothSteps;
  }

  const DescentLawSpec& spec_;
  const DescentSpec& descent_;
  const Mixture& mixture_;
  PartRunner& runner_;
  const std::atomic<bool>& cancelled_;
  const std::vector<LabelTerm> terms_;
  std::vector<LabelTerm> table_;
  int perReplicate_;  // N_r
  int replicates_;
  double dimensions_;                 // N_r d/n
  double extrapolation_;              // N_r/n, or 0 for the limit
  std::vector<DescentPoint> points_;  // of the replicates, and of all draws
  std::vector<std::unique_ptr<Workspace>> workspaces_;
};

}  // namespace

std::vector<DescentRecord> descentLaw(const DescentLawSpec& spec, PartRunner& runner,
                                      const std::atomic<bool>& cancelled) {
  return Paths(spec, runner, cancelled).run();
}

}  // namespace prompt_attention
