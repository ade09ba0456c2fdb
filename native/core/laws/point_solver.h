// The law of a known prompt at one (α, λ) and one share of labels: the limit of the head, its standard error
// by what the head would be on each batch of draws alone, and its errors at that limit; or at several limits,
// each with its probability, on the same draws.
#pragma once

#include <atomic>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "core/laws/least_squares_risk.h"
#include "core/laws/risk.h"
#include "core/laws/risk_fixed_point.h"
#include "core/laws/risk_points.h"
#include "core/mixture/pooling.h"

namespace prompt_attention {

// A limit of the head, and what it would be on each batch alone (none where nothing is drawn).
struct Solution {
  RiskStatus status = RiskStatus::kOk;
  RiskState state;
  double chi;  // as it is told
  double slopeAtZero;
  bool hardMargin = false;
  RiskResiduals residuals{};
  std::vector<RiskState> alone;
  double effectiveDraws = std::numeric_limits<double>::infinity();  // that carry the state
};

// A head that is one of several.
struct LikelyHead {
  double probability;
  LabelRates rates;  // of its training examples
  Solution solution;
};

class PointSolver {
 public:
  PointSolver(const RiskSpec& spec, const RiskPoints& points, double alpha, double ridge, RiskValue threshold,
              PartRunner& runner, const std::atomic<bool>& cancelled);
  RiskPoint solve();
  // The head alone, where it has a fixed point or a closed form; `start` is a state that may be near it.
  std::optional<Solution> solution(const std::optional<RiskState>& start = std::nullopt);
  // What a head that is known gives, or the mean over heads that are: most likely first.
  RiskPoint outcomeOf(const Solution& solution);
  RiskPoint outcomeOf(std::vector<LikelyHead> heads);

 private:
  RiskPoint checked(RiskPoint point) const;
  // Without a ridge, which of the cleanest examples is cleaner matters as soon as they cannot all be fitted.
  bool losesOrder() const;
  bool isPeak() const;
  // Whether the head says nothing whatever is drawn: at the peak, or no example counts.
  bool isChance() const;
  RiskPoint attempt();
  Solution solved(const std::optional<RiskState>& start = std::nullopt);
  // Least squares without ridge on examples that are all so clean that s² B² would be 0: the same with noise
  // times `unit`, in which only χ has a unit.
  Solution solvedInUnits(double unit);
  MarginLoss loss() const;
  static RiskPoint blank();
  // The head's fields.
  void describe(const RiskState& state, RiskPoint& point) const;
  RiskPoint chance() const;
  RiskPoint noiseless() const;
  RiskState noiselessState() const;
  // A state that is explicit in means over draws: solved on each batch alone.
  Solution explicitSolution(RiskState (*stateOf)(const RiskPoints&, BatchRange, double)) const;
  Solution solutionOf(const RiskProblem& problem, const FixedPoint& point) const;
  RiskPoint outcome(std::vector<LikelyHead> heads);
  void addErrors(std::vector<LikelyHead> heads, RiskPoint& point);
  // By how much the error may be elsewhere within what is known of the state, in a way that its derivatives
  // do not tell: an error that is a step of the state, or a state that drifts with the number of draws. 0 if
  // there is no such thing. `parts` are the sums of every head and batch.
  double jumpOf(const std::vector<LikelyHead>& heads, double standardError,
                const std::vector<std::vector<ErrorSums>>& parts);

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

}  // namespace prompt_attention
