// The fixed point of risk_fixed_point.h as nested convex problems, for where Newton's method on its equations
// fails.
//
// With κ = r/(χ√α) held fixed, F = E M_{χs²}(ω) − rκ/(2√α) + (λ/2)(|w|² + r²) is convex in (w1, w2, r), M the
// Moreau envelope of the loss; its least value is concave in κ, with slope of the sign of Q − κ²: one
// monotone root in log κ, bracketed. Newton's method within, with a line search on the slope along the step.
// The result is a start for Newton's method on the equations, which alone decide about convergence.
#pragma once

#include <functional>

#include "core/risk_points.h"
#include "core/risk_sums.h"

namespace prompt_attention {

struct NestedProblem {
  const RiskPoints& points;
  double sampleRatio;
  double ridge;
  std::function<MarginSums(const RiskState&)> sums;
  std::function<bool()> stopped;
  std::function<bool(const RiskState&)> accept;  // whether the search may end at the state
};

bool solveNested(const NestedProblem& problem, double chi);

}  // namespace prompt_attention
