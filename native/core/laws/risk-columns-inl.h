// The points of risk_columns.h on vectors, for files compiled once per instruction set (see random-inl.h for
// the guard).
#if defined(PROMPT_ATTENTION_RISK_COLUMNS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef PROMPT_ATTENTION_RISK_COLUMNS_INL_H
#undef PROMPT_ATTENTION_RISK_COLUMNS_INL_H
#else
#define PROMPT_ATTENTION_RISK_COLUMNS_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "core/laws/risk_columns.h"
#include "core/losses/margin-terms-inl.h"

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

// 1 − a; `unshifted` is 1 − y b0.
HWY_INLINE V gapOf(const PointVectors& point, V relevantGap, V unshifted, V w1, V w2) {
  const V rest = hn::NegMulAdd(w1, point.eta1, hn::NegMulAdd(w2, point.eta2, hn::Mul(point.mass, unshifted)));
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

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#endif
