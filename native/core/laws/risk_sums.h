// The averages that the fixed-point equations of a known prompt's risk are made of (risk_fixed_point.h), and
// their derivatives.
//
// Everything is written for margins ω = y f: with b = y u and the intercept b0, a point has ω ~ N(a, t²),
//
//   a = w1 b1 + w2 b2 + y b0,   t = s R,   R² = r² + w2² (+ w1² at τ = 0),
//
// the training value is p = argmin_p ℓ(p) + (p − ω)²/(2c) with c = χ s², and e = −ℓ'(p) = (p − ω)/c. With
// h = −∂e/∂ω the averages over points and ω are
//
//   B_j = E[b_j e],   Q = E[s² e²],   H = E[s² h],
//
// over ω as margin_loss.h says.
#pragma once

#include <array>

#include "core/laws/risk_points.h"
#include "core/losses/margin_loss.h"

namespace prompt_attention {

struct RiskState {
  double w1;
  double w2;
  double r;
  double chi;
  // w − origin of the points, with digits of its own: close to the origin those of w do not tell it.
  PlaneVector offset;
  double intercept = 0.0;  // b0
};

// The state of a head w, and of one that is told by its offset.
RiskState stateAt(const RiskPoints& points, PlaneVector w, double r, double chi);
RiskState stateFrom(const RiskPoints& points, PlaneVector offset, double r, double chi);

// 1 − wᵀβ − y b0 of the relevant tokens of a segment.
double relevantGap(const RiskSegment& segment, const RiskState& state);

// Which sum is which: derivatives along a (times b1, b2), t (per unit of R) and c (per unit of χ); those with
// a 0, of E[y e] and along a times y, are 0 unless the intercept is free.
enum MarginSum {
  kB1,
  kB2,
  kB11,
  kB12,
  kB22,
  kB1t,
  kB2t,
  kB1c,
  kB2c,
  kQ,
  kQ1,
  kQ2,
  kQt,
  kQc,
  kH,
  kH1,
  kH2,
  kHt,
  kHc,
  kB0,
  kB00,
  kB01,
  kB02,
  kB0t,
  kB0c,
  kQ0,
  kH0,
  kMarginSums
};
using MarginSums = std::array<double, kMarginSums>;

// Test error E Φ(−a/t), training error E P(p < 0) = E Φ(−(a + e₀ c)/t), e₀ = −ℓ'(0), and their derivatives by
// w1, w2 through a and by R.
enum ErrorSum {
  kError,
  kTrainingError,
  kErrorBy1,
  kErrorBy2,
  kErrorByR,
  kTrainingBy1,
  kTrainingBy2,
  kTrainingByR,
  kTrainingByChi,
  kErrorBy0,  // by the intercept
  kTrainingBy0,
  kErrorSquares,  // mean of the squares of what the errors are means of
  kTrainingSquares,
  kErrorSums
};
using ErrorSums = std::array<double, kErrorSums>;

// R of the state.
double noiseNorm(const RiskPoints& points, const RiskState& state);

// Averages over one batch, or over the first `draws` draws of it.
MarginSums marginSums(const RiskPoints& points, int batch, int draws, MarginLoss loss,
                      const RiskState& state);
// Training errors among examples whose labels have `rates`.
ErrorSums errorSums(const RiskPoints& points, int batch, const RiskState& state, double slopeAtZero,
                    LabelRates rates);

// E[s²χκ], E[s²κ²] for κ = 1/(1 + s²χ), over one batch, or over the first `draws` draws of it.
struct ShrinkageSums {
  double value;
  double slope;
};
ShrinkageSums shrinkageSums(const RiskPoints& points, int batch, int draws, double chi);

// E[κ b bᵀ] without the noise, E[κ s²], E[κ b], and E[κ b gap] for the gaps 1 − originᵀb; the weights are
// κ = 1/(1 + s²χ), or 1/(s²χ) (`vanishing`). With a free intercept also E[κ], E[κ y], E[κ y b] and
// E[κ y gap].
struct PlaneSums {
  double b11, b12, b22, variance, b1, b2, gap1, gap2;
  double one = 0.0, y = 0.0, y1 = 0.0, y2 = 0.0, yGap = 0.0;
};
PlaneSums planeSums(const RiskPoints& points, int batch, double chi, bool vanishing = false);

// E[(1 − a)²/s²]/χ.
double relativeGapSquares(const RiskPoints& points, int batch, double chi, const RiskState& state);

// p[count] for the losses of the heads; scale c ≥ 0. For tests.
void proximalPoints(MarginLoss loss, const double* omega, const double* c, size_t count, double* p);

}  // namespace prompt_attention
