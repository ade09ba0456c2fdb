// Losses of margins on vectors, for files compiled once per instruction set (see random-inl.h for the guard):
// what one point of laws/risk_sums.h adds to the sums. Formulas in margin_loss.h and laws/risk_fixed_point.h.
#if defined(PROMPT_ATTENTION_MARGIN_TERMS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef PROMPT_ATTENTION_MARGIN_TERMS_INL_H
#undef PROMPT_ATTENTION_MARGIN_TERMS_INL_H
#else
#define PROMPT_ATTENTION_MARGIN_TERMS_INL_H
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "core/base/normal-tail-inl.h"
#include "core/losses/margin_loss.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Reals = hn::ScalableTag<double>;
using V = hn::Vec<Reals>;

HWY_INLINE V constant(double value) {
  return hn::Set(Reals(), value);
}

// Logistic function of −p.
HWY_INLINE V sigmoidOfMinus(V p) {
  const Reals d;
  const V e = hn::Exp(d, hn::Neg(hn::Abs(p)));
  const V larger = hn::Div(constant(1.0), hn::Add(constant(1.0), e));
  return hn::IfThenElse(hn::Lt(p, hn::Zero(d)), larger, hn::Mul(e, larger));
}

// Where the iteration for p begins; any start will do, a good one saves steps. Above −c/2 the root is
// positive, where c e^{−p} ≈ p − ω; below it is negative, where e ≈ −ω/c.
HWY_INLINE V logisticStart(V omega, V c) {
  const Reals d;
  const V zero = hn::Zero(d);
  const V one = constant(1.0);
  const V top = hn::Log(d, hn::Add(c, one));
  const V gap = hn::Max(hn::Sub(top, omega), zero);
  const V above = hn::Max(omega, hn::Sub(top, hn::Log(d, hn::Add(gap, one))));
  const V share = hn::Min(hn::Max(hn::Div(hn::Add(omega, c), hn::Max(c, constant(1e-300))), constant(1e-300)),
                          constant(0.5));
  const V below = hn::Log(d, hn::Div(share, hn::Sub(one, share)));
  const V half = hn::Mul(c, constant(-0.5));
  const V start = hn::IfThenElse(hn::Gt(omega, half), above, hn::Min(below, zero));
  // With little curvature the root is close to both ends of the bracket.
  return hn::Min(hn::Max(start, omega), hn::Add(omega, c));
}

HWY_INLINE V logisticProximal(V omega, V c) {
  const Reals d;
  constexpr int kMaximumSteps = 200;
  const V one = constant(1.0);
  V low = omega;
  V high = hn::Add(omega, c);
  V p = logisticStart(omega, c);
  for (int step = 0; step < kMaximumSteps; ++step) {
    const V e = sigmoidOfMinus(p);
    const V q = hn::Mul(e, hn::Sub(one, e));
    const V value = hn::NegMulAdd(c, e, hn::Sub(p, omega));
    const V slope = hn::MulAdd(c, q, one);
    // 2FF′/(2F′² − FF″) with F″ = c q (2e − 1); the denominator is kept above F′², a step of twice Newton's.
    const V bend = hn::Mul(hn::Mul(c, q), hn::Sub(hn::Add(e, e), one));
    const V square = hn::Mul(slope, slope);
    const V bottom = hn::Max(hn::NegMulAdd(value, bend, hn::Add(square, square)), square);
    const V halley = hn::Div(hn::Mul(hn::Add(value, value), slope), bottom);
    const auto positive = hn::Gt(value, hn::Zero(d));
    high = hn::IfThenElse(positive, p, high);
    low = hn::IfThenElse(positive, low, p);
    V next = hn::Sub(p, halley);
    const auto outside = hn::Or(hn::Lt(next, low), hn::Gt(next, high));
    next = hn::IfThenElse(outside, hn::Mul(hn::Add(low, high), constant(0.5)), next);
    // After a step of Halley's of size x the error is below x³/2, because |F″| and |F‴| are below F′.
    const V change = hn::Abs(hn::Sub(next, p));
    const V precise = hn::Mul(constant(1e-15), hn::Add(one, hn::Abs(next)));
    p = next;
    if (hn::AllTrue(d, hn::Le(change, hn::IfThenElse(outside, precise, constant(1e-5))))) break;
  }
  return p;
}

// What one point adds to the sums, averaged over ω in the way of its loss.
struct PointTerms {
  V e, et, ec;  // and ∂e/∂a = −h
  V h;
  V q, qa, qt, qc;  // s² e²
  V g, ga, gt, gc;  // s² h
};

HWY_INLINE PointTerms squareTerms(V gap, V t, V c, V variance) {
  const V zero = hn::Zero(Reals());
  const V kappa = hn::Div(constant(1.0), hn::Add(constant(1.0), c));
  const V e = hn::Mul(gap, kappa);
  const V scaled = hn::Mul(variance, hn::Mul(kappa, kappa));
  const V q = hn::Mul(scaled, hn::MulAdd(gap, gap, hn::Mul(t, t)));
  const V minusTwo = constant(-2.0);
  return {e,
          zero,
          hn::Neg(hn::Mul(kappa, e)),
          kappa,
          q,
          hn::Mul(minusTwo, hn::Mul(scaled, gap)),
          hn::Mul(hn::Neg(minusTwo), hn::Mul(scaled, t)),
          hn::Mul(minusTwo, hn::Mul(kappa, q)),
          hn::Mul(variance, kappa),
          zero,
          zero,
          hn::Neg(scaled)};
}

HWY_INLINE PointTerms logisticTerms(V a, V t, V c, V variance, V x) {
  const V one = constant(1.0);
  const V p = logisticProximal(hn::MulAdd(t, x, a), c);
  const V e = sigmoidOfMinus(p);
  const V curvature = hn::Mul(e, hn::Sub(one, e));
  const V shrink = hn::Div(one, hn::MulAdd(c, curvature, one));
  const V h = hn::Mul(curvature, shrink);
  const V third = hn::Mul(curvature, hn::Sub(hn::Add(e, e), one));
  const V shrink2 = hn::Mul(shrink, shrink);
  const V ha = hn::Mul(third, hn::Mul(shrink2, shrink));
  const V hc = hn::Mul(hn::Sub(hn::Mul(third, hn::Mul(e, shrink)), hn::Mul(curvature, curvature)), shrink2);
  const V he = hn::Mul(h, e);
  const V twice = hn::Mul(constant(-2.0), hn::Mul(variance, he));
  const V ga = hn::Mul(variance, ha);
  return {e,
          hn::Neg(hn::Mul(h, x)),
          hn::Neg(he),
          h,
          hn::Mul(variance, hn::Mul(e, e)),
          twice,
          hn::Mul(twice, x),
          hn::Mul(twice, e),
          hn::Mul(variance, h),
          ga,
          hn::Mul(ga, x),
          hn::Mul(variance, hc)};
}

// ∫₀¹ v^k φ(z − δv) dv for k = 0, 1, 2.
struct KinkMoments {
  V j0, j1, j2;
};

// Gauss–Legendre with six nodes: for δ ≤ ½ its error is below 1e-12.
HWY_INLINE KinkMoments narrowKink(V z, V delta) {
  const Reals d;
  constexpr double kNodes[] = {0.033765242898423975, 0.16939530676686776, 0.38069040695840156,
                               0.61930959304159849,  0.83060469323313224, 0.96623475710157603};
  constexpr double kWeights[] = {0.085662246189585178, 0.18038078652406931, 0.23395696728634552,
                                 0.23395696728634552,  0.18038078652406931, 0.085662246189585178};
  KinkMoments moments{hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  for (int i = 0; i < 6; ++i) {
    const V node = constant(kNodes[i]);
    const V at = hn::NegMulAdd(delta, node, z);
    const V power = gaussPower(d, hn::Min(hn::Abs(at), constant(40.0)));
    const V weight = hn::Mul(power, constant(kWeights[i] * 0.39894228040143268));
    moments.j0 = hn::Add(moments.j0, weight);
    moments.j1 = hn::MulAdd(weight, node, moments.j1);
    moments.j2 = hn::MulAdd(weight, hn::Mul(node, node), moments.j2);
  }
  return moments;
}

// With I_k = δ^{k+1} J_k: I0 = Φ(z) − Φ(z−δ), and I1, I2 by parts.
HWY_INLINE KinkMoments wideKink(V z, V delta, const NormalTail<V>& upper, const NormalTail<V>& lower) {
  const V mass = hn::Sub(upper.tail, lower.tail);
  const V first = hn::MulAdd(z, mass, hn::Sub(upper.density, lower.density));
  // (1+z²)Φ-mass + zφ(z) − (z+δ)φ(z−δ)
  const V second = hn::Add(hn::MulAdd(z, first, mass), hn::Neg(hn::Mul(delta, lower.density)));
  return {hn::Div(mass, delta), hn::Div(hn::Div(first, delta), delta),
          hn::Div(hn::Div(hn::Div(second, delta), delta), delta)};
}

HWY_INLINE PointTerms hingeTerms(V gap, V t, V c, V variance) {
  const Reals d;
  const V one = constant(1.0);
  const V z = hn::Div(gap, t);
  const V delta = hn::Div(c, t);
  const NormalTail<V> upper = normalTailAndDensity(d, hn::Neg(z));
  const NormalTail<V> lower = normalTailAndDensity(d, hn::Sub(delta, z));
  const auto narrow = hn::Lt(delta, constant(0.5));
  KinkMoments j = wideKink(z, delta, upper, lower);
  if (!hn::AllFalse(d, narrow)) {
    const KinkMoments precise = narrowKink(z, delta);
    j = {hn::IfThenElse(narrow, precise.j0, j.j0), hn::IfThenElse(narrow, precise.j1, j.j1),
         hn::IfThenElse(narrow, precise.j2, j.j2)};
  }
  const V perT = hn::Div(one, t);
  const V e = hn::MulAdd(delta, j.j1, lower.tail);
  const V square = hn::MulAdd(delta, j.j2, lower.tail);
  const V h = hn::Mul(j.j0, perT);
  const V he = hn::Mul(j.j1, perT);
  const V hee = hn::Mul(j.j2, perT);
  const V zh = hn::Mul(hn::NegMulAdd(delta, j.j1, hn::Mul(z, j.j0)), perT);   // E[h x]
  const V zhe = hn::Mul(hn::NegMulAdd(delta, j.j2, hn::Mul(z, j.j1)), perT);  // E[h e x]
  const V zzh = hn::MulSub(z, zh, hn::Mul(delta, zhe));                       // E[h x²]
  const V twice = hn::Mul(constant(-2.0), variance);
  return {e,
          hn::Neg(zh),
          hn::Neg(he),
          h,
          hn::Mul(variance, square),
          hn::Mul(twice, he),
          hn::Mul(twice, zhe),
          hn::Mul(twice, hee),
          hn::Mul(variance, h),
          hn::Mul(variance, hn::Mul(zh, perT)),
          hn::Mul(variance, hn::Mul(hn::Sub(zzh, h), perT)),
          hn::Mul(variance, hn::Mul(zhe, perT))};
}

HWY_INLINE PointTerms hardMarginTerms(V gap, V t, V variance) {
  const Reals d;
  const V zero = hn::Zero(d);
  const V z = hn::Div(gap, t);
  const NormalTail<V> at = normalTailAndDensity(d, hn::Neg(z));
  const V precision = hn::Div(constant(1.0), variance);
  const V reach = hn::Max(hn::MulAdd(z, at.tail, at.density), zero);  // E(z − x)₊
  const V e = hn::Mul(hn::Mul(t, reach), precision);
  const V h = hn::Mul(at.tail, precision);
  const V two = constant(2.0);
  const V square = hn::MulAdd(z, reach, at.tail);  // E(z − x)₊²
  const V slope = hn::Div(at.density, t);
  return {e,
          hn::Mul(at.density, precision),
          zero,
          h,
          hn::Mul(hn::Mul(t, hn::Mul(t, square)), precision),
          hn::Mul(hn::Neg(two), e),
          hn::Mul(two, hn::Mul(hn::Mul(t, at.tail), precision)),
          zero,
          at.tail,
          hn::Neg(slope),
          hn::Neg(hn::Mul(z, slope)),
          zero};
}

// `gap` is 1 − a, for the separation −a.
template <MarginLoss kLoss>
HWY_INLINE PointTerms termsOf(V a, V gap, V t, V c, V variance, V x) {
  switch (kLoss) {
    case MarginLoss::kSquare:
      return squareTerms(gap, t, c, variance);
    case MarginLoss::kLogistic:
      return logisticTerms(a, t, c, variance, x);
    case MarginLoss::kHinge:
      return hingeTerms(gap, t, c, variance);
    case MarginLoss::kHardMargin:
    case MarginLoss::kSeparation:
      break;
  }
  return hardMarginTerms(gap, t, variance);
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#endif
