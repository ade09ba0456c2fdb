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

#include "core/risk-terms-inl.h"

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
