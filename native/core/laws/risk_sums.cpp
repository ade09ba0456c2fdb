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

#include "core/losses/margin-terms-inl.h"

#ifndef PROMPT_ATTENTION_RISK_COLUMNS
#define PROMPT_ATTENTION_RISK_COLUMNS
namespace prompt_attention {

// A segment's points; normals and weights may be absent.
struct RiskColumns {
  const double* eta1;
  const double* eta2;
  const double* masses;
  const double* variances;
  const double* normals;
  const double* weights;
  size_t count;
  PlaneVector relevant;  // β
  double gap;            // 1 − wᵀβ of the state
  double originGap;      // 1 − originᵀβ
};

}  // namespace prompt_attention
#endif

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Margin coordinates b, η and B of points.
struct PointVectors {
  V b1, b2, eta1, eta2, mass;
};

HWY_INLINE PointVectors pointVectors(const RiskColumns& points, V eta1, V eta2, V mass) {
  const V relevant = hn::Sub(constant(1.0), mass);
  return {hn::MulAdd(relevant, constant(points.relevant.e1), eta1),
          hn::MulAdd(relevant, constant(points.relevant.e2), eta2), eta1, eta2, mass};
}

// 1 − a.
HWY_INLINE V gapOf(const PointVectors& point, V relevantGap, V w1, V w2) {
  const V rest = hn::NegMulAdd(w1, point.eta1, hn::NegMulAdd(w2, point.eta2, point.mass));
  return hn::MulAdd(hn::Sub(constant(1.0), point.mass), relevantGap, rest);
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
    visit(pointVectors(points, hn::LoadU(d, points.eta1 + i), hn::LoadU(d, points.eta2 + i),
                       hn::LoadU(d, points.masses + i)),
          hn::LoadU(d, points.variances + i),
          points.normals != nullptr ? hn::LoadU(d, points.normals + i) : one,
          points.weights != nullptr ? hn::LoadU(d, points.weights + i) : one);
  if (i == count) return;
  HWY_ALIGN double rest[6][hn::MaxLanes(d)];
  for (size_t lane = 0; lane < lanes; ++lane) {
    const size_t point = std::min(i + lane, count - 1);
    const double weight = points.weights != nullptr ? points.weights[point] : 1.0;
    rest[0][lane] = points.eta1[point];
    rest[1][lane] = points.eta2[point];
    rest[2][lane] = points.masses[point];
    rest[3][lane] = points.variances[point];
    rest[4][lane] = points.normals != nullptr ? points.normals[point] : 0.0;
    rest[5][lane] = i + lane < count ? weight : 0.0;
  }
  visit(pointVectors(points, hn::Load(d, rest[0]), hn::Load(d, rest[1]), hn::Load(d, rest[2])),
        hn::Load(d, rest[3]), hn::Load(d, rest[4]), hn::Load(d, rest[5]));
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
  const V relevantGap = constant(points.gap);
  forEachVector(points, [&](const PointVectors& point, V variance, V x, V weight) HWY_ATTR {
    const V s = hn::Sqrt(variance);
    const V c1 = point.b1;
    const V c2 = point.b2;
    const V a = hn::MulAdd(w1, c1, hn::Mul(w2, c2));
    const V gap = kLoss == MarginLoss::kSeparation ? hn::Neg(a) : gapOf(point, relevantGap, w1, w2);
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
  V sums[kErrorSums];
  for (V& sum : sums) sum = zero;
  forEachVector(points, [&](const PointVectors& point, V variance, V, V weight) HWY_ATTR {
    const V s = hn::Sqrt(variance);
    const V a = hn::MulAdd(constant(state.w1), point.b1, hn::Mul(constant(state.w2), point.b2));
    const V perT = hn::Div(constant(1.0), hn::Mul(s, constant(R)));
    const V ws = hn::Mul(weight, perT);
    // Returns the weighted density of the margin at 0.
    const auto add = [&](V margin, ErrorSum value, ErrorSum by1, ErrorSum by2, ErrorSum byR, ErrorSum squares)
                         HWY_ATTR {
                           const V z = hn::Mul(margin, perT);
                           const NormalTail<V> at = normalTailAndDensity(d, z);
                           const V weighted = hn::Mul(weight, at.tail);
                           sums[value] = hn::Add(sums[value], weighted);
                           sums[squares] = hn::MulAdd(weighted, at.tail, sums[squares]);
                           const V density = hn::Mul(ws, at.density);
                           sums[by1] = hn::NegMulAdd(density, point.b1, sums[by1]);
                           sums[by2] = hn::NegMulAdd(density, point.b2, sums[by2]);
                           sums[byR] = hn::MulAdd(hn::Mul(density, s), z, sums[byR]);
                           return density;
                         };
    add(a, kError, kErrorBy1, kErrorBy2, kErrorByR, kErrorSquares);
    const V density = add(hn::MulAdd(shift, variance, a), kTrainingError, kTrainingBy1, kTrainingBy2,
                          kTrainingByR, kTrainingSquares);
    sums[kTrainingByChi] =
        hn::NegMulAdd(hn::Mul(density, constant(slopeAtZero)), variance, sums[kTrainingByChi]);
  });
  for (int i = 0; i < kErrorSums; ++i) out[i] = hn::GetLane(hn::SumOfLanes(d, sums[i]));
}

void shrinkageSumsOf(const RiskColumns& points, double chi, double* out) {
  const Reals d;
  V value = hn::Zero(d);
  V slope = hn::Zero(d);
  forEachVector(points, [&](const PointVectors&, V variance, V, V weight) HWY_ATTR {
    const V scaled = hn::Mul(constant(chi), variance);
    const V kappa = hn::Div(constant(1.0), hn::Add(constant(1.0), scaled));
    value = hn::MulAdd(weight, hn::Mul(scaled, kappa), value);
    slope = hn::MulAdd(hn::Mul(weight, variance), hn::Mul(kappa, kappa), slope);
  });
  out[0] = hn::GetLane(hn::SumOfLanes(d, value));
  out[1] = hn::GetLane(hn::SumOfLanes(d, slope));
}

void planeSumsOf(const RiskColumns& points, PlaneVector origin, double chi, double one, double* out) {
  const Reals d;
  V sums[8];
  for (V& sum : sums) sum = hn::Zero(d);
  const V originGap = constant(points.originGap);
  forEachVector(points, [&](const PointVectors& point, V variance, V, V weight) HWY_ATTR {
    const V kappa = hn::Div(weight, hn::MulAdd(constant(chi), variance, constant(one)));
    const V k1 = hn::Mul(kappa, point.b1);
    const V k2 = hn::Mul(kappa, point.b2);
    const V gap = gapOf(point, originGap, constant(origin.e1), constant(origin.e2));
    sums[0] = hn::MulAdd(k1, point.b1, sums[0]);
    sums[1] = hn::MulAdd(k1, point.b2, sums[1]);
    sums[2] = hn::MulAdd(k2, point.b2, sums[2]);
    sums[3] = hn::MulAdd(kappa, variance, sums[3]);
    sums[4] = hn::Add(sums[4], k1);
    sums[5] = hn::Add(sums[5], k2);
    sums[6] = hn::MulAdd(k1, gap, sums[6]);
    sums[7] = hn::MulAdd(k2, gap, sums[7]);
  });
  for (int i = 0; i < 8; ++i) out[i] = hn::GetLane(hn::SumOfLanes(d, sums[i]));
}

void gapSquaresOf(const RiskColumns& points, const RiskState& state, double chi, double* out) {
  const Reals d;
  V sum = hn::Zero(d);
  const V relevantGap = constant(points.gap);
  forEachVector(points, [&](const PointVectors& point, V variance, V, V weight) HWY_ATTR {
    const V gap = gapOf(point, relevantGap, constant(state.w1), constant(state.w2));
    sum = hn::MulAdd(hn::Mul(weight, gap), hn::Div(gap, hn::Mul(constant(chi), variance)), sum);
  });
  out[0] = hn::GetLane(hn::SumOfLanes(d, sum));
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
HWY_EXPORT(gapSquaresOf);
HWY_EXPORT(logisticProximalsOf);

namespace {

// visit(segment, columns) for the segments of the batch; the gaps of the relevant tokens are those of
// `state`.
template <class Visit>
void forEachSegment(const RiskPoints& points, int batch, int draws, const RiskState& state, Visit visit) {
  const auto columnAt = [](const std::vector<double>& values, size_t begin) {
    return values.empty() ? nullptr : values.data() + begin;
  };
  for (const RiskSegment& segment : points.batches[batch]) {
    const int count = std::min(segment.count, draws);
    visit(segment,
          RiskColumns{points.eta1.data() + segment.begin, points.eta2.data() + segment.begin,
                      points.irrelevantMasses.data() + segment.begin, points.variances.data() + segment.begin,
                      columnAt(points.normals, segment.normals), columnAt(points.weights, segment.normals),
                      static_cast<size_t>(count), segment.relevant, relevantGap(segment, state),
                      segment.originGap});
  }
}

// Averages what sums(columns, out) writes into out[N] over the training examples of the batch.
template <size_t N, class Sums>
std::array<double, N> averageBatch(const RiskPoints& points, int batch, int draws, const RiskState& state,
                                   Sums sums) {
  std::array<double, N> average{};
  std::array<double, N> part;
  forEachSegment(points, batch, draws, state, [&](const RiskSegment& segment, const RiskColumns& columns) {
    sums(columns, part.data());
    for (size_t i = 0; i < N; ++i)
      average[i] += segment.probability / static_cast<double>(columns.count) * part[i];
  });
  return average;
}

}  // namespace

RiskState stateAt(const RiskPoints& points, PlaneVector w, double r, double chi) {
  return {w.e1, w.e2, r, chi, w + -1.0 * points.origin};
}

RiskState stateFrom(const RiskPoints& points, PlaneVector offset, double r, double chi) {
  const PlaneVector w = points.origin + offset;
  return {w.e1, w.e2, r, chi, offset};
}

double relevantGap(const RiskSegment& segment, const RiskState& state) {
  return segment.originGap - dot(state.offset, segment.relevant);
}

double noiseNorm(const RiskPoints& points, const RiskState& state) {
  return points.uniform ? std::hypot(state.w1, state.w2, state.r) : std::hypot(state.w2, state.r);
}

MarginSums marginSums(const RiskPoints& points, int batch, int draws, MarginLoss loss,
                      const RiskState& state) {
  const double R = noiseNorm(points, state);
  return averageBatch<kMarginSums>(points, batch, draws, state, [&](const RiskColumns& columns, double* out) {
    HWY_DYNAMIC_DISPATCH(marginSumsOf)(columns, loss, state, R, out);
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
  forEachSegment(
      points, batch, INT32_MAX, state, [&](const RiskSegment& segment, const RiskColumns& columns) {
        HWY_DYNAMIC_DISPATCH(errorSumsOf)(columns, state, R, slopeAtZero, part.data());
        add(segment.testProbability, columns.count, {kError, kErrorBy1, kErrorBy2, kErrorByR, kErrorSquares});
        add(segment.probability * rates.of(segment.observed), columns.count,
            {kTrainingError, kTrainingBy1, kTrainingBy2, kTrainingByR, kTrainingByChi, kTrainingSquares});
      });
  return average;
}

ShrinkageSums shrinkageSums(const RiskPoints& points, int batch, int draws, double chi) {
  const auto sums =
      averageBatch<2>(points, batch, draws, RiskState{}, [&](const RiskColumns& columns, double* out) {
        HWY_DYNAMIC_DISPATCH(shrinkageSumsOf)(columns, chi, out);
      });
  return {sums[0], sums[1]};
}

PlaneSums planeSums(const RiskPoints& points, int batch, double chi, bool vanishing) {
  const auto sums =
      averageBatch<8>(points, batch, INT32_MAX, RiskState{}, [&](const RiskColumns& columns, double* out) {
        HWY_DYNAMIC_DISPATCH(planeSumsOf)(columns, points.origin, chi, vanishing ? 0.0 : 1.0, out);
      });
  return {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]};
}

double relativeGapSquares(const RiskPoints& points, int batch, double chi, const RiskState& state) {
  return averageBatch<1>(points, batch, INT32_MAX, state, [&](const RiskColumns& columns, double* out) {
    HWY_DYNAMIC_DISPATCH(gapSquaresOf)(columns, state, chi, out);
  })[0];
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
