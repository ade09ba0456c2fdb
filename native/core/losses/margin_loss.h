// Losses ℓ of a margin ω and what their training value p = argmin_p ℓ(p) + (p − ω)²/(2c) leaves of it,
// e = −ℓ'(p) = (p − ω)/c.
//
//   square      ℓ = ½(1 − p)²          over ω ~ N(a, t²) in closed form
//   hinge       ℓ = max(0, 1 − p)      over ω in closed form: p is piecewise linear
//   logistic    ℓ = log(1 + e^{−p})    at ω = a + t x, x the point's own normal
//   hard margin e = (1 − ω)₊/s², the limit χ e of the hinge for c = χs², χ → ∞, in closed form
//   separation  the same with (−ω)₊/s²
//
// Logistic p: Halley's iteration on F(p) = p − ω − c/(1 + e^p), increasing, within a bracket that starts as
// [ω, ω + c] and shrinks to every iterate; cubic, so that a step below 1e-5 leaves an error below 1e-15. Cost
// per point about 3 ns square, 10 ns hinge, 12 ns logistic.
#pragma once

namespace prompt_attention {

enum class MarginLoss { kSquare, kLogistic, kHinge, kHardMargin, kSeparation };

// e₀ = −ℓ'(0).
constexpr double slopeAtZero(MarginLoss loss) {
  switch (loss) {
    case MarginLoss::kLogistic:
      return 0.5;
    case MarginLoss::kSquare:
    case MarginLoss::kHinge:
    case MarginLoss::kHardMargin:
    case MarginLoss::kSeparation:
      break;
  }
  return 1.0;
}

// Whether the loss falls, or is least, on all margins beyond some: without a ridge there is a head only where
// the classes cannot be separated.
constexpr bool needsErrors(MarginLoss loss) {
  switch (loss) {
    case MarginLoss::kSquare:
      return false;
    case MarginLoss::kLogistic:
    case MarginLoss::kHinge:
    case MarginLoss::kHardMargin:
    case MarginLoss::kSeparation:
      break;
  }
  return true;
}

}  // namespace prompt_attention
