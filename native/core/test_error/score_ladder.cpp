#include "core/test_error/score_ladder.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/test_error/score_ladder.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "core/mixture/score-chunks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {

// Score sums of shifted normals, with Σx and Σ e^{j·step·x}, j = 1 … powers, into powerSums.
void ladderSumsOf(const StreamAddress& stream, uint64_t first, int count, int m, double c, double step,
                  int powers, const BlockShifts& shifts, const std::atomic<bool>& cancelled, ScoreSums& sums,
                  double* powerSums) {
  const hn::CappedTag<double, kPooledGroup / 2> reals;
  const size_t lanes = hn::Lanes(reals);
  const auto scale = hn::Set(reals, std::min(std::abs(c), 1e30));
  const auto steps = hn::Set(reals, step);
  HWY_ALIGN double x[kChunk * kPooledGroup];
  forEachChunk(stream, first, count, m, cancelled,
               [&](const float* normals, int tokens, int example, int firstToken) HWY_ATTR {
                 for (int t = 0; t < tokens; ++t)
                   for (int lane = 0; lane < kPooledGroup; ++lane)
                     x[t * kPooledGroup + lane] =
                         normals[t * kPooledGroup + lane] + shifts.common[example + lane];
                 for (int lane = 0; lane < kPooledGroup; ++lane) {
                   const int t = shifts.token[example + lane] - firstToken;
                   if (t >= 0 && t < tokens) x[t * kPooledGroup + lane] += shifts.extra[example + lane];
                 }
                 for (size_t lane = 0; lane < kPooledGroup; lane += lanes) {
                   const size_t at = example + lane;
                   const double* column = x + lane;
                   const auto value = [&](int t) HWY_ATTR {
                     return hn::LoadU(reals, column + static_cast<ptrdiff_t>(t) * kPooledGroup);
                   };
                   auto top = value(0);
                   for (int t = 1; t < tokens; ++t) top = hn::Max(top, value(t));
                   top = hn::Mul(scale, top);
                   auto s1 = hn::Zero(reals);
                   auto s2 = s1;
                   auto sg = s1;
                   auto total = s1;
                   if (firstToken > 0) {
                     const auto before = hn::LoadU(reals, sums.shift + at);
                     top = hn::Max(top, before);
                     const auto factor = hn::Exp(reals, hn::Sub(before, top));
                     s1 = hn::Mul(factor, hn::LoadU(reals, sums.exponentials + at));
                     s2 = hn::Mul(hn::Mul(factor, factor), hn::LoadU(reals, sums.squares + at));
                     sg = hn::Mul(factor, hn::LoadU(reals, sums.weighted + at));
                     total = hn::LoadU(reals, powerSums + at);
                   } else {
                     for (int j = 1; j <= powers; ++j)
                       hn::StoreU(s1, reals, powerSums + static_cast<ptrdiff_t>(j) * kPooledBlock + at);
                   }
                   for (int t = 0; t < tokens; ++t) {
                     const auto g = value(t);
                     const auto e = hn::Exp(reals, hn::MulSub(scale, g, top));
                     s1 = hn::Add(s1, e);
                     s2 = hn::MulAdd(e, e, s2);
                     sg = hn::MulAdd(e, g, sg);
                     total = hn::Add(total, g);
                     if (powers == 0) continue;
                     const auto base = hn::Exp(reals, hn::Mul(steps, g));
                     auto power = base;
                     for (int j = 1; j <= powers; ++j) {
                       double* sum = powerSums + static_cast<ptrdiff_t>(j) * kPooledBlock + at;
                       hn::StoreU(hn::Add(hn::LoadU(reals, sum), power), reals, sum);
                       power = hn::Mul(power, base);
                     }
                   }
                   hn::StoreU(top, reals, sums.shift + at);
                   hn::StoreU(s1, reals, sums.exponentials + at);
                   hn::StoreU(s2, reals, sums.squares + at);
                   hn::StoreU(sg, reals, sums.weighted + at);
                   hn::StoreU(total, reals, powerSums + at);
                 }
               });
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace prompt_attention {

HWY_EXPORT(ladderSumsOf);

void drawLadderSums(const Stream& stream, uint64_t first, int count, int m, double c,
                    const ScoreLadder& ladder, const std::atomic<bool>& cancelled, LadderWorkspace& workspace,
                    ScoreSums& sums, double* weights) {
  if (m == 0) {
    drawScoreSums(stream, first, count, m, c, cancelled, sums);
    std::fill_n(weights, count, 1.0);
    return;
  }
  const double perRoot = 1.0 / std::sqrt(static_cast<double>(m));
  const StreamAddress& address = stream.address();
  const Stream chosen(address.key,
                      address.purpose - address.purpose % 16 + purposeOf(Sample{}, Field::kShift),
                      address.trial);
  BlockShifts& shifts = workspace.shifts;
  chosen.uniforms(first, count, weights);
  for (int i = 0; i < count; ++i) {
    const LadderComponent& component = ladder.components[ladder.slots[(first + i) % kLadderPeriod]];
    shifts.common[i] = component.common * perRoot;
    shifts.extra[i] = component.power * ladder.step;
    shifts.token[i] = std::min(m - 1, static_cast<int>(weights[i] * m));
  }
  const size_t components = ladder.components.size();
  workspace.powerSums.resize(static_cast<size_t>(1 + ladder.powers) * kPooledBlock);
  workspace.ratios.resize(components * kPooledBlock);
  double* powerSums = workspace.powerSums.data();
  HWY_DYNAMIC_DISPATCH(ladderSumsOf)
  (stream.address(), first, count, m, c, ladder.step, ladder.powers, shifts, cancelled, sums, powerSums);
  if (cancelled) return;
  if (c < 0.0)
    for (int i = 0; i < count; ++i) sums.weighted[i] = -sums.weighted[i];

  std::fill_n(weights, count, 0.0);
  for (int j = 1; j <= ladder.powers; ++j)
    for (int i = 0; i < count; ++i) {
      double& sum = powerSums[j * kPooledBlock + i];
      sum = std::log(sum / m);
    }
  for (size_t j = 0; j < components; ++j) {
    const LadderComponent& component = ladder.components[j];
    double* ratio = workspace.ratios.data() + j * kPooledBlock;
    const double a = component.common * perRoot;
    const double D = component.power * ladder.step;
    const double constant = -0.5 * component.common * component.common - D * a - 0.5 * D * D;
    const double* ofToken = powerSums + static_cast<size_t>(component.power) * kPooledBlock;
    for (int i = 0; i < count; ++i) {
      const double exponent = constant + a * powerSums[i] + (component.power > 0 ? ofToken[i] : 0.0);
      ratio[i] = component.share * std::exp(exponent);
      weights[i] += ratio[i];
    }
  }
  for (int i = 0; i < count; ++i) weights[i] = 1.0 / weights[i];
  for (size_t j = 0; j < components; ++j) {
    double* ratio = workspace.ratios.data() + j * kPooledBlock;
    for (int i = 0; i < count; ++i) ratio[i] *= weights[i];
  }
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
