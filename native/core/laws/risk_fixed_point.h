// The fixed point of a head learned with a known prompt, for any loss with a ridge penalty (theory.md §6).
//
// With the sums B, Q, H of risk_sums.h at a state (w1, w2, r, χ), the limit of the head solves
//
//   λ w1 = B1           at τ = 0, where the noise along e1 has no mean left in b1:  w1 = αχ B1
//   w2 = αχ B2
//   r² = αχ² Q
//   1 = αχ (H + λ)
//
// and with a free intercept 0 = E[y e]
//
// (the second is λ w_S = E[u e] with the in-plane noise integrated by parts and the fourth put in). They are
// the stationary point of a function convex in the head and concave in the dual scale, hence unique for λ >
// 0. The hard margin (risk_sums.h) has χ = 1 and the limit ν of λχ in place of λ and χ as its fourth unknown.
//
// Newton's method (risk_newton.h). The start comes from following the solution along a path, from where it is
// explicit to first order (λ large; for the hard margin α small), on few of the draws; steps along the path
// that fail are cut in four. Where that path ends early, a second one begins at points with more noise, which
// is then taken away. Then Newton on more and more of the draws. What does not reach kRiskTolerance within a
// bounded number of passes over the points (so that it fails in the same way on every machine) is reported as
// not converged, with the state reached.
//
// A free intercept is held at 0 along these paths, and let go at their end: Newton's method in all unknowns,
// or where that does not get there steps of the intercept in the direction of E[y e], which falls in it,
// until it changes sign, and halvings. Where that fails, the second path with the intercept free.
//
// Fails where examples are so clean that which side of the kink they are on is below the digits of w: in a
// few per cent of hinge heads whose mixture has one label that sits on its margin with τQ² of several tens.
#pragma once

#include <array>
#include <atomic>
#include <optional>
#include <vector>

#include "core/laws/risk_points.h"
#include "core/laws/risk_sums.h"
#include "core/models/objective.h"

namespace prompt_attention {

constexpr double kRiskTolerance = 1e-8;
// Of w1, w2, r and χ, and of the intercept, 0 unless it is free.
using RiskResiduals = std::array<double, 5>;

struct RiskProblem {
  const RiskPoints& points;
  MarginLoss loss;
  double sampleRatio;  // α
  double ridge;        // λ
  bool interceptIsFree = false;
};

using RiskJacobian = std::array<RiskResiduals, 5>;

struct FixedPoint {
  RiskState state;
  double ridge;                     // λ, or ν of the hard margin
  RiskResiduals residuals;          // of the equations above, relative
  RiskJacobian jacobian;            // of the residuals by (w1, w2, log r, log χ or log ν, b0)
  std::vector<MarginSums> batches;  // the sums of each batch at the state
  bool converged;                   // residuals ≤ kRiskTolerance
};

// λ > 0, or λ = 0 for the logistic and hinge loss where the classes are not separable. From `start`, a state
// near the solution, where there is one and it is near enough; not of the hard margin.
FixedPoint solveFixedPoint(const RiskProblem& problem, const std::optional<RiskState>& start,
                           PartRunner& runner, const std::atomic<bool>& cancelled);

// The same at a state that is known.
FixedPoint fixedPointAt(const RiskProblem& problem, const RiskState& state, PartRunner& runner);

// The residuals of each batch alone, on the scale of those of all.
std::vector<RiskResiduals> batchResiduals(const RiskProblem& problem, const FixedPoint& point);

// Solves J x = −f for the first `unknowns` of x, 4 or 5; false if J is singular.
bool solveNewton(RiskJacobian jacobian, RiskResiduals f, int unknowns, RiskResiduals& x);

// 1/α_c = min E[(−ω)₊²/s²] at r = 1, over w and a free intercept: classes are linearly separable in the limit
// if and only if α < α_c. ∞ where it is above 1e12: the least value is then reached at infinity, or nearly
// so.
struct Separability {
  double threshold;             // α_c
  double least;                 // 1/α_c
  std::vector<double> batches;  // 1/α_c of each batch alone, to first order
};
Separability separability(const RiskPoints& points, PartRunner& runner);

// How much of the draws is looked at.
struct RiskLevel {
  int batches;
  int draws;  // of each batch
};

// From few draws to all.
std::vector<RiskLevel> riskLevels(const RiskPoints& points);

}  // namespace prompt_attention
