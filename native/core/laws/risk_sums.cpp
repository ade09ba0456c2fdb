#include "core/laws/risk_sums.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/laws/risk_sums.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "core/laws/risk-columns-inl.h"
#include "core/losses/margin-terms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <MarginLoss kLoss, bool kIntercept>
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
  V sum0 = zero, sum00 = zero, sum01 = zero, sum02 = zero;
  V sum0t = zero, sum0c = zero, sumQ0 = zero, sumH0 = zero;
  const V relevantGap = constant(points.gap);
  const V shift = constant(points.shift);
  const V unshifted = constant(1.0 - points.shift);
  forEachVector(points, [&](const PointVectors& point, V variance, V x, V weight) HWY_ATTR {
    const V s = hn::Sqrt(variance);
    const V c1 = point.b1;
    const V c2 = point.b2;
    const V plane = hn::MulAdd(w1, c1, hn::Mul(w2, c2));
    const V a = kIntercept ? hn::Add(plane, shift) : plane;
    const V gap =
        kLoss == MarginLoss::kSeparation ? hn::Neg(a) : gapOf(point, relevantGap, unshifted, w1, w2);
    const PointTerms terms = termsOf<kLoss>(a, gap, hn::Mul(s, noise), hn::Mul(chi, variance), variance, x);
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
    if constexpr (kIntercept) {
      sum0 = hn::MulAdd(weight, terms.e, sum0);
      sum00 = hn::NegMulAdd(weight, terms.h, sum00);
      sum01 = hn::Sub(sum01, h1);
      sum02 = hn::NegMulAdd(v2, terms.h, sum02);
      sum0t = hn::Add(sum0t, et);
      sum0c = hn::Add(sum0c, ec);
      sumQ0 = hn::MulAdd(weight, terms.qa, sumQ0);
      sumH0 = hn::MulAdd(weight, terms.ga, sumH0);
    }
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
  out[kB0] = points.y * total(sum0);
  out[kB00] = total(sum00);
  out[kB01] = points.y * total(sum01);
  out[kB02] = points.y * total(sum02);
  out[kB0t] = points.y * total(sum0t);
  out[kB0c] = points.y * total(sum0c);
  out[kQ0] = points.y * total(sumQ0);
  out[kH0] = points.y * total(sumH0);
}

template <MarginLoss kLoss>
void marginSumsWith(const RiskColumns& points, bool intercept, const RiskState& state, double R,
                    double* out) {
  if (intercept)
    marginSumsFor<kLoss, true>(points, state, R, out);
  else
    marginSumsFor<kLoss, false>(points, state, R, out);
}

void marginSumsOf(const RiskColumns& points, MarginLoss loss, bool intercept, const RiskState& state,
                  double R, double* out) {
  switch (loss) {
    case MarginLoss::kSquare:
      return marginSumsWith<MarginLoss::kSquare>(points, intercept, state, R, out);
    case MarginLoss::kLogistic:
      return marginSumsWith<MarginLoss::kLogistic>(points, intercept, state, R, out);
    case MarginLoss::kHinge:
      return marginSumsWith<MarginLoss::kHinge>(points, intercept, state, R, out);
    case MarginLoss::kHardMargin:
      return marginSumsWith<MarginLoss::kHardMargin>(points, intercept, state, R, out);
    case MarginLoss::kSeparation:
      return marginSumsWith<MarginLoss::kSeparation>(points, intercept, state, R, out);
  }
}

void errorSumsOf(const RiskColumns& points, const RiskState& state, double R, double slopeAtZero,
                 double* out) {
  const Reals d;
  const V zero = hn::Zero(d);
  const V shift = constant(slopeAtZero * state.chi);
  const V intercept = constant(points.shift);
  V sums[kErrorSums];
  for (V& sum : sums) sum = zero;
  forEachVector(points, [&](const PointVectors& point, V variance, V, V weight) HWY_ATTR {
    const V s = hn::Sqrt(variance);
    const V plane = hn::MulAdd(constant(state.w1), point.b1, hn::Mul(constant(state.w2), point.b2));
    const V a = hn::Add(plane, intercept);
    const V perT = hn::Div(constant(1.0), hn::Mul(s, constant(R)));
    const V ws = hn::Mul(weight, perT);
    // Returns the weighted density of the margin at 0.
    const auto add = [&](V margin, ErrorSum value, ErrorSum by1, ErrorSum by2, ErrorSum byR, ErrorSum by0,
                         ErrorSum squares) HWY_ATTR {
      const V z = hn::Mul(margin, perT);
      const NormalTail<V> at = normalTailAndDensity(d, z);
      const V weighted = hn::Mul(weight, at.tail);
      sums[value] = hn::Add(sums[value], weighted);
      sums[squares] = hn::MulAdd(weighted, at.tail, sums[squares]);
      const V density = hn::Mul(ws, at.density);
      sums[by1] = hn::NegMulAdd(density, point.b1, sums[by1]);
      sums[by2] = hn::NegMulAdd(density, point.b2, sums[by2]);
      sums[byR] = hn::MulAdd(hn::Mul(density, s), z, sums[byR]);
      sums[by0] = hn::Sub(sums[by0], density);
      return density;
    };
    add(a, kError, kErrorBy1, kErrorBy2, kErrorByR, kErrorBy0, kErrorSquares);
    const V density = add(hn::MulAdd(shift, variance, a), kTrainingError, kTrainingBy1, kTrainingBy2,
                          kTrainingByR, kTrainingBy0, kTrainingSquares);
    sums[kTrainingByChi] =
        hn::NegMulAdd(hn::Mul(density, constant(slopeAtZero)), variance, sums[kTrainingByChi]);
  });
  for (int i = 0; i < kErrorSums; ++i) out[i] = hn::GetLane(hn::SumOfLanes(d, sums[i]));
  for (const ErrorSum by0 : {kErrorBy0, kTrainingBy0}) out[by0] *= points.y;
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
HWY_EXPORT(logisticProximalsOf);

RiskState stateAt(const RiskPoints& points, PlaneVector w, double r, double chi) {
  return {w.e1, w.e2, r, chi, w + -1.0 * points.origin};
}

RiskState stateFrom(const RiskPoints& points, PlaneVector offset, double r, double chi) {
  const PlaneVector w = points.origin + offset;
  return {w.e1, w.e2, r, chi, offset};
}

double relevantGap(const RiskSegment& segment, const RiskState& state) {
  return segment.originGap - dot(state.offset, segment.relevant) - segment.observed * state.intercept;
}

double noiseNorm(const RiskPoints& points, const RiskState& state) {
  return points.uniform ? std::hypot(state.w1, state.w2, state.r) : std::hypot(state.w2, state.r);
}

MarginSums marginSums(const RiskPoints& points, int batch, int draws, MarginLoss loss,
                      const RiskState& state) {
  const double R = noiseNorm(points, state);
  return averageBatch<kMarginSums>(points, batch, draws, state, [&](const RiskColumns& columns, double* out) {
    HWY_DYNAMIC_DISPATCH(marginSumsOf)(columns, loss, points.intercept, state, R, out);
  });
}

ErrorSums errorSums(const RiskPoints& points, int batch, const RiskState& state, double slopeAtZero,
                    LabelRates rates) {
  const double R = noiseNorm(points, state);
  ErrorSums average{};
  ErrorSums part;
  const auto add = [&](double probability, size_t count, std::initializer_list<ErrorSum> sums) {
    for (const ErrorSum sum : sums) average[sum] += probability / static_cast<double>(count) * part[sum];
  };
  forEachSegment(points, batch, INT32_MAX, state,
                 [&](const RiskSegment& segment, const RiskColumns& columns) {
                   HWY_DYNAMIC_DISPATCH(errorSumsOf)(columns, state, R, slopeAtZero, part.data());
                   add(segment.testProbability, columns.count,
                       {kError, kErrorBy1, kErrorBy2, kErrorByR, kErrorBy0, kErrorSquares});
                   add(segment.probability * rates.of(segment.observed), columns.count,
                       {kTrainingError, kTrainingBy1, kTrainingBy2, kTrainingByR, kTrainingBy0,
                        kTrainingByChi, kTrainingSquares});
                 });
  return average;
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
