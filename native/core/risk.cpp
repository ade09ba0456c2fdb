#include "core/risk.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/least_squares_risk.h"
#include "core/running_mean.h"
#include "core/test_error.h"

namespace prompt_attention {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One (α, λ) of a curve.
class PointSolver {
 public:
  PointSolver(const RiskSpec& spec, const RiskPoints& points, double alpha, double ridge, double threshold,
              PartRunner& runner, const std::atomic<bool>& cancelled)
      : spec_(spec),
        points_(points),
        alpha_(alpha),
        ridge_(ridge),
        threshold_(threshold),
        runner_(runner),
        cancelled_(cancelled) {}

  RiskPoint solve() {
    RiskPoint point = attempt();
    // Parameters at the ends of double precision overflow.
    if (!std::isfinite(point.error) || !std::isfinite(point.standardError))
      point.status = RiskStatus::kNotConverged;
    return point;
  }

 private:
  RiskPoint attempt() {
    const bool averaging = spec_.head == HeadKind::kAveraging;
    const bool leastSquares = spec_.head == HeadKind::kLeastSquares;
    if (points_.noiseless) return noiseless(averaging);
    if (averaging) return explicitPoint(averagingState);
    if (leastSquares && ridge_ == 0.0 && alpha_ <= 1.0)
      return alpha_ == 1.0 ? chance() : explicitPoint(interpolationState);
    const RiskProblem problem{points_, loss(), alpha_, ridge_};
    if (leastSquares && !spec_.general) {
      const RiskState state = leastSquaresState(points_, alpha_, ridge_, runner_);
      const FixedPoint point = fixedPointAt(problem, state, runner_);
      // Next to interpolation the closed form can lose digits that Newton's method keeps.
      if (point.converged) return outcome(problem, point);
    }
    return outcome(problem, solveFixedPoint(problem, runner_, cancelled_));
  }

  MarginLoss loss() const { return alpha_ < threshold_ ? MarginLoss::kHardMargin : marginLossOf(spec_.head); }

  // Least squares at its peak.
  RiskPoint chance() const {
    const RiskState state = interpolationState(points_, {0, static_cast<int>(points_.batches.size())}, 1.0);
    return {RiskStatus::kOk, 0.5, 0.0, 0.0, kInfinity, {state.w1, state.w2}, kInfinity, {}, kNaN};
  }

  RiskPoint noiseless(bool averaging) const {
    const PlaneSums means = planeSums(points_, 0, 0.0);
    const PlaneVector w = averaging ? PlaneVector{means.b1, means.b2}
                                    : noiselessHead(points_, marginLossOf(spec_.head), ridge_);
    double error = 0.0;
    for (const RiskSegment& segment : points_.batches[0])
      error += segment.probability *
               misclassification(w.e1 * points_.b1[segment.begin] + w.e2 * points_.b2[segment.begin], 0.0);
    const double chi = averaging ? kNaN : ridge_ > 0.0 ? 1.0 / (alpha_ * ridge_) : kInfinity;
    return {RiskStatus::kOk, error, 0.0, error, chi, w, 0.0, {}, kNaN};
  }

  // A state that is explicit in means over draws: solved on each batch alone for the standard error.
  RiskPoint explicitPoint(RiskState (*stateOf)(const RiskPoints&, BatchRange, double)) const {
    const int batches = static_cast<int>(points_.batches.size());
    const RiskState state = stateOf(points_, {0, batches}, alpha_);
    double error = 0.0;
    double training = 0.0;
    RunningMean scatter;
    for (int batch = 0; batch < batches; ++batch) {
      const ErrorSums sums = errorSums(points_, batch, state, 1.0);
      error += sums[kError] / batches;
      training += sums[kTrainingError] / batches;
      if (batches == 1) break;
      const RiskState alone = stateOf(points_, {batch, batch + 1}, alpha_);
      scatter.add(errorSums(points_, batch, alone, 1.0)[kError]);
    }
    const double chi = spec_.head == HeadKind::kAveraging ? kNaN : state.chi;
    return {RiskStatus::kOk,
            std::min(error, 1.0),
            scatter.standardError(),
            std::min(training, 1.0),
            chi,
            {state.w1, state.w2},
            state.r,
            {},
            kNaN};
  }

  RiskPoint outcome(const RiskProblem& problem, const FixedPoint& point) {
    const bool hardMargin = problem.loss == MarginLoss::kHardMargin;
    const RiskState& state = point.state;
    RiskPoint result{};
    result.inPlaneHead = {state.w1, state.w2};
    result.orthogonalNorm = state.r;
    result.chi = hardMargin ? kInfinity : state.chi;
    result.residuals = point.residuals;
    result.separabilityThreshold = threshold_;
    result.status = point.converged ? RiskStatus::kOk : RiskStatus::kNotConverged;
    if (!point.converged || cancelled_) return result;
    const std::vector<RiskResiduals> residuals = batchResiduals(problem, point);
    const int batches = static_cast<int>(points_.batches.size());
    const double slopeAtZero = hardMargin ? 0.0 : problem.loss == MarginLoss::kLogistic ? 0.5 : 1.0;
    std::vector<ErrorSums> parts(batches);
    runner_.run(batches,
                [&](int batch, int) { parts[batch] = errorSums(points_, batch, state, slopeAtZero); });
    ErrorSums mean{};
    for (const ErrorSums& sums : parts)
      for (int i = 0; i < kErrorSums; ++i) mean[i] += sums[i] / batches;
    result.error = std::min(mean[kError], 1.0);
    result.trainingError = hardMargin ? 0.0 : std::min(mean[kTrainingError], 1.0);
    RunningMean scatter;
    const double R = noiseNorm(points_, state);
    for (int batch = 0; batch < batches && batches > 1; ++batch) {
      std::array<double, 4> shift{};
      // A singular Jacobian leaves the state as it is.
      if (!solveNewton(point.jacobian, residuals[batch], shift)) shift = {};
      const double dR = (state.w2 * shift[1] + state.r * state.r * shift[2] +
                         (points_.uniform ? state.w1 * shift[0] : 0.0)) /
                        R;
      scatter.add(parts[batch][kError] + mean[kErrorBy1] * shift[0] + mean[kErrorBy2] * shift[1] +
                  mean[kErrorByR] * dR);
    }
    result.standardError = scatter.standardError();
    return result;
  }

  const RiskSpec& spec_;
  const RiskPoints& points_;
  const double alpha_;
  const double ridge_;
  const double threshold_;
  PartRunner& runner_;
  const std::atomic<bool>& cancelled_;
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
  const bool logistic = spec.head == HeadKind::kLogistic;
  const RiskPoints points = drawRiskPoints(spec.mixture, spec.inverseTemperature, spec.draws, spec.key,
                                           logistic, runner, cancelled);
  RiskCurve curve{};
  if (cancelled) return curve;
  curve.relevantAttention = points.relevantAttention;
  curve.relevantAttentionStandardError = points.relevantAttentionStandardError;
  const bool vanishes = std::find(spec.ridges.begin(), spec.ridges.end(), 0.0) != spec.ridges.end();
  const double threshold = vanishes && !points.noiseless && (logistic || spec.head == HeadKind::kHinge)
                               ? separabilityThreshold(points, runner)
                               : kNaN;
  const int count = static_cast<int>(spec.sampleRatios.size());
  curve.points.resize(count);
  const auto solvePoint = [&](int i, PartRunner& within) {
    if (cancelled) return;
    const double ridge = spec.ridges[i];
    curve.points[i] = PointSolver(spec, points, spec.sampleRatios[i], ridge, ridge == 0.0 ? threshold : kNaN,
                                  within, cancelled)
                          .solve();
  };
  if (count < runner.workers()) {
    for (int i = 0; i < count; ++i) solvePoint(i, runner);
  } else {
    runner.run(count, [&](int i, int) {
      SerialRunner serial;
      solvePoint(i, serial);
    });
  }
  if (cancelled) curve.points.clear();
  return curve;
}

}  // namespace prompt_attention
