// Φ(−z), φ(z) and the quantile on vectors, for files compiled once per instruction set (see random-inl.h for
// the guard).
//
// For z ≥ 0, Φ(−z) = e^{−z²/2} P(t)/(1 + 2z) with t = (z − 5)/(z + 5) and P a polynomial of degree 23
// (scripts/normal-tail-coefficients.py), which leaves a relative error of a few roundings down to the
// smallest double; Φ(−z) = 1 − Φ(z) for z < 0.
#if defined(PROMPT_ATTENTION_NORMAL_TAIL_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef PROMPT_ATTENTION_NORMAL_TAIL_INL_H
#undef PROMPT_ATTENTION_NORMAL_TAIL_INL_H
#else
#define PROMPT_ATTENTION_NORMAL_TAIL_INL_H
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class V>
struct NormalTail {
  V tail;     // Φ(−z)
  V density;  // φ(z)
};

// e^{−z²/2}, with the rounding of z² put back where the processor can tell it; |z| ≤ 40.
template <class Reals>
HWY_INLINE hn::Vec<Reals> gaussPower(Reals reals, hn::Vec<Reals> z) {
  const auto square = hn::Mul(z, z);
  const auto rounding = hn::MulSub(z, z, square);
  const auto half = hn::Set(reals, -0.5);
  const auto power = hn::Exp(reals, hn::Mul(half, square));
  return hn::MulAdd(hn::Mul(half, rounding), power, power);
}

// z may be infinite; a NaN gives a NaN.
template <class Reals>
HWY_INLINE NormalTail<hn::Vec<Reals>> normalTailAndDensity(Reals reals, hn::Vec<Reals> z) {
  constexpr double kCoefficients[24] = {
      8.4611235472506925291e-1,  -3.9647008404006103184e-2,  -5.4008075034076779314e-2,
      1.0088858203458645898e-1,  -1.0065743821674248774e-1,  7.2487826975044873377e-2,
      -3.9332201356466951514e-2, 1.5422845692258386153e-2,   -3.5716954183106750015e-3,
      -1.1869364792237797892e-4, 4.2509572359543090949e-4,   -1.0817647552731757049e-4,
      -2.6436433138360858051e-5, 1.9389765154370132708e-5,   5.3394019053843804572e-7,
      -2.858373675797680752e-6,  1.7935683838426438368e-7,   4.3198286106023728472e-7,
      -4.2289738822713188166e-8, -6.7906827662083440337e-8,  5.8428190572683664823e-9,
      9.58476516970287599e-9,    -4.3860591195798052238e-10, -8.252783905171468282e-10};
  const auto one = hn::Set(reals, 1.0);
  const auto five = hn::Set(reals, 5.0);
  // Φ(−40) is below the smallest double.
  const auto x = hn::IfThenElse(hn::IsNaN(z), z, hn::Min(hn::Abs(z), hn::Set(reals, 40.0)));
  const auto t = hn::Div(hn::Sub(x, five), hn::Add(x, five));
  auto P = hn::Set(reals, kCoefficients[23]);
  for (int j = 22; j >= 0; --j) P = hn::MulAdd(P, t, hn::Set(reals, kCoefficients[j]));
  const auto gauss = gaussPower(reals, x);
  const auto tail = hn::Div(hn::Mul(gauss, P), hn::MulAdd(x, hn::Set(reals, 2.0), one));
  return {hn::IfThenElse(hn::Lt(z, hn::Zero(reals)), hn::Sub(one, tail), tail),
          hn::Mul(gauss, hn::Set(reals, 0.39894228040143268))};
}

template <class Reals>
HWY_INLINE hn::Vec<Reals> normalTail(Reals reals, hn::Vec<Reals> z) {
  return normalTailAndDensity(reals, z).tail;
}

// z with Φ(z) = p for p in (0, ½], by two of Halley's steps from a rational approximation (Abramowitz and
// Stegun 26.2.23, error 4.5e-4).
template <class Reals>
HWY_INLINE hn::Vec<Reals> lowerQuantile(Reals reals, hn::Vec<Reals> p) {
  const auto horner = [reals](hn::Vec<Reals> t, double c0, double c1, double c2) {
    return hn::MulAdd(hn::MulAdd(hn::Set(reals, c2), t, hn::Set(reals, c1)), t, hn::Set(reals, c0));
  };
  const auto one = hn::Set(reals, 1.0);
  const auto t = hn::Sqrt(hn::Mul(hn::Set(reals, -2.0), hn::Log(reals, p)));
  const auto bottom = hn::MulAdd(horner(t, 1.432788, 0.189269, 0.001308), t, one);
  auto z = hn::Sub(hn::Div(horner(t, 2.515517, 0.802853, 0.010328), bottom), t);
  for (int step = 0; step < 2; ++step) {
    const auto at = normalTailAndDensity(reals, hn::Neg(z));
    const auto newton = hn::Div(hn::Sub(at.tail, p), at.density);
    z = hn::Sub(z, hn::Div(newton, hn::MulAdd(hn::Mul(newton, z), hn::Set(reals, 0.5), one)));
  }
  return z;
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#endif
