#include "core/laws/risk.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "core/base/running_mean.h"
#include "core/laws/label_imbalance.h"
#include "core/laws/least_squares_risk.h"
#include "core/laws/risk_tail.h"
#include "core/test_error/score_ladder.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Of log r and log χ on a batch alone: what is further away is not told to first order.
constexpr double kLargestShift = 30.0;
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

// One (α, λ) of a curve at one share of labels.
class PointSolver {
 public:
  PointSolver(const RiskSpec& spec, const RiskPoints& points, double alpha, double ridge, RiskValue threshold,
              PartRunner& runner, const std::atomic<bool>& cancelled)
      : spec_(spec),
        points_(points),
        batches_(static_cast<int>(points.batches.size())),
        alpha_(alpha),
        ridge_(ridge),
        threshold_(threshold),
        runner_(runner),
        cancelled_(cancelled) {}

  RiskPoint solve() { return checked(attempt()); }

  // The head alone, where it has a fixed point or a closed form.
  std::optional<Solution> solution() {
    if (points_.noiseless || isPeak()) return std::nullopt;
    return solved();
  }

  // What a head that is known gives.
  RiskPoint outcomeOf(const Solution& solution) { return checked(outcome(solution)); }

 private:
  RiskPoint checked(RiskPoint point) const {
    point.fields[kRiskSeparability] = threshold_;
    // Parameters at the ends of double precision overflow.
    const RiskValue& error = point.fields[kRiskError];
    if (!std::isfinite(error.value) || !std::isfinite(error.standardError))
      point.status = RiskStatus::kNotConverged;
    return point;
  }

  // Without a ridge, which of the cleanest examples is cleaner matters as soon as they cannot all be fitted.
  bool losesOrder() const {
    return spec_.head != HeadKind::kAveraging && ridge_ == 0.0 && alpha_ * points_.clipped > 0.5;
  }

  bool isPeak() const { return spec_.head == HeadKind::kLeastSquares && ridge_ == 0.0 && alpha_ == 1.0; }

  RiskPoint attempt() {
    if (points_.noiseless) return noiseless(spec_.head == HeadKind::kAveraging);
    return isPeak() ? chance() : outcome(solved());
  }

  Solution solved() {
    const bool leastSquares = spec_.head == HeadKind::kLeastSquares;
    if (spec_.head == HeadKind::kAveraging) return explicitSolution(averagingState);
    if (leastSquares && ridge_ == 0.0 && alpha_ < 1.0) return explicitSolution(interpolationState);
    const RiskProblem problem{points_, loss(), alpha_, ridge_};
    if (leastSquares && !spec_.general) {
      const RiskState state = leastSquaresState(points_, alpha_, ridge_, runner_);
      const FixedPoint point = fixedPointAt(problem, state, runner_);
      // Next to interpolation the closed form can lose digits that Newton's method keeps.
      if (point.converged) return solutionOf(problem, point);
    }
    return solutionOf(problem, solveFixedPoint(problem, runner_, cancelled_));
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
      state.r *= std::exp(std::clamp(shift[2], -kLargestShift, kLargestShift));
      if (!solution.hardMargin) state.chi *= std::exp(std::clamp(shift[3], -kLargestShift, kLargestShift));
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
    for (RiskField field : {kRiskHead1, kRiskHead2, kRiskOrthogonalNorm, kRiskHeadNorm, kRiskSignalCosine}) {
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
    runner_.run(batches_,
                [&](int batch, int) { parts[batch] = errorSums(points_, batch, at, solution.slopeAtZero); });
    ErrorSums mean{};
    for (const ErrorSums& sums : parts)
      for (int i = 0; i < kErrorSums; ++i) mean[i] += sums[i] / batches_;
    // To first order in how the state differs on the batch.
    const double R = noiseNorm(points_, state);
    const auto shifted = [&](int batch, double value, double by1, double by2, double byR, double byChi) {
      const RiskState& alone = solution.alone[batch];
      const double dR = noiseNorm(points_, alone) - R;
      const double dChi = solution.hardMargin ? 0.0 : alone.chi - state.chi;
      return value + by1 * (alone.w1 - state.w1) + by2 * (alone.w2 - state.w2) + byR * dR + byChi * dChi;
    };
    RiskValue& error = point.fields[kRiskError];
    RiskValue& training = point.fields[kRiskTrainingError];
    error = scattered(mean[kError], batches_, [&](int i) {
      return shifted(i, parts[i][kError], mean[kErrorBy1], mean[kErrorBy2], mean[kErrorByR], 0.0);
    });
    training = scattered(mean[kTrainingError], batches_, [&](int i) {
      return shifted(i, parts[i][kTrainingError], mean[kTrainingBy1], mean[kTrainingBy2], mean[kTrainingByR],
                     mean[kTrainingByChi]);
    });
    if (points_.hasDraws()) {
      PoolingWorkspace& workspace = *workspace_;
      const RiskTailSpec tail{
          spec_.mixture, spec_.inverseTemperature, points_, at, solution.slopeAtZero, spec_.key, spec_.draws};
      point.effectiveDraws = spec_.draws * (mean[kError] / mean[kErrorSquares]) * mean[kError];
      if (!(mean[kErrorSquares] > 0.0) ||
          missesTail(tail, mean[kError], mean[kErrorSquares], workspace, cancelled_)) {
        const RiskTail found = riskTail(tail, workspace, cancelled_);
        const auto combined = [&](const TailMean& tailMean) {
          const RiskValue fromState = scattered(0.0, batches_, [&](int i) {
            return shifted(i, 0.0, tailMean.by1, tailMean.by2, tailMean.byR, tailMean.byChi);
          });
          return RiskValue{tailMean.mean, std::hypot(fromState.standardError, tailMean.standardError)};
        };
        error = combined(found.test);
        training = combined(found.training);
        point.effectiveDraws = found.test.effectiveDraws;
      }
      point.reliable = point.effectiveDraws >= kLeastEffectiveDraws && !losesOrder();
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
    if (n == 0.0 || rate == 0.0 || rate == 1.0) return solveAt(points_, alpha, ridge, threshold_, runner);
    return averaged(alpha, ridge, n, runner);
  }

 private:
  // The mean over the share of positive labels among n examples.
  RiskPoint averaged(double alpha, double ridge, double n, PartRunner& runner) const {
    const double rate = spec_.mixture.positiveRate;
    const std::vector<double> nodes = labelNodes(n, rate);
    std::vector<Solution> heads;
    for (const double share : nodes) {
      const RiskPoints points = withTrainingRate(points_, rate, share);
      const RiskValue threshold =
          ridge == 0.0 && needsThreshold() ? thresholdOf(points, runner) : RiskValue{kNaN, kNaN};
      PointSolver solver(spec_, points, alpha, ridge, threshold, runner, cancelled_);
      const std::optional<Solution> head = solver.solution();
      // Without noise heads are cheap, at the peak of least squares there is nothing to average.
      if (!head) break;
      if (head->status != RiskStatus::kOk || cancelled_) return solver.outcomeOf(*head);
      heads.push_back(*head);
    }
    const bool known = heads.size() == nodes.size();
    // On different sides of the threshold of separability heads have nothing in common.
    const bool smooth = known && std::all_of(heads.begin(), heads.end(), [&](const Solution& head) {
                          return head.hardMargin == heads[0].hardMargin;
                        });
    RiskPoint mean{};
    double squares = 0.0;
    bool clear = true;
    for (const LabelShare& share : labelShares(n, rate)) {
      const RiskPoints points = withTrainingRate(points_, rate, share.positive);
      PointSolver solver(spec_, points, alpha, ridge, threshold_, runner, cancelled_);
      const RiskPoint at = smooth
                               ? solver.outcomeOf(interpolated(heads, lagrangeWeights(nodes, share.positive)))
                           : known ? solver.outcomeOf(nearest(heads, nodes, share.positive))
                                   : solver.solve();
      if (at.status != RiskStatus::kOk || cancelled_) return at;
      for (int field = 0; field < kRiskFields; ++field) {
        mean.fields[field].value += share.probability * at.fields[field].value;
        // The shares have their draws in common.
        mean.fields[field].standardError += share.probability * at.fields[field].standardError;
      }
      for (size_t j = 0; j < mean.residuals.size(); ++j)
        mean.residuals[j] = std::max(mean.residuals[j], std::abs(at.residuals[j]));
      // Σv² of the mean is at most the mean of the Σv²; shares whose error is small beside it do not matter.
      const double error = at.fields[kRiskError].value;
      clear = clear && (at.reliable || at.effectiveDraws < kLeastEffectiveDraws);
      if (error > 0.0) squares += share.probability * error * error / at.effectiveDraws;
    }
    const double error = mean.fields[kRiskError].value;
    mean.effectiveDraws = squares > 0.0 ? error * error / squares : kInfinity;
    mean.reliable = mean.effectiveDraws >= kLeastEffectiveDraws && clear;
    return mean;
  }

  static const Solution& nearest(const std::vector<Solution>& heads, const std::vector<double>& nodes,
                                 double share) {
    size_t best = 0;
    for (size_t i = 1; i < nodes.size(); ++i)
      if (std::abs(nodes[i] - share) < std::abs(nodes[best] - share)) best = i;
    return heads[best];
  }

  static Solution interpolated(const std::vector<Solution>& heads, const std::vector<double>& weights) {
    const auto mix = [&](const auto& stateOf) {
      RiskState state{};
      double logR = 0.0;
      double logChi = 0.0;
      for (size_t i = 0; i < heads.size(); ++i) {
        const RiskState& at = stateOf(heads[i]);
        state.w1 += weights[i] * at.w1;
        state.w2 += weights[i] * at.w2;
        state.offset = state.offset + weights[i] * at.offset;
        logR += weights[i] * std::log(at.r);
        logChi += weights[i] * std::log(at.chi);
      }
      state.r = std::exp(logR);
      state.chi = std::isfinite(stateOf(heads[0]).chi) ? std::exp(logChi) : stateOf(heads[0]).chi;
      return state;
    };
    Solution solution = heads[0];
    solution.state = mix([](const Solution& head) -> const RiskState& { return head.state; });
    if (std::isfinite(solution.chi)) solution.chi = solution.state.chi;
    for (const Solution& head : heads)
      for (size_t j = 0; j < head.residuals.size(); ++j)
        solution.residuals[j] = std::max(std::abs(solution.residuals[j]), std::abs(head.residuals[j]));
    for (size_t batch = 0; batch < solution.alone.size(); ++batch)
      solution.alone[batch] =
          mix([batch](const Solution& head) -> const RiskState& { return head.alone[batch]; });
    return solution;
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
                    PartRunner& runner) const {
    return PointSolver(spec_, points, alpha, ridge, ridge == 0.0 ? threshold : RiskValue{kNaN, kNaN}, runner,
                       cancelled_)
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
