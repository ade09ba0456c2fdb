// The averages of risk_sums.h that need no loss.
#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/laws/plane_sums.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/highway.h>

#include "core/laws/risk-columns-inl.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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
  constexpr int kSums = 10;
  const Reals d;
  V sums[kSums];
  for (V& sum : sums) sum = hn::Zero(d);
  const V originGap = constant(points.originGap);
  forEachVector(points, [&](const PointVectors& point, V variance, V, V weight) HWY_ATTR {
    const V kappa = hn::Div(weight, hn::MulAdd(constant(chi), variance, constant(one)));
    const V k1 = hn::Mul(kappa, point.b1);
    const V k2 = hn::Mul(kappa, point.b2);
    const V gap = gapOf(point, originGap, constant(1.0), constant(origin.e1), constant(origin.e2));
    sums[0] = hn::MulAdd(k1, point.b1, sums[0]);
    sums[1] = hn::MulAdd(k1, point.b2, sums[1]);
    sums[2] = hn::MulAdd(k2, point.b2, sums[2]);
    sums[3] = hn::MulAdd(kappa, variance, sums[3]);
    sums[4] = hn::Add(sums[4], k1);
    sums[5] = hn::Add(sums[5], k2);
    sums[6] = hn::MulAdd(k1, gap, sums[6]);
    sums[7] = hn::MulAdd(k2, gap, sums[7]);
    sums[8] = hn::Add(sums[8], kappa);
    sums[9] = hn::MulAdd(kappa, gap, sums[9]);
  });
  for (int i = 0; i < kSums; ++i) out[i] = hn::GetLane(hn::SumOfLanes(d, sums[i]));
  out[10] = points.y * out[8];
  out[11] = points.y * out[4];
  out[12] = points.y * out[5];
  out[13] = points.y * out[9];
}

void gapSquaresOf(const RiskColumns& points, const RiskState& state, double chi, double* out) {
  const Reals d;
  V sum = hn::Zero(d);
  const V relevantGap = constant(points.gap);
  const V unshifted = constant(1.0 - points.shift);
  forEachVector(points, [&](const PointVectors& point, V variance, V, V weight) HWY_ATTR {
    const V gap = gapOf(point, relevantGap, unshifted, constant(state.w1), constant(state.w2));
    sum = hn::MulAdd(hn::Mul(weight, gap), hn::Div(gap, hn::Mul(constant(chi), variance)), sum);
  });
  out[0] = hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace prompt_attention {

HWY_EXPORT(shrinkageSumsOf);
HWY_EXPORT(planeSumsOf);
HWY_EXPORT(gapSquaresOf);

ShrinkageSums shrinkageSums(const RiskPoints& points, int batch, int draws, double chi) {
  const auto sums =
      averageBatch<2>(points, batch, draws, RiskState{}, [&](const RiskColumns& columns, double* out) {
        HWY_DYNAMIC_DISPATCH(shrinkageSumsOf)(columns, chi, out);
      });
  return {sums[0], sums[1]};
}

PlaneSums planeSums(const RiskPoints& points, int batch, double chi, bool vanishing) {
  const auto sums =
      averageBatch<14>(points, batch, INT32_MAX, RiskState{}, [&](const RiskColumns& columns, double* out) {
        HWY_DYNAMIC_DISPATCH(planeSumsOf)(columns, points.origin, chi, vanishing ? 0.0 : 1.0, out);
      });
  return {sums[0], sums[1], sums[2],  sums[3],  sums[4],  sums[5], sums[6],
          sums[7], sums[8], sums[10], sums[11], sums[12], sums[13]};
}

double relativeGapSquares(const RiskPoints& points, int batch, double chi, const RiskState& state) {
  return averageBatch<1>(points, batch, INT32_MAX, state, [&](const RiskColumns& columns, double* out) {
    HWY_DYNAMIC_DISPATCH(gapSquaresOf)(columns, state, chi, out);
  })[0];
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
