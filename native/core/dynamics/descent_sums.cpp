#include "core/dynamics/descent_sums.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/dynamics/descent_sums.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One group: normals[2m×kPooledGroup], g1 of all tokens before g2 of all.
void groupSums(const float* normals, int m, double scale, int at, TokenSums& sums) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> f;
  using V = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d);
  const float* other = normals + static_cast<size_t>(m) * kPooledGroup;
  const V c = hn::Set(d, scale);
  for (size_t lane = 0; lane < kPooledGroup; lane += lanes) {
    V largest = hn::Zero(d);
    for (int t = 0; t < m; ++t) {
      const V z = hn::PromoteTo(d, hn::LoadU(f, normals + static_cast<size_t>(t) * kPooledGroup + lane));
      largest = t == 0 ? z : hn::Max(largest, z);
    }
    const V shift = hn::Mul(c, largest);
    V E0 = hn::Zero(d), E1 = E0, E2 = E0, E11 = E0, E12 = E0, E22 = E0;
    V D0 = E0, D1 = E0, D2 = E0, D11 = E0, D12 = E0, D22 = E0;
    for (int t = 0; t < m; ++t) {
      const size_t token = static_cast<size_t>(t) * kPooledGroup + lane;
      const V g1 = hn::PromoteTo(d, hn::LoadU(f, normals + token));
      const V g2 = hn::PromoteTo(d, hn::LoadU(f, other + token));
      const V e = scale == 0.0 ? hn::Set(d, 1.0) : hn::Exp(d, hn::MulSub(c, g1, shift));
      const V ee = hn::Mul(e, e);
      const V g11 = hn::Mul(g1, g1);
      const V g12 = hn::Mul(g1, g2);
      const V g22 = hn::Mul(g2, g2);
      E0 = hn::Add(E0, e);
      E1 = hn::MulAdd(e, g1, E1);
      E2 = hn::MulAdd(e, g2, E2);
      E11 = hn::MulAdd(e, g11, E11);
      E12 = hn::MulAdd(e, g12, E12);
      E22 = hn::MulAdd(e, g22, E22);
      D0 = hn::Add(D0, ee);
      D1 = hn::MulAdd(ee, g1, D1);
      D2 = hn::MulAdd(ee, g2, D2);
      D11 = hn::MulAdd(ee, g11, D11);
      D12 = hn::MulAdd(ee, g12, D12);
      D22 = hn::MulAdd(ee, g22, D22);
    }
    const size_t i = at + lane;
    hn::StoreU(shift, d, sums.shift + i);
    const V weighted[] = {E0, E1, E2, E11, E12, E22};
    const V squared[] = {D0, D1, D2, D11, D12, D22};
    for (int j = 0; j < kTokenMoments; ++j) {
      hn::StoreU(weighted[j], d, sums.weighted[j] + i);
      hn::StoreU(squared[j], d, sums.squared[j] + i);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace prompt_attention {

HWY_EXPORT(groupSums);

void drawTokenSums(const Stream& stream, uint64_t first, int count, int m, std::span<const double> scales,
                   const std::atomic<bool>& cancelled, std::vector<float>& normals, TokenSums* sums) {
  const size_t each = 2 * static_cast<size_t>(m) * kPooledGroup;
  normals.resize(each);
  for (int at = 0; at < count && !cancelled; at += kPooledGroup) {
    stream.normals((first + at) / kPooledGroup * each, each, normals.data());
    for (size_t j = 0; j < scales.size(); ++j)
      HWY_DYNAMIC_DISPATCH(groupSums)(normals.data(), m, scales[j], at, sums[j]);
  }
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
