// Normal distribution function, density and quantile, on vectors of doubles (Highway).
//
// With x = z/√2 ≥ 0,
//
//   Φ(−z) = ½ erfc(x) = ½ e^{−x²} P(t)/(1 + 2x),   t = (x − 3.75)/(x + 3.75),
//
// P the polynomial that interpolates (1 + 2x) e^{x²} erfc(x) at 23 Chebyshev nodes in t: relative error below
// 1e-15, apart from the rounding of z itself, down to where Φ(−z) underflows; |z| > 40 counts as 40. Included
// once per Highway target, after highway.h and math-inl.h.
#if defined(PROMPT_ATTENTION_NORMAL_TAIL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PROMPT_ATTENTION_NORMAL_TAIL_INL_H_
#undef PROMPT_ATTENTION_NORMAL_TAIL_INL_H_
#else
#define PROMPT_ATTENTION_NORMAL_TAIL_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {

template <class V>
struct NormalTail {
  V tail;     // Φ(−z)
  V density;  // φ(z)
};

// φ(z) = e^{−x²}/√(2π) with x = z/√2 given.
template <class D, class V>
HWY_INLINE V gaussian(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V square = hn::Mul(x, x);
  const V power = hn::Exp(d, hn::Neg(square));
  // x² − square, what rounding took off the exponent.
  return hn::NegMulAdd(power, hn::MulSub(x, x, square), power);
}

// For any z but NaN.
template <class D, class V>
HWY_INLINE NormalTail<V> normalTail(D d, V z) {
  namespace hn = hwy::HWY_NAMESPACE;
  constexpr double kCoefficients[] = {
      1.2375126308378275,     -0.14024059858554522,    0.0035854154854663067,   0.08227673848999159,
      -0.10880393014193915,   0.09230432116435616,     -0.058693398584491845,   0.028362277371370044,
      -0.00974657962081509,   0.0017556261692276722,   0.00029371408777227685,  -0.0002901553656394713,
      5.164737123871838e-05,  2.238759272534769e-05,   -1.143961526007595e-05,  -9.79297529099823e-07,
      1.7438577411359181e-06, -5.0816911811698186e-08, -2.4996538037405243e-07, 1.8778501156468795e-08,
      3.256499083798513e-08,  -1.952790162974837e-09,  -2.7293941332533855e-09};
  const V x = hn::Mul(hn::Min(hn::Abs(z), hn::Set(d, 40.0)), hn::Set(d, 0.70710678118654752));
  const V power = gaussian(d, x);
  const V t = hn::Div(hn::Sub(x, hn::Set(d, 3.75)), hn::Add(x, hn::Set(d, 3.75)));
  V polynomial = hn::Set(d, kCoefficients[22]);
  for (int i = 21; i >= 0; --i) polynomial = hn::MulAdd(polynomial, t, hn::Set(d, kCoefficients[i]));
  const V half = hn::Mul(power, hn::Set(d, 0.5));
  const V small = hn::Div(hn::Mul(half, polynomial), hn::MulAdd(hn::Set(d, 2.0), x, hn::Set(d, 1.0)));
  return {hn::IfThenElse(hn::Lt(z, hn::Zero(d)), hn::Sub(hn::Set(d, 1.0), small), small),
          hn::Mul(power, hn::Set(d, 0.39894228040143268))};
}

// z with Φ(z) = p for p in (0, ½], by two of Halley's steps from a rational approximation (Abramowitz and
// Stegun 26.2.23, error 4.5e-4).
template <class D, class V>
HWY_INLINE V lowerQuantile(D d, V p) {
  namespace hn = hwy::HWY_NAMESPACE;
  const auto horner = [d](V t, double c0, double c1, double c2) {
    return hn::MulAdd(hn::MulAdd(hn::Set(d, c2), t, hn::Set(d, c1)), t, hn::Set(d, c0));
  };
  const V t = hn::Sqrt(hn::Mul(hn::Set(d, -2.0), hn::Log(d, p)));
  const V denominator = hn::MulAdd(horner(t, 1.432788, 0.189269, 0.001308), t, hn::Set(d, 1.0));
  V z = hn::Sub(hn::Div(horner(t, 2.515517, 0.802853, 0.010328), denominator), t);
  for (int step = 0; step < 2; ++step) {
    const NormalTail<V> at = normalTail(d, hn::Neg(z));
    const V newton = hn::Div(hn::Sub(at.tail, p), at.density);
    z = hn::Sub(z, hn::Div(newton, hn::MulAdd(hn::Mul(newton, z), hn::Set(d, 0.5), hn::Set(d, 1.0))));
  }
  return z;
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#endif
