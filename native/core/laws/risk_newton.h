// Newton's method on the equations of risk_fixed_point.h at given points, and what it is made of.
//
// Unknowns (w1, w2, log r, log χ), of the hard margin (w1, w2, log r, log ν), and the intercept where it is
// free, with backtracking on the sum of squares of the equations, each relative to the size of its terms.
// Cost: one pass over the points of the level for every state that is tried; passes are counted, so that a
// solver ends after as many of them on every machine.
#pragma once

#include <atomic>
#include <vector>

#include "core/laws/risk_fixed_point.h"

namespace prompt_attention {

// Passes over all points; a pass over a share of them counts as that share.
struct Passes {
  double spent = 0.0;
  double most;
};

// How long Newton's method may try.
struct NewtonBounds {
  int steps = 60;
  int halvings = 40;
};

// Largest absolute value; ∞ where one is no number.
double largest(const RiskResiduals& residuals);

// `value`, or `otherwise` where it is not above 0.
double positiveOr(double value, double otherwise);

void moveHead(RiskState& state, double by1, double by2, double byIntercept = 0.0);

class RiskNewton {
 public:
  RiskNewton(const RiskProblem& problem, PartRunner& runner, const std::atomic<bool>& cancelled,
             Passes& passes);

  // From the point's state on, until the largest residual is at most `target`.
  FixedPoint newton(RiskLevel level, FixedPoint point, double target, NewtonBounds bounds = {});

  // Residuals and Jacobian at the point's state.
  void evaluate(RiskLevel level, FixedPoint& point);

  // The equations from the sums, with their Jacobian; relative to terms of the size that `reference`, a value
  // of Q, gives them.
  void equations(const MarginSums& sums, double reference, const FixedPoint& point, RiskResiduals& f,
                 RiskJacobian* J) const;

  // The sums of the batches of the level, and their mean.
  std::vector<MarginSums> batchSums(RiskLevel level, const RiskState& state);
  static MarginSums meanOf(const std::vector<MarginSums>& batches);
  MarginSums sumsOf(RiskLevel level, const RiskState& state) { return meanOf(batchSums(level, state)); }

 protected:
  bool stopped() const { return cancelled_ || passes_.spent > passes_.most; }

  const RiskProblem problem_;
  const RiskPoints& points_;
  double alpha_;  // a path may begin at another one than the problem's
  const bool hardMargin_;
  const int unknowns_;
  PartRunner& runner_;
  const std::atomic<bool>& cancelled_;
  Passes& passes_;

 private:
  // The state after `length` of the step.
  FixedPoint moved(const FixedPoint& point, const RiskResiduals& step, double length) const;
};

}  // namespace prompt_attention
