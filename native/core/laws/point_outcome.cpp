// What a solved head gives: its fields and errors, each with the scatter of single batches about it.
#include <algorithm>
#include <cmath>

#include "core/base/running_mean.h"
#include "core/laws/point_solver.h"
#include "core/laws/risk_newton.h"
#include "core/laws/risk_tail.h"
#include "core/test_error/score_ladder.h"

namespace prompt_attention {

namespace {

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

RiskPoint PointSolver::outcome(std::vector<LikelyHead> heads) {
  RiskPoint point = blank();
  constexpr RiskField kOfHead[] = {kRiskHead1,    kRiskHead2,        kRiskOrthogonalNorm,
                                   kRiskHeadNorm, kRiskSignalCosine, kRiskIntercept};
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
        for (const ErrorSum none : {kTrainingError, kTrainingBy1, kTrainingBy2, kTrainingByR, kTrainingBy0})
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
             by[2] * dR + by[3] * dChi + by[4] * (alone.intercept - solution.state.intercept);
    }
    return sum;
  };
  const auto onLattice = [&](ErrorSum value, const std::array<ErrorSum, 4>& by, bool readsChi) {
    return scattered(mean[value], batches_, [&](int batch) {
      return onBatch(
          batch, [&](size_t h) { return heads[h].probability * parts[h][batch][value]; },
          [&](size_t h) {
            const double p = heads[h].probability;
            return StateSlopes{p * means[h][by[0]], p * means[h][by[1]], p * means[h][by[2]],
                               readsChi ? p * means[h][kTrainingByChi] : 0.0, p * means[h][by[3]]};
          });
    });
  };
  RiskValue& error = point.fields[kRiskError];
  RiskValue& training = point.fields[kRiskTrainingError];
  error = onLattice(kError, {kErrorBy1, kErrorBy2, kErrorByR, kErrorBy0}, false);
  training = onLattice(kTrainingError, {kTrainingBy1, kTrainingBy2, kTrainingByR, kTrainingBy0}, true);
  if (points_.hasDraws()) {
    PoolingWorkspace& workspace = *workspace_;
    // The squares are at most those of draws that are as far out for every head together.
    point.effectiveDraws = spec_.draws * (mean[kError] / mean[kErrorSquares]) * mean[kError];
    const Missed missed = missedTail(tail, mean[kError], mean[kErrorSquares], workspace, cancelled_);
    double jump = 0.0;
    // A ladder shifts the scores of irrelevant tokens only.
    const bool isMissing = missed.matters && points_.relevantNoise;
    if (missed.matters && !isMissing) {
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
    point.reliable = !isMissing && point.effectiveDraws >= kLeastEffectiveDraws &&
                     jump <= kLargestJump * error.value && !losesOrder();
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
      std::array<double, 4> shift{};
      for (int batch = 0; batch < batches_; ++batch) {
        const RiskState& alone = solution.alone[batch];
        const double weight = signOf(batch) * length / batches_;
        shift[0] += weight * (alone.w1 - solution.state.w1);
        shift[1] += weight * (alone.w2 - solution.state.w2);
        shift[2] += weight * (alone.r - solution.state.r);
        shift[3] += weight * (alone.intercept - solution.state.intercept);
      }
      moveHead(state, shift[0], shift[1], shift[3]);
      state.r = std::max(0.0, state.r + shift[2]);
      if (solution.hardMargin) state.chi = 0.0;
      const double dR = noiseNorm(points_, state) - noiseNorm(points_, solution.state);
      for (int batch = 0; batch < used; ++batch) {
        const ErrorSums& at = parts[h][batch];
        const ErrorSums moved = errorSums(points_, batch, state, solution.slopeAtZero, heads[h].rates);
        const double p = heads[h].probability / used;
        found += p * (moved[kError] - at[kError]);
        told += p * (at[kErrorBy1] * shift[0] + at[kErrorBy2] * shift[1] + at[kErrorByR] * dR +
                     at[kErrorBy0] * shift[3]);
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
