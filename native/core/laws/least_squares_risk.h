// The closed forms of risk.h: least squares given χ, interpolation, averaging, and everything without noise.
#pragma once

#include "core/laws/risk_fixed_point.h"

namespace prompt_attention {

// Least squares with noise, λ > 0 or α > 1.
RiskState leastSquaresState(const RiskPoints& points, double alpha, double ridge, PartRunner& runner);

// Batches first … last − 1 only.
struct BatchRange {
  int first;
  int last;
};

// Least squares at λ = 0, α ≤ 1 (χ = ∞), and averaging (χ = 1/α).
RiskState interpolationState(const RiskPoints& points, BatchRange range, double alpha);
RiskState averagingState(const RiskPoints& points, BatchRange range, double alpha);
// The same for weighted averaging.
RiskState weightedAveragingState(const RiskPoints& points, BatchRange range, double alpha);
// Draws (Σv)²/Σv² that carry E[A²/s²], on which its state rests.
double drawsOfWeights(const RiskPoints& points);

// b of the first point of a segment.
PlaneVector firstMargin(const RiskPoints& points, const RiskSegment& segment);

// Without noise: the minimiser of E ℓ(wᵀb + y b0) + (λ/2)‖w‖² over the plane and a free intercept; the least
// squares one of least norm if λ = 0. Logistic and hinge need λ > 0. With r = 0.
RiskState noiselessHead(const RiskPoints& points, MarginLoss loss, double ridge);

}  // namespace prompt_attention
