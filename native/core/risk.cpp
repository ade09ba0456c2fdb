#include "core/risk.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "core/least_squares_risk.h"
#include "core/risk_tail.h"
#include "core/running_mean.h"
#include "core/score_ladder.h"
#include "core/test_error.h"

namespace prompt_attention {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Student's t of kRiskBatches − 1 degrees of freedom over the normal law, at 97.5 %.
constexpr double kStudent = 2.0395134 / 1.9599640;

// Mean and standard error of what value(batch) is on single batches, about `whole`.
template <class Value>
RiskValue scattered(double whole, int batches, Value value) {
  RunningMean scatter;
  for (int batch = 0; batch < batches && batches > 1; ++batch) scatter.add(value(batch));
  return {whole, kStudent * scatter.standardError()};
}

// A limit of the head, and what it would be on each batch alone (none where nothing is drawn).
struct Solution {
  RiskStatus status = RiskStatus::kOk;
  RiskState state;
  double chi;  // as it is told
  double slopeAtZero;
  bool hardMargin = false;
  RiskResiduals residuals{};
  std::vector<RiskState> alone;
};

// Where a solver may start.
struct NearbySolution {
  MarginLoss loss;
  FixedPoint point;
};

// One (α, λ) of a curve at one share of labels.
class PointSolver {
 public:
  // `nearby` is null, or holds the solution at another share of labels and will hold this one.
  PointSolver(const RiskSpec& spec, const RiskPoints& points, double alpha, double ridge, RiskValue threshold,
              std::optional<NearbySolution>* nearby, PartRunner& runner, const std::atomic<bool>& cancelled)
      : spec_(spec),
        points_(points),
        batches_(static_cast<int>(points.batches.size())),
        alpha_(alpha),
        ridge_(ridge),
        threshold_(threshold),
        nearby_(nearby),
        runner_(runner),
        cancelled_(cancelled) {}

  // Averaging, with the head moved by `shift` in the plane.
  RiskPoint averagingPoint(PlaneVector shift) {
    Solution solution = explicitSolution(averagingState);
    const auto move = [&](RiskState& state) {
      state = stateAt(points_, PlaneVector{state.w1, state.w2} + shift, state.r, state.chi);
    };
    move(solution.state);
    for (RiskState& state : solution.alone) move(state);
    return outcome(solution);
  }

  RiskPoint solve() {
    RiskPoint point = attempt();
    point.fields[kRiskSeparability] = threshold_;
    // Parameters at the ends of double precision overflow.
    const RiskValue& error = point.fields[kRiskError];
    if (!std::isfinite(error.value) || !std::isfinite(error.standardError))
      point.status = RiskStatus::kNotConverged;
    return point;
  }

 private:
  RiskPoint attempt() {
    const bool averaging = spec_.head == HeadKind::kAveraging;
    const bool leastSquares = spec_.head == HeadKind::kLeastSquares;
    if (points_.noiseless) return noiseless(averaging);
    if (averaging) return averagingPoint({0.0, 0.0});
    if (leastSquares && ridge_ == 0.0 && alpha_ <= 1.0)
      return alpha_ == 1.0 ? chance() : outcome(explicitSolution(interpolationState));
    const RiskProblem problem{points_, loss(), alpha_, ridge_};
    if (leastSquares && !spec_.general) {
      const RiskState state = leastSquaresState(points_, alpha_, ridge_, runner_);
      const FixedPoint point = fixedPointAt(problem, state, runner_);
      // Next to interpolation the closed form can lose digits that Newton's method keeps.
      if (point.converged) return outcome(solutionOf(problem, point));
    }
    const bool isNear = nearby_ != nullptr && nearby_->has_value() && (*nearby_)->loss == problem.loss;
    const FixedPoint point =
        solveFixedPoint(problem, runner_, cancelled_, isNear ? &(*nearby_)->point : nullptr);
    if (nearby_ != nullptr && point.converged) *nearby_ = NearbySolution{problem.loss, point};
    return outcome(solutionOf(problem, point));
  }

  MarginLoss loss() const {
    return alpha_ < threshold_.value ? MarginLoss::kHardMargin : marginLossOf(spec_.head);
  }

  static RiskPoint blank() {
    RiskPoint point{};
    point.fields.fill({kNaN, kNaN});
    point.effectiveDraws = kInfinity;
    point.reliable = true;
    return point;
  }

  // The head's fields.
  void describe(const RiskState& state, RiskPoint& point) const {
    const PlaneVector signal = spec_.mixture.signalVector();
    const double norm = std::hypot(state.w1, state.w2, state.r);
    const double length = std::hypot(signal.e1, signal.e2);
    const bool isFinite = norm > 0.0 && std::isfinite(norm) && length > 0.0;
    const double cosine = isFinite ? dot(signal, {state.w1, state.w2}) / length / norm : 0.0;
    point.fields[kRiskHead1].value = state.w1;
    point.fields[kRiskHead2].value = state.w2;
    point.fields[kRiskOrthogonalNorm].value = state.r;
    point.fields[kRiskHeadNorm].value = norm;
    point.fields[kRiskSignalCosine].value = std::clamp(cosine, -1.0, 1.0);
  }

  // Least squares at its peak.
  RiskPoint chance() const {
    RiskPoint point = blank();
    describe(interpolationState(points_, {0, batches_}, 1.0), point);
    point.fields[kRiskError] = {0.5, 0.0};
    point.fields[kRiskTrainingError] = {0.0, 0.0};
    point.fields[kRiskChi].value = kInfinity;
    return point;
  }

  RiskPoint noiseless(bool averaging) const {
    const PlaneSums means = planeSums(points_, 0, 0.0);
    const PlaneVector w = averaging ? PlaneVector{means.b1, means.b2}
                                    : noiselessHead(points_, marginLossOf(spec_.head), ridge_);
    RiskPoint point = blank();
    describe(stateAt(points_, w, 0.0, 0.0), point);
    double error = 0.0;
    double training = 0.0;
    for (const RiskSegment& segment : points_.batches[0]) {
      // What is left of a sum that cancels is a tie.
      const PlaneVector b = firstMargin(points_, segment);
      const double size = std::abs(w.e1 * b.e1) + std::abs(w.e2 * b.e2);
      const double margin = dot(w, b);
      const double wrong = misclassification(std::abs(margin) <= 1e-14 * size ? 0.0 : margin, 0.0);
      error += segment.testProbability * wrong;
      training += segment.probability * wrong;
    }
    const double chi = averaging ? kNaN : ridge_ > 0.0 ? 1.0 / (alpha_ * ridge_) : kInfinity;
    for (RiskValue& field : point.fields) field.standardError = 0.0;
    point.fields[kRiskError].value = error;
    point.fields[kRiskTrainingError].value = training;
    point.fields[kRiskChi].value = chi;
    return point;
  }

  // A state that is explicit in means over draws: solved on each batch alone.
  Solution explicitSolution(RiskState (*stateOf)(const RiskPoints&, BatchRange, double)) const {
    Solution solution{};
    solution.state = stateOf(points_, {0, batches_}, alpha_);
    solution.slopeAtZero = 1.0;
    const bool averaging = spec_.head == HeadKind::kAveraging;
    solution.chi = averaging ? kNaN : solution.state.chi;
    solution.hardMargin = !averaging;
    for (int batch = 0; batch < batches_ && batches_ > 1; ++batch)
      solution.alone.push_back(stateOf(points_, {batch, batch + 1}, alpha_));
    return solution;
  }

  Solution solutionOf(const RiskProblem& problem, const FixedPoint& point) const {
    Solution solution{};
    solution.status = point.converged ? RiskStatus::kOk : RiskStatus::kNotConverged;
    solution.state = point.state;
    solution.hardMargin = problem.loss == MarginLoss::kHardMargin;
    solution.chi = solution.hardMargin ? kInfinity : point.state.chi;
    solution.slopeAtZero = problem.loss == MarginLoss::kLogistic ? 0.5 : 1.0;
    solution.residuals = point.residuals;
    if (!point.converged || batches_ == 1) return solution;
    for (const RiskResiduals& residuals : batchResiduals(problem, point)) {
      std::array<double, 4> shift{};
      // A singular Jacobian leaves the state as it is.
      if (!solveNewton(point.jacobian, residuals, shift)) shift = {};
      RiskState state = point.state;
      state.w1 += shift[0];
      state.w2 += shift[1];
      state.r *= 1.0 + shift[2];
      if (!solution.hardMargin) state.chi *= 1.0 + shift[3];
      solution.alone.push_back(state);
    }
    return solution;
  }

  // A training error is 0 where every margin is kept.
  RiskPoint outcome(const Solution& solution) {
    RiskPoint point = blank();
    point.status = solution.status;
    point.residuals = solution.residuals;
    const RiskState& state = solution.state;
    describe(state, point);
    point.fields[kRiskChi].value = solution.chi;
    if (solution.status != RiskStatus::kOk || cancelled_) return point;
    for (RiskField field :
         {kRiskHead1, kRiskHead2, kRiskOrthogonalNorm, kRiskHeadNorm, kRiskSignalCosine}) {
      const double value = point.fields[field].value;
      point.fields[field] = scattered(value, batches_, [&](int batch) {
        RiskPoint alone = blank();
        describe(solution.alone[batch], alone);
        return alone.fields[field].value;
      });
    }
    point.fields[kRiskChi] =
        std::isfinite(solution.chi)
            ? scattered(solution.chi, batches_, [&](int batch) { return solution.alone[batch].chi; })
            : RiskValue{solution.chi, 0.0};
    addErrors(solution, point);
    return point;
  }

  void addErrors(const Solution& solution, RiskPoint& point) {
    const RiskState& state = solution.state;
    // For the hard margin and for interpolation χ is ∞, and what is told of it is not used.
    RiskState at = state;
    if (solution.hardMargin) at.chi = 0.0;
    std::vector<ErrorSums> parts(batches_);
    runner_.run(batches_, [&](int batch, int) {
      parts[batch] = errorSums(points_, batch, at, solution.slopeAtZero);
    });
    ErrorSums mean{};
    for (const ErrorSums& sums : parts)
      for (int i = 0; i < kErrorSums; ++i) mean[i] += sums[i] / batches_;
    // To first order in how the state differs on the batch.
    const double R = noiseNorm(points_, state);
    const auto shifted = [&](int batch, double value, double by1, double by2, double byR) {
      const RiskState& alone = solution.alone[batch];
      const double dR = noiseNorm(points_, alone) - R;
      return value + by1 * (alone.w1 - state.w1) + by2 * (alone.w2 - state.w2) + byR * dR;
    };
    RiskValue& error = point.fields[kRiskError];
    RiskValue& training = point.fields[kRiskTrainingError];
    error = scattered(mean[kError], batches_, [&](int i) {
      return shifted(i, parts[i][kError], mean[kErrorBy1], mean[kErrorBy2], mean[kErrorByR]);
    });
    training = scattered(mean[kTrainingError], batches_, [&](int i) {
      return shifted(i, parts[i][kTrainingError], mean[kTrainingBy1], mean[kTrainingBy2], mean[kTrainingByR]);
    });
    if (points_.hasDraws()) {
      PoolingWorkspace& workspace = *workspace_;
      const RiskTailSpec tail{spec_.mixture, spec_.inverseTemperature, points_, at,
                              solution.slopeAtZero,  spec_.key,            spec_.draws};
      point.effectiveDraws = spec_.draws * (mean[kError] / mean[kErrorSquares]) * mean[kError];
      if (!(mean[kErrorSquares] > 0.0) ||
          missesTail(tail, mean[kError], mean[kErrorSquares], workspace, cancelled_)) {
        const RiskTail found = riskTail(tail, workspace, cancelled_);
        const auto combined = [&](const TailMean& tailMean) {
          const RiskValue fromState = scattered(0.0, batches_, [&](int i) {
            return shifted(i, 0.0, tailMean.by1, tailMean.by2, tailMean.byR);
          });
          return RiskValue{tailMean.mean, std::hypot(fromState.standardError, tailMean.standardError)};
        };
        error = combined(found.test);
        training = combined(found.training);
        point.effectiveDraws = found.test.effectiveDraws;
      }
      point.reliable = point.effectiveDraws >= kLeastEffectiveDraws;
    }
    error.value = std::min(error.value, 1.0);
    training.value = std::min(training.value, 1.0);
    if (solution.hardMargin) training = {0.0, 0.0};
  }

  const RiskSpec& spec_;
  const RiskPoints& points_;
  const int batches_;
  const double alpha_;
  const double ridge_;
  const RiskValue threshold_;
  std::optional<NearbySolution>* const nearby_;
  PartRunner& runner_;
  const std::atomic<bool>& cancelled_;
  std::unique_ptr<PoolingWorkspace> workspace_ = std::make_unique<PoolingWorkspace>();
};

// One (α, λ) of a curve, averaged over the share of labels where n is given.
class CurveSolver {
 public:
  CurveSolver(const RiskSpec& spec, const RiskPoints& points, PartRunner& runner,
              const std::atomic<bool>& cancelled)
      : spec_(spec), points_(points), cancelled_(cancelled) {
    const bool vanishes = std::find(spec.ridges.begin(), spec.ridges.end(), 0.0) != spec.ridges.end();
    if (vanishes && needsThreshold()) threshold_ = thresholdOf(points, runner);
  }

  RiskPoint solve(int i, PartRunner& runner) const {
    const double alpha = spec_.sampleRatios[i];
    const double ridge = spec_.ridges[i];
    const double n = spec_.examples.empty() ? 0.0 : spec_.examples[i];
    const double rate = spec_.mixture.positiveRate;
    if (n > 0.0 && spec_.head == HeadKind::kAveraging && !points_.noiseless)
      return averagingAt(n, alpha, runner);
    if (n == 0.0 || rate == 0.0 || rate == 1.0)
      return solveAt(points_, alpha, ridge, threshold_, nullptr, runner);
    NodeMean mean;
    std::optional<NearbySolution> nearby;
    const auto addNode = [&](double share, double weight) {
      const RiskPoints points = withTrainingRate(points_, rate, std::clamp(share, 0.5 / n, 1.0 - 0.5 / n));
      const RiskValue threshold =
          ridge == 0.0 && needsThreshold() ? thresholdOf(points, runner) : RiskValue{kNaN, kNaN};
      mean.add(weight, solveAt(points, alpha, ridge, threshold, &nearby, runner));
    };
    if (n <= kBinomialExamples) {
      const int count = static_cast<int>(n);
      for (int positive = 0; positive <= count && !cancelled_; ++positive) {
        const double logarithm = std::lgamma(n + 1.0) - std::lgamma(positive + 1.0) -
                                 std::lgamma(n - positive + 1.0) + positive * std::log(rate) +
                                 (n - positive) * std::log1p(-rate);
        if (logarithm > kLeastLogarithm) addNode(positive / n, std::exp(logarithm));
      }
    } else {
      const double deviation = std::sqrt(rate * (1.0 - rate) / n);
      RiskPoint coarse{};
      for (int level = 0; level < kNodeLevels && !cancelled_; ++level) {
        forEachNode(level, [&](double z, double weight) {
          if (!cancelled_) addNode(rate + deviation * z, weight);
        });
        const RiskPoint fine = mean.result();
        const RiskValue& error = fine.fields[kRiskError];
        const double change = std::abs(error.value - coarse.fields[kRiskError].value);
        if (level > 0 && change <= 0.1 * error.standardError) break;
        coarse = fine;
      }
    }
    return mean.result();
  }

 private:
  // Up to so many examples the share of labels is summed over, and beyond averaged by the trapezoidal rule, in
  // which nearly steps are safe, as they are not in one of few nodes.
  static constexpr double kBinomialExamples = 40.0;
  static constexpr double kLeastLogarithm = -30.0;
  static constexpr double kCoarsestStep = 1.6;
  static constexpr double kLargestNode = 4.8;
  static constexpr int kNodeLevels = 4;

  // Nodes of a standard normal variable, with their densities: those of the level alone, which halve the steps
  // of the levels before.
  template <class Visit>
  static void forEachNode(int level, Visit visit) {
    const double step = std::ldexp(kCoarsestStep, -level);
    const int range = static_cast<int>(std::lround(kLargestNode / step));
    for (int node = -range; node <= range; ++node)
      if (level == 0 || node % 2 != 0) visit(step * node, std::exp(-0.5 * step * node * step * node));
  }

  // Weighted mean of points that share their draws.
  class NodeMean {
   public:
    void add(double weight, const RiskPoint& point) {
      total_ += weight;
      if (point.status != RiskStatus::kOk) mean_.status = point.status;
      for (int field = 0; field < kRiskFields; ++field) {
        mean_.fields[field].value += weight * point.fields[field].value;
        mean_.fields[field].standardError += weight * point.fields[field].standardError;
      }
      for (size_t j = 0; j < mean_.residuals.size(); ++j)
        mean_.residuals[j] = std::max(mean_.residuals[j], std::abs(point.residuals[j]));
      // Σv² of the mean is at most the mean of the Σv².
      const double error = point.fields[kRiskError].value;
      if (error > 0.0) squares_ += weight * error * error / point.effectiveDraws;
    }
    RiskPoint result() const {
      RiskPoint mean = mean_;
      for (RiskValue& field : mean.fields) {
        field.value /= total_;
        field.standardError /= total_;
      }
      const double error = mean.fields[kRiskError].value;
      mean.effectiveDraws = squares_ > 0.0 ? error * error * total_ / squares_ : kInfinity;
      mean.reliable = mean.effectiveDraws >= kLeastEffectiveDraws;
      return mean;
    }

   private:
    RiskPoint mean_{};
    double total_ = 0.0;
    double squares_ = 0.0;
  };

  // The averaging head is a mean over examples: in the plane it is N(E b, Cov b/n). Its coordinate along q⋆
  // matters, that of label imbalance and the rest; the other follows it as far as they are correlated.
  RiskPoint averagingAt(double n, double alpha, PartRunner& runner) const {
    PlaneSums means{};
    for (size_t batch = 0; batch < points_.batches.size(); ++batch) {
      const PlaneSums sums = planeSums(points_, static_cast<int>(batch), 0.0);
      means.b11 += sums.b11;
      means.b12 += sums.b12;
      means.b1 += sums.b1;
      means.b2 += sums.b2;
      means.variance += sums.variance;
    }
    const double perBatch = 1.0 / static_cast<double>(points_.batches.size());
    const double b1 = perBatch * means.b1;
    const double variance =
        perBatch * (means.b11 + (points_.uniform ? means.variance : 0.0)) - b1 * b1;
    const double covariance = perBatch * means.b12 - b1 * perBatch * means.b2;
    const double deviation = std::sqrt(std::max(variance, 0.0) / n);
    NodeMean mean;
    const auto addNode = [&](double z, double weight) {
      if (cancelled_) return;
      const double along = deviation * z;
      const double across = variance > 0.0 ? covariance / variance * along : 0.0;
      PointSolver solver(spec_, points_, alpha, 0.0, {kNaN, kNaN}, nullptr, runner, cancelled_);
      mean.add(weight, solver.averagingPoint({along, across}));
    };
    for (int level = 0; level < kNodeLevels; ++level) forEachNode(level, addNode);
    return mean.result();
  }

  bool needsThreshold() const {
    return !points_.noiseless && (spec_.head == HeadKind::kLogistic || spec_.head == HeadKind::kHinge);
  }

  static RiskValue thresholdOf(const RiskPoints& points, PartRunner& runner) {
    const Separability found = separability(points, runner);
    const double whole = 1.0 / found.least;
    if (!std::isfinite(found.threshold)) return {found.threshold, 0.0};
    RunningMean scatter;
    for (const double least : found.batches) scatter.add(least);
    return {found.threshold, kStudent * scatter.standardError() * whole * whole};
  }

  RiskPoint solveAt(const RiskPoints& points, double alpha, double ridge, RiskValue threshold,
                    std::optional<NearbySolution>* nearby, PartRunner& runner) const {
    return PointSolver(spec_, points, alpha, ridge, ridge == 0.0 ? threshold : RiskValue{kNaN, kNaN}, nearby,
                       runner, cancelled_)
        .solve();
  }

  const RiskSpec& spec_;
  const RiskPoints& points_;
  const std::atomic<bool>& cancelled_;
  RiskValue threshold_{kNaN, kNaN};
};

}  // namespace

MarginLoss marginLossOf(HeadKind head) {
  switch (head) {
    case HeadKind::kLogistic:
      return MarginLoss::kLogistic;
    case HeadKind::kHinge:
      return MarginLoss::kHinge;
    case HeadKind::kAveraging:
    case HeadKind::kLeastSquares:
      break;
  }
  return MarginLoss::kSquare;
}

RiskCurve knownPromptRisk(const RiskSpec& spec, PartRunner& runner, const std::atomic<bool>& cancelled) {
  const RiskPoints points = drawRiskPoints(spec.mixture, spec.inverseTemperature, spec.draws, spec.key,
                                           spec.head == HeadKind::kLogistic, runner, cancelled);
  RiskCurve curve{};
  if (cancelled) return curve;
  curve.relevantAttention = points.relevantAttention;
  curve.relevantAttentionStandardError = kStudent * points.relevantAttentionStandardError;
  const CurveSolver solver(spec, points, runner, cancelled);
  const int count = static_cast<int>(spec.sampleRatios.size());
  curve.points.resize(count);
  if (count < runner.workers()) {
    for (int i = 0; i < count && !cancelled; ++i) curve.points[i] = solver.solve(i, runner);
  } else {
    runner.run(count, [&](int i, int) {
      SerialRunner serial;
      if (!cancelled) curve.points[i] = solver.solve(i, serial);
    });
  }
  if (cancelled) curve.points.clear();
  return curve;
}

}  // namespace prompt_attention
