#include "core/laws/point_solver.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/laws/risk_newton.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Of log r and log χ on a batch alone: what is further away is not told to first order.
constexpr double kLargestShift = 30.0;

}  // namespace

PointSolver::PointSolver(const RiskSpec& spec, const RiskPoints& points, double alpha, double ridge,
                         RiskValue threshold, PartRunner& runner, const std::atomic<bool>& cancelled)
    : spec_(spec),
      points_(points),
      batches_(static_cast<int>(points.batches.size())),
      alpha_(alpha),
      ridge_(ridge),
      threshold_(threshold),
      runner_(runner),
      cancelled_(cancelled) {}

RiskPoint PointSolver::solve() {
  return checked(attempt());
}

std::optional<Solution> PointSolver::solution(const std::optional<RiskState>& start) {
  if (points_.noiseless || isChance()) return std::nullopt;
  return solved(start);
}

RiskPoint PointSolver::outcomeOf(const Solution& solution) {
  return checked(outcome({{1.0, {}, solution}}));
}

RiskPoint PointSolver::outcomeOf(std::vector<LikelyHead> heads) {
  return checked(outcome(std::move(heads)));
}

RiskPoint PointSolver::checked(RiskPoint point) const {
  point.fields[kRiskSeparability] = threshold_;
  // Parameters at the ends of double precision overflow.
  const RiskValue& error = point.fields[kRiskError];
  if (!std::isfinite(error.value) || !std::isfinite(error.standardError))
    point.status = RiskStatus::kNotConverged;
  return point;
}

bool PointSolver::losesOrder() const {
  return !isSum(spec_.head) && ridge_ == 0.0 && alpha_ * points_.clipped > 0.5;
}

bool PointSolver::isPeak() const {
  return spec_.head == HeadKind::kLeastSquares && ridge_ == 0.0 && alpha_ == 1.0;
}

bool PointSolver::isChance() const {
  return isPeak() || (spec_.head == HeadKind::kWeightedAveraging && spec_.mixture.relevantTokens == 0);
}

RiskPoint PointSolver::attempt() {
  if (points_.noiseless) return noiseless();
  return isChance() ? chance() : outcome({{1.0, {}, solved()}});
}

Solution PointSolver::solved(const std::optional<RiskState>& start) {
  const bool leastSquares = spec_.head == HeadKind::kLeastSquares;
  if (spec_.head == HeadKind::kAveraging) return explicitSolution(averagingState);
  if (spec_.head == HeadKind::kWeightedAveraging) {
    Solution solution = explicitSolution(weightedAveragingState);
    solution.effectiveDraws = drawsOfWeights(points_);
    return solution;
  }
  if (leastSquares && ridge_ == 0.0 && alpha_ < 1.0) return explicitSolution(interpolationState);
  const double unit = leastSquares && ridge_ == 0.0 ? noiseUnit(points_) : 1.0;
  if (unit != 1.0) return solvedInUnits(unit);
  const RiskProblem problem{points_, loss(), alpha_, ridge_};
  if (leastSquares && !spec_.general) {
    const RiskState state = leastSquaresState(points_, alpha_, ridge_, runner_);
    const FixedPoint point = fixedPointAt(problem, state, runner_);
    // Next to interpolation the closed form can lose digits that Newton's method keeps.
    if (point.converged) return solutionOf(problem, point);
  }
  return solutionOf(problem, solveFixedPoint(problem, start, runner_, cancelled_));
}

Solution PointSolver::solvedInUnits(double unit) {
  const RiskPoints points = withNoiseTimes(points_, unit);
  Solution solution = PointSolver(spec_, points, alpha_, ridge_, threshold_, runner_, cancelled_).solved();
  const auto restore = [&](RiskState& state) {
    state.chi *= unit * unit;
    state.offset = (1.0 / unit) * state.offset;
  };
  restore(solution.state);
  for (RiskState& alone : solution.alone) restore(alone);
  solution.chi = solution.state.chi;
  return solution;
}

MarginLoss PointSolver::loss() const {
  return alpha_ < threshold_.value ? MarginLoss::kHardMargin : traitsOf(spec_.head).loss;
}

RiskPoint PointSolver::blank() {
  RiskPoint point{};
  point.fields.fill({kNaN, kNaN});
  point.effectiveDraws = kInfinity;
  point.reliable = true;
  return point;
}

void PointSolver::describe(const RiskState& state, RiskPoint& point) const {
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

RiskPoint PointSolver::chance() const {
  RiskPoint point = blank();
  const BatchRange all{0, batches_};
  describe(isPeak() ? interpolationState(points_, all, 1.0) : weightedAveragingState(points_, all, alpha_),
           point);
  point.fields[kRiskError] = {0.5, 0.0};
  point.fields[kRiskTrainingError] = {isPeak() ? 0.0 : 0.5, 0.0};
  point.fields[kRiskChi].value = isPeak() ? kInfinity : kNaN;
  return point;
}

PlaneVector PointSolver::noiselessPlane() const {
  switch (traitsOf(spec_.head).form) {
    case HeadForm::kAveraging: {
      const PlaneSums means = planeSums(points_, 0, 0.0);
      return {means.b1, means.b2};
    }
    case HeadForm::kWeightedAveraging: {
      const RiskState state = weightedAveragingState(points_, {0, 1}, alpha_);
      return {state.w1, state.w2};
    }
    case HeadForm::kLeastSquares:
    case HeadForm::kMargin:
      break;
  }
  return noiselessHead(points_, traitsOf(spec_.head).loss, ridge_);
}

RiskPoint PointSolver::noiseless() const {
  const PlaneVector w = noiselessPlane();
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
  const double chi = isSum(spec_.head) ? kNaN : ridge_ > 0.0 ? 1.0 / (alpha_ * ridge_) : kInfinity;
  for (RiskValue& field : point.fields) field.standardError = 0.0;
  point.fields[kRiskError].value = error;
  point.fields[kRiskTrainingError].value = training;
  point.fields[kRiskChi].value = chi;
  return point;
}

Solution PointSolver::explicitSolution(RiskState (*stateOf)(const RiskPoints&, BatchRange, double)) const {
  Solution solution{};
  solution.state = stateOf(points_, {0, batches_}, alpha_);
  solution.slopeAtZero = 1.0;
  solution.chi = isSum(spec_.head) ? kNaN : solution.state.chi;
  solution.hardMargin = !isSum(spec_.head);
  for (int batch = 0; batch < batches_ && batches_ > 1; ++batch)
    solution.alone.push_back(stateOf(points_, {batch, batch + 1}, alpha_));
  return solution;
}

Solution PointSolver::solutionOf(const RiskProblem& problem, const FixedPoint& point) const {
  Solution solution{};
  solution.status = point.converged ? RiskStatus::kOk : RiskStatus::kNotConverged;
  solution.state = point.state;
  solution.hardMargin = problem.loss == MarginLoss::kHardMargin;
  solution.chi = solution.hardMargin ? kInfinity : point.state.chi;
  solution.slopeAtZero = slopeAtZero(problem.loss);
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

}  // namespace prompt_attention
