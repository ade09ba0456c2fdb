// Φ(−z) on vectors, for files compiled once per instruction set (see random-inl.h for the guard).
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

// z may be infinite; a NaN gives a NaN.
template <class Reals>
HWY_INLINE hn::Vec<Reals> normalTail(Reals reals, hn::Vec<Reals> z) {
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
  // e^{−x²/2} with the rounding of x² put back where the processor can tell it.
  const auto square = hn::Mul(x, x);
  const auto rounding = hn::MulSub(x, x, square);
  const auto half = hn::Set(reals, -0.5);
  const auto gauss = hn::MulAdd(hn::Mul(half, rounding), hn::Exp(reals, hn::Mul(half, square)),
                                hn::Exp(reals, hn::Mul(half, square)));
  const auto tail = hn::Div(hn::Mul(gauss, P), hn::MulAdd(x, hn::Set(reals, 2.0), one));
  return hn::IfThenElse(hn::Lt(z, hn::Zero(reals)), hn::Sub(one, tail), tail);
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#endif
