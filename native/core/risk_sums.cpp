#include "core/risk_sums.h"

#include "core/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/risk_sums.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "core/normal-tail-inl.h"

#ifndef PROMPT_ATTENTION_RISK_COLUMNS
#define PROMPT_ATTENTION_RISK_COLUMNS
namespace prompt_attention {

// A segment's points; normals and weights may be absent.
struct RiskColumns {
  const double* b1;
  const double* b2;
  const double* variances;
  const double* normals;
  const double* weights;
  size_t count;
};

}  // namespace prompt_attention
#endif

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

HWY_INLINE PointTerms squareTerms(V a, V t, V c, V variance) {
  const V zero = hn::Zero(Reals());
  const V kappa = hn::Div(constant(1.0), hn::Add(constant(1.0), c));
  const V gap = hn::Sub(constant(1.0), a);
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

HWY_INLINE PointTerms hingeTerms(V a, V t, V c, V variance) {
  const Reals d;
  const V one = constant(1.0);
  const V z = hn::Div(hn::Sub(one, a), t);
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

HWY_INLINE PointTerms hardMarginTerms(V a, V t, V variance, double margin) {
  const Reals d;
  const V zero = hn::Zero(d);
  const V z = hn::Div(hn::Sub(constant(margin), a), t);
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

template <MarginLoss kLoss>
HWY_INLINE PointTerms termsOf(V a, V t, V c, V variance, V x) {
  if constexpr (kLoss == MarginLoss::kSquare) return squareTerms(a, t, c, variance);
  if constexpr (kLoss == MarginLoss::kLogistic) return logisticTerms(a, t, c, variance, x);
  if constexpr (kLoss == MarginLoss::kHinge) return hingeTerms(a, t, c, variance);
  if constexpr (kLoss == MarginLoss::kHardMargin) return hardMarginTerms(a, t, variance, 1.0);
  if constexpr (kLoss == MarginLoss::kSeparation) return hardMarginTerms(a, t, variance, 0.0);
}

// Points of the segment: whole vectors in place, what is left through buffers whose other lanes have weight
// 0.
template <class Visit>
HWY_INLINE void forEachVector(const RiskColumns& points, Visit visit) {
  const Reals d;
  const size_t lanes = hn::Lanes(d);
  const size_t count = points.count;
  const V one = constant(1.0);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    visit(hn::LoadU(d, points.b1 + i), hn::LoadU(d, points.b2 + i), hn::LoadU(d, points.variances + i),
          points.normals != nullptr ? hn::LoadU(d, points.normals + i) : one,
          points.weights != nullptr ? hn::LoadU(d, points.weights + i) : one);
  if (i == count) return;
  HWY_ALIGN double rest[5][hn::MaxLanes(d)];
  for (size_t lane = 0; lane < lanes; ++lane) {
    const size_t point = std::min(i + lane, count - 1);
    const double weight = points.weights != nullptr ? points.weights[point] : 1.0;
    rest[0][lane] = points.b1[point];
    rest[1][lane] = points.b2[point];
    rest[2][lane] = points.variances[point];
    rest[3][lane] = points.normals != nullptr ? points.normals[point] : 0.0;
    rest[4][lane] = i + lane < count ? weight : 0.0;
  }
  visit(hn::Load(d, rest[0]), hn::Load(d, rest[1]), hn::Load(d, rest[2]), hn::Load(d, rest[3]),
        hn::Load(d, rest[4]));
}

template <MarginLoss kLoss>
void marginSumsFor(const RiskColumns& points, const RiskState& state, double R, double* out) {
  const Reals d;
  const V w1 = constant(state.w1);
  const V w2 = constant(state.w2);
  const V chi = constant(state.chi);
  const V noise = constant(R);
  const V zero = hn::Zero(d);
  V sumB1 = zero, sumB2 = zero, sumB11 = zero, sumB12 = zero, sumB22 = zero;
  V sumB1t = zero, sumB2t = zero, sumB1c = zero, sumB2c = zero;
  V sumQ = zero, sumQ1 = zero, sumQ2 = zero, sumQt = zero, sumQc = zero;
  V sumH = zero, sumH1 = zero, sumH2 = zero, sumHt = zero, sumHc = zero;
  forEachVector(points, [&](V c1, V c2, V variance, V x, V weight) HWY_ATTR {
    const V s = hn::Sqrt(variance);
    const V a = hn::MulAdd(w1, c1, hn::Mul(w2, c2));
    const PointTerms terms = termsOf<kLoss>(a, hn::Mul(s, noise), hn::Mul(chi, variance), variance, x);
    const V v1 = hn::Mul(weight, c1);
    const V v2 = hn::Mul(weight, c2);
    const V ws = hn::Mul(weight, s);
    const V wv = hn::Mul(weight, variance);
    sumB1 = hn::MulAdd(v1, terms.e, sumB1);
    sumB2 = hn::MulAdd(v2, terms.e, sumB2);
    const V h1 = hn::Mul(v1, terms.h);
    sumB11 = hn::NegMulAdd(h1, c1, sumB11);
    sumB12 = hn::NegMulAdd(h1, c2, sumB12);
    sumB22 = hn::NegMulAdd(hn::Mul(v2, terms.h), c2, sumB22);
    const V et = hn::Mul(ws, terms.et);
    sumB1t = hn::MulAdd(et, c1, sumB1t);
    sumB2t = hn::MulAdd(et, c2, sumB2t);
    const V ec = hn::Mul(wv, terms.ec);
    sumB1c = hn::MulAdd(ec, c1, sumB1c);
    sumB2c = hn::MulAdd(ec, c2, sumB2c);
    sumQ = hn::MulAdd(weight, terms.q, sumQ);
    sumQ1 = hn::MulAdd(v1, terms.qa, sumQ1);
    sumQ2 = hn::MulAdd(v2, terms.qa, sumQ2);
    sumQt = hn::MulAdd(ws, terms.qt, sumQt);
    sumQc = hn::MulAdd(wv, terms.qc, sumQc);
    sumH = hn::MulAdd(weight, terms.g, sumH);
    sumH1 = hn::MulAdd(v1, terms.ga, sumH1);
    sumH2 = hn::MulAdd(v2, terms.ga, sumH2);
    sumHt = hn::MulAdd(ws, terms.gt, sumHt);
    sumHc = hn::MulAdd(wv, terms.gc, sumHc);
  });
  const auto total = [d](V sum) { return hn::GetLane(hn::SumOfLanes(d, sum)); };
  out[kB1] = total(sumB1);
  out[kB2] = total(sumB2);
  out[kB11] = total(sumB11);
  out[kB12] = total(sumB12);
  out[kB22] = total(sumB22);
  out[kB1t] = total(sumB1t);
  out[kB2t] = total(sumB2t);
  out[kB1c] = total(sumB1c);
  out[kB2c] = total(sumB2c);
  out[kQ] = total(sumQ);
  out[kQ1] = total(sumQ1);
  out[kQ2] = total(sumQ2);
  out[kQt] = total(sumQt);
  out[kQc] = total(sumQc);
  out[kH] = total(sumH);
  out[kH1] = total(sumH1);
  out[kH2] = total(sumH2);
  out[kHt] = total(sumHt);
  out[kHc] = total(sumHc);
}

void marginSumsOf(const RiskColumns& points, MarginLoss loss, const RiskState& state, double R, double* out) {
  switch (loss) {
    case MarginLoss::kSquare:
      return marginSumsFor<MarginLoss::kSquare>(points, state, R, out);
    case MarginLoss::kLogistic:
      return marginSumsFor<MarginLoss::kLogistic>(points, state, R, out);
    case MarginLoss::kHinge:
      return marginSumsFor<MarginLoss::kHinge>(points, state, R, out);
    case MarginLoss::kHardMargin:
      return marginSumsFor<MarginLoss::kHardMargin>(points, state, R, out);
    case MarginLoss::kSeparation:
      return marginSumsFor<MarginLoss::kSeparation>(points, state, R, out);
  }
}

void errorSumsOf(const RiskColumns& points, const RiskState& state, double R, double slopeAtZero,
                 double* out) {
  const Reals d;
  const V zero = hn::Zero(d);
  const V shift = constant(slopeAtZero * state.chi);
  V error = zero, training = zero, by1 = zero, by2 = zero, byR = zero;
  forEachVector(points, [&](V c1, V c2, V variance, V, V weight) HWY_ATTR {
    const V s = hn::Sqrt(variance);
    const V a = hn::MulAdd(constant(state.w1), c1, hn::Mul(constant(state.w2), c2));
    const V perT = hn::Div(constant(1.0), hn::Mul(s, constant(R)));
    const V z = hn::Mul(a, perT);
    const NormalTail<V> test = normalTailAndDensity(d, z);
    const V trained = normalTail(d, hn::Mul(hn::MulAdd(shift, variance, a), perT));
    error = hn::MulAdd(weight, test.tail, error);
    training = hn::MulAdd(weight, trained, training);
    const V density = hn::Mul(weight, hn::Mul(test.density, perT));
    by1 = hn::NegMulAdd(density, c1, by1);
    by2 = hn::NegMulAdd(density, c2, by2);
    byR = hn::MulAdd(hn::Mul(density, s), z, byR);
  });
  const auto total = [d](V sum) { return hn::GetLane(hn::SumOfLanes(d, sum)); };
  out[kError] = total(error);
  out[kTrainingError] = total(training);
  out[kErrorBy1] = total(by1);
  out[kErrorBy2] = total(by2);
  out[kErrorByR] = total(byR);
}

void shrinkageSumsOf(const RiskColumns& points, double chi, double* out) {
  const Reals d;
  V value = hn::Zero(d);
  V slope = hn::Zero(d);
  forEachVector(points, [&](V, V, V variance, V, V weight) HWY_ATTR {
    const V scaled = hn::Mul(constant(chi), variance);
    const V kappa = hn::Div(constant(1.0), hn::Add(constant(1.0), scaled));
    value = hn::MulAdd(weight, hn::Mul(scaled, kappa), value);
    slope = hn::MulAdd(hn::Mul(weight, variance), hn::Mul(kappa, kappa), slope);
  });
  out[0] = hn::GetLane(hn::SumOfLanes(d, value));
  out[1] = hn::GetLane(hn::SumOfLanes(d, slope));
}

void planeSumsOf(const RiskColumns& points, double chi, double* out) {
  const Reals d;
  const V zero = hn::Zero(d);
  V b11 = zero, b12 = zero, b22 = zero, noise = zero, first = zero, second = zero;
  forEachVector(points, [&](V c1, V c2, V variance, V, V weight) HWY_ATTR {
    const V kappa = hn::Div(weight, hn::MulAdd(constant(chi), variance, constant(1.0)));
    const V k1 = hn::Mul(kappa, c1);
    const V k2 = hn::Mul(kappa, c2);
    b11 = hn::MulAdd(k1, c1, b11);
    b12 = hn::MulAdd(k1, c2, b12);
    b22 = hn::MulAdd(k2, c2, b22);
    noise = hn::MulAdd(kappa, variance, noise);
    first = hn::Add(first, k1);
    second = hn::Add(second, k2);
  });
  const auto total = [d](V sum) { return hn::GetLane(hn::SumOfLanes(d, sum)); };
  out[0] = total(b11);
  out[1] = total(b12);
  out[2] = total(b22);
  out[3] = total(noise);
  out[4] = total(first);
  out[5] = total(second);
}

void logisticProximalsOf(const double* omega, const double* c, size_t count, double* p) {
  const Reals d;
  const size_t lanes = hn::Lanes(d);
  HWY_ALIGN double in[2][hn::MaxLanes(d)];
  for (size_t first = 0; first < count; first += lanes) {
    const size_t size = std::min(lanes, count - first);
    for (size_t lane = 0; lane < lanes; ++lane) {
      in[0][lane] = omega[first + std::min(lane, size - 1)];
      in[1][lane] = c[first + std::min(lane, size - 1)];
    }
    hn::Store(logisticProximal(hn::Load(d, in[0]), hn::Load(d, in[1])), d, in[0]);
    std::copy_n(in[0], size, p + first);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace prompt_attention {

HWY_EXPORT(marginSumsOf);
HWY_EXPORT(errorSumsOf);
HWY_EXPORT(shrinkageSumsOf);
HWY_EXPORT(planeSumsOf);
HWY_EXPORT(logisticProximalsOf);

namespace {

// Averages what sums(columns, out) writes into out[N] over the segments of the batch.
template <size_t N, class Sums>
std::array<double, N> averageBatch(const RiskPoints& points, int batch, int draws, Sums sums) {
  std::array<double, N> average{};
  std::array<double, N> part;
  const auto columnAt = [](const std::vector<double>& values, size_t begin) {
    return values.empty() ? nullptr : values.data() + begin;
  };
  for (const RiskSegment& segment : points.batches[batch]) {
    const int count = std::min(segment.count, draws);
    sums(RiskColumns{points.b1.data() + segment.begin, points.b2.data() + segment.begin,
                     points.variances.data() + segment.begin, columnAt(points.normals, segment.normals),
                     columnAt(points.weights, segment.normals), static_cast<size_t>(count)},
         part.data());
    for (size_t i = 0; i < N; ++i) average[i] += segment.probability / count * part[i];
  }
  return average;
}

}  // namespace

double noiseNorm(const RiskPoints& points, const RiskState& state) {
  return points.uniform ? std::hypot(state.w1, state.w2, state.r) : std::hypot(state.w2, state.r);
}

MarginSums marginSums(const RiskPoints& points, int batch, int draws, MarginLoss loss,
                      const RiskState& state) {
  const double R = noiseNorm(points, state);
  return averageBatch<kMarginSums>(points, batch, draws, [&](const RiskColumns& columns, double* out) {
    HWY_DYNAMIC_DISPATCH(marginSumsOf)(columns, loss, state, R, out);
  });
}

ErrorSums errorSums(const RiskPoints& points, int batch, const RiskState& state, double slopeAtZero) {
  const double R = noiseNorm(points, state);
  return averageBatch<kErrorSums>(points, batch, INT32_MAX, [&](const RiskColumns& columns, double* out) {
    HWY_DYNAMIC_DISPATCH(errorSumsOf)(columns, state, R, slopeAtZero, out);
  });
}

ShrinkageSums shrinkageSums(const RiskPoints& points, int batch, int draws, double chi) {
  const auto sums = averageBatch<2>(points, batch, draws, [&](const RiskColumns& columns, double* out) {
    HWY_DYNAMIC_DISPATCH(shrinkageSumsOf)(columns, chi, out);
  });
  return {sums[0], sums[1]};
}

PlaneSums planeSums(const RiskPoints& points, int batch, double chi) {
  const auto sums = averageBatch<6>(points, batch, INT32_MAX, [&](const RiskColumns& columns, double* out) {
    HWY_DYNAMIC_DISPATCH(planeSumsOf)(columns, chi, out);
  });
  return {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]};
}

void proximalPoints(MarginLoss loss, const double* omega, const double* c, size_t count, double* p) {
  if (loss == MarginLoss::kLogistic) return HWY_DYNAMIC_DISPATCH(logisticProximalsOf)(omega, c, count, p);
  for (size_t i = 0; i < count; ++i)
    p[i] = loss == MarginLoss::kSquare ? (omega[i] + c[i]) / (1.0 + c[i])
           : omega[i] >= 1.0           ? omega[i]
                                       : std::min(omega[i] + c[i], 1.0);
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
