#include "core/laws/point_solver.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/running_mean.h"
#include "core/laws/risk_newton.h"
#include "core/laws/risk_tail.h"
#include "core/test_error/score_ladder.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Of log r and log χ on a batch alone: what is further away is not told to first order.
constexpr double kLargestShift = 30.0;
// Of the error, by which it may jump within what is known of the state; standard errors that are no jump.
constexpr double kLargestJump = 0.01;
constexpr double kStandardErrors = 3.0;

// Mean and standard error of what value(batch) is on single batches, about `whole`.
template <class Value>
RiskValue scattered(double whole, int batches, Value value) {
  RunningMean scatter;
  for (int batch = 0; batch < batches && batches > 1; ++batch) scatter.add(value(batch));
  return {whole, kRiskStudent * scatter.standardError()};
}

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
  switch (spec_.head) {
    case HeadKind::kAveraging: {
      const PlaneSums means = planeSums(points_, 0, 0.0);
      return {means.b1, means.b2};
    }
    case HeadKind::kWeightedAveraging: {
      const RiskState state = weightedAveragingState(points_, {0, 1}, alpha_);
      return {state.w1, state.w2};
    }
    case HeadKind::kLeastSquares:
    case HeadKind::kLogistic:
    case HeadKind::kHinge:
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

RiskPoint PointSolver::outcome(std::vector<LikelyHead> heads) {
  RiskPoint point = blank();
  constexpr RiskField kOfHead[] = {kRiskHead1, kRiskHead2, kRiskOrthogonalNorm, kRiskHeadNorm,
                                   kRiskSignalCosine};
  // Σ probability · field of the heads' states, or of what they are on a batch alone.
  const auto described = [&](RiskPoint& mean, const auto& stateOf) {
    for (const RiskField field : kOfHead) mean.fields[field].value = 0.0;
    for (const LikelyHead& head : heads) {
      RiskPoint one = blank();
      describe(stateOf(head.solution), one);
      for (const RiskField field : kOfHead)
        mean.fields[field].value += head.probability * one.fields[field].value;
    }
  };
  described(point, [](const Solution& solution) -> const RiskState& { return solution.state; });
  RiskValue& chi = point.fields[kRiskChi];
  chi.value = 0.0;
  for (const LikelyHead& head : heads) {
    const Solution& solution = head.solution;
    chi.value += head.probability * solution.chi;
    if (solution.status != RiskStatus::kOk) point.status = solution.status;
    for (size_t j = 0; j < point.residuals.size(); ++j)
      if (std::abs(solution.residuals[j]) >= std::abs(point.residuals[j]))
        point.residuals[j] = solution.residuals[j];
  }
  if (point.status != RiskStatus::kOk || cancelled_) return point;
  std::vector<RiskPoint> alone(batches_ > 1 ? batches_ : 0);
  for (int batch = 0; batch < static_cast<int>(alone.size()); ++batch)
    described(alone[batch],
              [batch](const Solution& solution) -> const RiskState& { return solution.alone[batch]; });
  for (const RiskField field : kOfHead)
    point.fields[field] = scattered(point.fields[field].value, batches_,
                                    [&](int batch) { return alone[batch].fields[field].value; });
  chi = std::isfinite(chi.value) ? scattered(chi.value, batches_,
                                             [&](int batch) {
                                               double mean = 0.0;
                                               for (const LikelyHead& head : heads)
                                                 mean += head.probability * head.solution.alone[batch].chi;
                                               return mean;
                                             })
                                 : RiskValue{chi.value, 0.0};
  addErrors(std::move(heads), point);
  return point;
}

void PointSolver::addErrors(std::vector<LikelyHead> heads, RiskPoint& point) {
  // What the heads that are left out could add to the error, of all of it.
  constexpr double kLeftOut = 1e-5;
  RiskTailSpec tail{spec_.mixture, spec_.inverseTemperature, points_, {}, spec_.key, spec_.draws};
  std::vector<std::vector<ErrorSums>> parts;  // by head and batch
  std::vector<ErrorSums> means;               // by head
  ErrorSums mean{};
  double left = 1.0;
  for (const LikelyHead& head : heads) {
    if (!parts.empty() && left <= kLeftOut * mean[kError]) break;
    RiskState at = head.solution.state;
    // For the hard margin and for interpolation χ is ∞, and what is told of it is not used.
    if (head.solution.hardMargin) at.chi = 0.0;
    const double slope = head.solution.slopeAtZero;
    std::vector<ErrorSums> sums(batches_);
    runner_.run(batches_,
                [&](int batch, int) { sums[batch] = errorSums(points_, batch, at, slope, head.rates); });
    ErrorSums whole{};
    for (ErrorSums& part : sums) {
      // Every margin is kept.
      if (head.solution.hardMargin)
        for (const ErrorSum none : {kTrainingError, kTrainingBy1, kTrainingBy2, kTrainingByR})
          part[none] = 0.0;
      for (int i = 0; i < kErrorSums; ++i) whole[i] += part[i] / batches_;
    }
    for (int i = 0; i < kErrorSums; ++i) mean[i] += head.probability * whole[i];
    parts.push_back(std::move(sums));
    means.push_back(whole);
    tail.heads.push_back({head.probability, at, slope, head.rates});
    left -= head.probability;
  }
  heads.resize(parts.size());
  // What Σ probability · (value of the head on the batch) is, to first order in how its state differs there.
  const auto onBatch = [&](int batch, const auto& valueOf, const auto& slopesOf) {
    double sum = 0.0;
    for (size_t h = 0; h < heads.size(); ++h) {
      const Solution& solution = heads[h].solution;
      const RiskState& alone = solution.alone[batch];
      const StateSlopes by = slopesOf(h);
      const double dR = noiseNorm(points_, alone) - noiseNorm(points_, solution.state);
      const double dChi = solution.hardMargin ? 0.0 : alone.chi - solution.state.chi;
      sum += valueOf(h) + by[0] * (alone.w1 - solution.state.w1) + by[1] * (alone.w2 - solution.state.w2) +
             by[2] * dR + by[3] * dChi;
    }
    return sum;
  };
  const auto onLattice = [&](ErrorSum value, const std::array<ErrorSum, 3>& by, bool readsChi) {
    return scattered(mean[value], batches_, [&](int batch) {
      return onBatch(
          batch, [&](size_t h) { return heads[h].probability * parts[h][batch][value]; },
          [&](size_t h) {
            const double p = heads[h].probability;
            return StateSlopes{p * means[h][by[0]], p * means[h][by[1]], p * means[h][by[2]],
                               readsChi ? p * means[h][kTrainingByChi] : 0.0};
          });
    });
  };
  RiskValue& error = point.fields[kRiskError];
  RiskValue& training = point.fields[kRiskTrainingError];
  error = onLattice(kError, {kErrorBy1, kErrorBy2, kErrorByR}, false);
  training = onLattice(kTrainingError, {kTrainingBy1, kTrainingBy2, kTrainingByR}, true);
  if (points_.hasDraws()) {
    PoolingWorkspace& workspace = *workspace_;
    // The squares are at most those of draws that are as far out for every head together.
    point.effectiveDraws = spec_.draws * (mean[kError] / mean[kErrorSquares]) * mean[kError];
    const Missed missed = missedTail(tail, mean[kError], mean[kErrorSquares], workspace, cancelled_);
    double jump = 0.0;
    if (missed.matters) {
      const RiskTail found = riskTail(tail, workspace, cancelled_);
      const auto combined = [&](const TailMean& tailMean) {
        const RiskValue fromState = scattered(0.0, batches_, [&](int batch) {
          return onBatch(
              batch, [](size_t) { return 0.0; }, [&](size_t h) { return tailMean.by[h]; });
        });
        return RiskValue{tailMean.mean, std::hypot(fromState.standardError, tailMean.standardError)};
      };
      error = combined(found.test);
      training = combined(found.training);
      point.effectiveDraws = found.test.effectiveDraws;
    } else {
      error.standardError = std::hypot(error.standardError, missed.error);
      jump = jumpOf(heads, error.standardError, parts);
      error.standardError = std::hypot(error.standardError, jump);
    }
    for (const LikelyHead& head : heads)
      point.effectiveDraws = std::min(point.effectiveDraws, head.solution.effectiveDraws);
    point.reliable =
        point.effectiveDraws >= kLeastEffectiveDraws && jump <= kLargestJump * error.value && !losesOrder();
  }
  error.value = std::min(error.value, 1.0);
  training.value = std::min(training.value, 1.0);
}

double PointSolver::jumpOf(const std::vector<LikelyHead>& heads, double standardError,
                           const std::vector<std::vector<ErrorSums>>& parts) {
  // On the first batches, which hold so many draws of every label and atom.
  constexpr int kDraws = 512;
  constexpr int kDirections = 3;
  const int perBatch = points_.batches[0][0].count;
  const int used = std::min(batches_, (kDraws + perBatch - 1) / perBatch);
  // Error of the heads moved by what moved(batch) of it is on the batches alone, and the first order of that.
  const auto change = [&](double length, const auto& signOf) {
    double found = 0.0;
    double told = 0.0;
    for (size_t h = 0; h < heads.size(); ++h) {
      const Solution& solution = heads[h].solution;
      RiskState state = solution.state;
      std::array<double, 3> shift{};
      for (int batch = 0; batch < batches_; ++batch) {
        const RiskState& alone = solution.alone[batch];
        const double weight = signOf(batch) * length / batches_;
        shift[0] += weight * (alone.w1 - solution.state.w1);
        shift[1] += weight * (alone.w2 - solution.state.w2);
        shift[2] += weight * (alone.r - solution.state.r);
      }
      moveHead(state, shift[0], shift[1]);
      state.r = std::max(0.0, state.r + shift[2]);
      if (solution.hardMargin) state.chi = 0.0;
      const double dR = noiseNorm(points_, state) - noiseNorm(points_, solution.state);
      for (int batch = 0; batch < used; ++batch) {
        const ErrorSums& at = parts[h][batch];
        const ErrorSums moved = errorSums(points_, batch, state, solution.slopeAtZero, heads[h].rates);
        const double p = heads[h].probability / used;
        found += p * (moved[kError] - at[kError]);
        told += p * (at[kErrorBy1] * shift[0] + at[kErrorBy2] * shift[1] + at[kErrorByR] * dR);
      }
    }
    return std::array<double, 2>{found, told};
  };
  // Half of the batches against the other half: two standard errors of the state in as many directions.
  double largest = 0.0;
  double squares = 0.0;
  for (int direction = 0; direction < kDirections; ++direction)
    for (const double length : {2.0, -2.0}) {
      const auto [found, told] =
          change(length, [&](int batch) { return (batch >> direction) % 2 == 0 ? 1.0 : -1.0; });
      largest = std::max(largest, std::abs(found - told));
      squares += found * found / (2.0 * kDirections);
    }
  // What few draws would have given. It is the state itself where that is told to first order only.
  const double drift = std::abs(change(1.0, [](int) { return 1.0; })[0]);
  const double noise = kStandardErrors * standardError;
  return std::max(largest > noise ? 0.5 * std::sqrt(squares) : 0.0, drift > noise ? drift : 0.0);
}

}  // namespace prompt_attention
