#include "core/laws/risk.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/base/running_mean.h"
#include "core/laws/label_imbalance.h"
#include "core/laws/point_solver.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// One (α, λ) of a curve, averaged over the shares of labels where n is given.
class CurveSolver {
 public:
  // `wrongShare`: of the labels behind the points.
  CurveSolver(const RiskSpec& spec, const RiskPoints& points, double wrongShare, PartRunner& runner,
              const std::atomic<bool>& cancelled)
      : spec_(spec),
        points_(points),
        rate_(spec.mixture.observedPositiveRate(wrongShare)),
        cancelled_(cancelled) {
    const bool vanishes = std::find(spec.ridges.begin(), spec.ridges.end(), 0.0) != spec.ridges.end();
    if (vanishes && needsThreshold()) threshold_ = thresholdOf(points, runner);
  }

  RiskPoint solve(int i, PartRunner& runner) const {
    const double n = examplesOf(i);
    return n > 0.0 && spec_.mixture.labelNoise > 0.0 ? averagedOverWrong(i, n, runner)
                                                     : solveAtWrongShare(i, runner);
  }

 private:
  double examplesOf(int i) const { return spec_.examples.empty() ? 0.0 : spec_.examples[i]; }

  // Without the fluctuation of the share of wrong labels.
  RiskPoint solveAtWrongShare(int i, PartRunner& runner) const {
    const double alpha = spec_.sampleRatios[i];
    const double ridge = spec_.ridges[i];
    const double n = examplesOf(i);
    if (n == 0.0 || rate_ == 0.0 || rate_ == 1.0) return solveAt(points_, alpha, ridge, threshold_, runner);
    return averaged(alpha, ridge, n, runner);
  }

  // The mean over the share of wrong labels among n examples, by two shares; where it is another than what
  // the expected share leads to, more would have to be known of its tail.
  RiskPoint averagedOverWrong(int i, double n, PartRunner& runner) const {
    constexpr double kLargestChange = 0.1;
    const double noise = spec_.mixture.labelNoise;
    const RiskPoint expected = solveAtWrongShare(i, runner);
    if (expected.status != RiskStatus::kOk || cancelled_) return expected;
    RiskPoint mean{};
    mean.effectiveDraws = expected.effectiveDraws;
    mean.reliable = expected.reliable;
    for (const WrongShare& wrong : wrongShares(n, noise)) {
      const RiskPoints points = withWrongShare(points_, noise, wrong.share);
      const CurveSolver solver(spec_, points, wrong.share, runner, cancelled_);
      const RiskPoint at = solver.solveAtWrongShare(i, runner);
      if (at.status != RiskStatus::kOk || cancelled_) return at;
      add(wrong.probability, at, mean);
    }
    RiskValue& error = mean.fields[kRiskError];
    const double change = std::abs(error.value - expected.fields[kRiskError].value);
    error.standardError = std::hypot(error.standardError, kLargestChange * change);
    mean.reliable = mean.reliable && change <= kLargestChange * error.value;
    return mean;
  }

  // Adds a point to a mean of points on the same draws, whose standard errors add up.
  static void add(double probability, const RiskPoint& at, RiskPoint& mean) {
    for (int field = 0; field < kRiskFields; ++field) {
      mean.fields[field].value += probability * at.fields[field].value;
      mean.fields[field].standardError += probability * at.fields[field].standardError;
    }
    for (size_t j = 0; j < mean.residuals.size(); ++j)
      mean.residuals[j] = std::max(mean.residuals[j], std::abs(at.residuals[j]));
    mean.effectiveDraws = std::min(mean.effectiveDraws, at.effectiveDraws);
    mean.reliable = mean.reliable && at.reliable;
  }

  // The mean over the share of positive labels among n examples.
  RiskPoint averaged(double alpha, double ridge, double n, PartRunner& runner) const {
    const std::vector<double> nodes = labelNodes(n, rate_);
    std::vector<Solution> solutions;
    std::vector<double> solved;
    for (const double share : fromTheMiddle(nodes)) {
      const RiskPoints points = withTrainingRates(points_, labelRates(rate_, share));
      const RiskValue threshold =
          ridge == 0.0 && needsThreshold() ? thresholdOf(points, runner) : RiskValue{kNaN, kNaN};
      PointSolver solver(spec_, points, alpha, ridge, threshold, runner, cancelled_);
      std::optional<RiskState> start;
      if (!solutions.empty()) start = interpolatedState(solutions, lagrangeWeights(solved, share), itsState);
      const std::optional<Solution> head = solver.solution(start);
      if (!head) return meanOfPoints(n, alpha, ridge, runner);
      if (head->status != RiskStatus::kOk || cancelled_) return solver.outcomeOf(*head);
      solutions.push_back(*head);
      solved.push_back(share);
    }
    // On different sides of the threshold of separability heads have nothing in common.
    const bool smooth = std::all_of(solutions.begin(), solutions.end(), [&](const Solution& head) {
      return head.hardMargin == solutions[0].hardMargin;
    });
    const auto headAt = [&](double share) {
      return smooth ? interpolated(solutions, lagrangeWeights(solved, share))
                    : nearest(solutions, solved, share);
    };
    LabelShares shares = labelShares(n, rate_, [&](double share) {
      return labelErrors(points_, smooth
                                      ? interpolatedState(solutions, lagrangeWeights(solved, share), itsState)
                                      : nearest(solutions, solved, share).state);
    });
    std::sort(shares.nodes.begin(), shares.nodes.end(),
              [](const LabelShare& a, const LabelShare& b) { return a.probability > b.probability; });
    std::vector<LikelyHead> heads;
    heads.reserve(shares.nodes.size());
    for (const LabelShare& share : shares.nodes)
      heads.push_back({share.probability, labelRates(rate_, share.positive), headAt(share.positive)});
    RiskPoint mean =
        PointSolver(spec_, points_, alpha, ridge, threshold_, runner, cancelled_).outcomeOf(std::move(heads));
    RiskValue& error = mean.fields[kRiskError];
    error.standardError = std::hypot(error.standardError, shares.accuracy * error.value);
    return mean;
  }

  // Where nothing is drawn: without noise, or at the peak of least squares.
  RiskPoint meanOfPoints(double n, double alpha, double ridge, PartRunner& runner) const {
    const auto pointAt = [&](double share) {
      const RiskPoints points = withTrainingRates(points_, labelRates(rate_, share));
      return solveAt(points, alpha, ridge, threshold_, runner);
    };
    const auto errorsAt = [&](double share) {
      const RiskPoint at = pointAt(share);
      const PlaneVector w{at.fields[kRiskHead1].value, at.fields[kRiskHead2].value};
      return labelErrors(points_, stateAt(points_, w, at.fields[kRiskOrthogonalNorm].value, 0.0));
    };
    RiskPoint mean{};
    mean.effectiveDraws = kInfinity;
    mean.reliable = true;
    const LabelShares shares = labelShares(n, rate_, errorsAt);
    for (const LabelShare& share : shares.nodes) {
      const RiskPoint at = pointAt(share.positive);
      if (at.status != RiskStatus::kOk || cancelled_) return at;
      add(share.probability, at, mean);
    }
    RiskValue& error = mean.fields[kRiskError];
    error.standardError = std::hypot(error.standardError, shares.accuracy * error.value);
    return mean;
  }

  // From a few draws.
  static LabelErrors labelErrors(const RiskPoints& points, const RiskState& state) {
    constexpr int kDraws = 64;
    const double R = noiseNorm(points, state);
    LabelErrors errors{};
    LabelErrors probabilities{};
    for (const RiskSegment& segment : points.batches[0]) {
      const int count = std::min(segment.count, kDraws);
      double sum = 0.0;
      for (size_t at = segment.begin; at < segment.begin + count; ++at) {
        const double B = points.irrelevantMasses[at];
        const PlaneVector b = (1.0 - B) * segment.relevant + PlaneVector{points.eta1[at], points.eta2[at]};
        sum += misclassification(dot({state.w1, state.w2}, b), std::sqrt(points.variances[at]) * R);
      }
      if (segment.testProbability == 0.0) continue;
      const size_t label = segment.observed > 0.0 ? 0 : 1;
      errors[label] += segment.testProbability * sum / count;
      probabilities[label] += segment.testProbability;
    }
    for (size_t label = 0; label < errors.size(); ++label)
      if (probabilities[label] > 0.0) errors[label] /= probabilities[label];
    return errors;
  }

  // Each value next to one before it.
  static std::vector<double> fromTheMiddle(std::vector<double> sorted) {
    const double middle = sorted[sorted.size() / 2];
    std::sort(sorted.begin(), sorted.end(),
              [&](double a, double b) { return std::abs(a - middle) < std::abs(b - middle); });
    return sorted;
  }

  static const Solution& nearest(const std::vector<Solution>& heads, const std::vector<double>& nodes,
                                 double share) {
    size_t best = 0;
    for (size_t i = 1; i < nodes.size(); ++i)
      if (std::abs(nodes[i] - share) < std::abs(nodes[best] - share)) best = i;
    return heads[best];
  }

  // What stateOf(head) is between the heads.
  template <class StateOf>
  static RiskState interpolatedState(const std::vector<Solution>& heads, const std::vector<double>& weights,
                                     StateOf stateOf) {
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
  }
  static const RiskState& itsState(const Solution& head) { return head.state; }

  static Solution interpolated(const std::vector<Solution>& heads, const std::vector<double>& weights) {
    Solution solution = heads[0];
    solution.state = interpolatedState(heads, weights, itsState);
    if (std::isfinite(solution.chi)) solution.chi = solution.state.chi;
    for (const Solution& head : heads)
      for (size_t j = 0; j < head.residuals.size(); ++j)
        solution.residuals[j] = std::max(std::abs(solution.residuals[j]), std::abs(head.residuals[j]));
    for (size_t batch = 0; batch < solution.alone.size(); ++batch)
      solution.alone[batch] = interpolatedState(
          heads, weights, [batch](const Solution& head) -> const RiskState& { return head.alone[batch]; });
    return solution;
  }

  bool needsThreshold() const { return !points_.noiseless && needsErrors(traitsOf(spec_.head).loss); }

  static RiskValue thresholdOf(const RiskPoints& points, PartRunner& runner) {
    const Separability found = separability(points, runner);
    const double whole = 1.0 / found.least;
    if (!std::isfinite(found.threshold)) return {found.threshold, 0.0};
    RunningMean scatter;
    for (const double least : found.batches) scatter.add(least);
    return {found.threshold, kRiskStudent * scatter.standardError() * whole * whole};
  }

  RiskPoint solveAt(const RiskPoints& points, double alpha, double ridge, RiskValue threshold,
                    PartRunner& runner) const {
    return PointSolver(spec_, points, alpha, ridge, ridge == 0.0 ? threshold : RiskValue{kNaN, kNaN}, runner,
                       cancelled_)
        .solve();
  }

  const RiskSpec& spec_;
  const RiskPoints& points_;
  const double rate_;  // of observed labels +1
  const std::atomic<bool>& cancelled_;
  RiskValue threshold_{kNaN, kNaN};
};

}  // namespace

RiskCurve knownPromptRisk(const RiskSpec& spec, PartRunner& runner, const std::atomic<bool>& cancelled) {
  const RiskPoints points =
      drawRiskPoints(spec.mixture, spec.inverseTemperature, spec.draws, spec.key,
                     traitsOf(spec.head).loss == MarginLoss::kLogistic, runner, cancelled);
  RiskCurve curve{};
  if (cancelled) return curve;
  curve.relevantAttention = points.relevantAttention;
  curve.relevantAttentionStandardError = kRiskStudent * points.relevantAttentionStandardError;
  const CurveSolver solver(spec, points, spec.mixture.labelNoise, runner, cancelled);
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
