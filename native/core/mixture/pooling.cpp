#include "core/mixture/pooling.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/mixture/pooling.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/base/normal-tail-inl.h"
#include "core/mixture/score-chunks-inl.h"
#include "core/random/random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {

using Reals = hn::CappedTag<double, kPooledGroup / 2>;
using RealVector = hn::Vec<Reals>;
// As many single-precision lanes as two vectors of Reals.
using Floats = hn::Repartition<float, Reals>;
using FloatVector = hn::Vec<Floats>;
using HalfFloats = hn::Half<Floats>;

// Tokens that are added in single precision before their sum goes to the double one: it rounds no more than
// the exponentials themselves.
constexpr int kRun = 4;

// Σ over two vectors of examples, in double.
struct Sums {
  RealVector lower, upper;
};

HWY_INLINE Sums promote(FloatVector x) {
  const Reals reals;
  return {hn::PromoteTo(reals, hn::LowerHalf(x)), hn::PromoteTo(reals, hn::UpperHalf(HalfFloats(), x))};
}

HWY_INLINE void addTo(Sums& sums, FloatVector x) {
  const Sums more = promote(x);
  sums.lower = hn::Add(sums.lower, more.lower);
  sums.upper = hn::Add(sums.upper, more.upper);
}

HWY_INLINE Sums scaled(Sums a, Sums b) {
  return {hn::Mul(a.lower, b.lower), hn::Mul(a.upper, b.upper)};
}

HWY_INLINE void store(Sums sums, double* out) {
  const Reals reals;
  hn::StoreU(sums.lower, reals, out);
  hn::StoreU(sums.upper, reals, out + hn::Lanes(reals));
}

HWY_INLINE Sums load(const double* in) {
  const Reals reals;
  return {hn::LoadU(reals, in), hn::LoadU(reals, in + hn::Lanes(reals))};
}

// Calls visit(t, length) for runs of kRun tokens, then for the rest one by one.
template <class Visit>
HWY_INLINE void forEachRun(int tokens, Visit visit) {
  int t = 0;
  for (; t + kRun <= tokens; t += kRun) visit(t, std::integral_constant<int, kRun>());
  for (; t < tokens; ++t) visit(t, std::integral_constant<int, 1>());
}

// Where the normals of token t of a chunk begin.
HWY_INLINE const float* atToken(const float* normals, int t) {
  return normals + static_cast<size_t>(t) * kPooledGroup;
}

void scoreSumsOf(const StreamAddress& stream, uint64_t first, int count, int m, double c,
                 const std::atomic<bool>& cancelled, ScoreSums& sums) {
  const Floats floats;
  const size_t lanes = hn::Lanes(floats);
  // Beyond the largest scale every weight but the largest is 0.
  const float scale = static_cast<float>(std::min(std::abs(c), 1e30));
  const auto scales = hn::Set(floats, scale);
  HWY_ALIGN float largest[kPooledGroup];
  const auto visit = [&](const float* normals, int tokens, int example, int firstToken) {
    const bool isFirst = firstToken == 0;
    for (size_t lane = 0; lane < kPooledGroup; lane += lanes) {
      const float* g = normals + lane;
      const size_t at = example + lane;
      auto top = isFirst ? hn::LoadU(floats, g) : hn::LoadU(floats, largest + lane);
      const auto before = top;
      for (int t = 0; t < tokens; ++t) top = hn::Max(top, hn::LoadU(floats, atToken(g, t)));
      hn::StoreU(top, floats, largest + lane);
      const auto zero = hn::Zero(Reals());
      Sums s1{zero, zero};
      Sums s2{zero, zero};
      Sums sg{zero, zero};
      if (!isFirst) {
        const Sums factor = promote(hn::Exp(floats, hn::Mul(scales, hn::Sub(before, top))));
        s1 = scaled(load(sums.exponentials + at), factor);
        s2 = scaled(load(sums.squares + at), scaled(factor, factor));
        sg = scaled(load(sums.weighted + at), factor);
      }
      forEachRun(tokens, [&](int t, auto length) HWY_ATTR {
        auto run1 = hn::Zero(floats);
        auto run2 = run1;
        auto runG = run1;
        for (int i = t; i < t + length; ++i) {
          const auto value = hn::LoadU(floats, atToken(g, i));
          const auto e = hn::Exp(floats, hn::Mul(scales, hn::Sub(value, top)));
          run1 = hn::Add(run1, e);
          run2 = hn::MulAdd(e, e, run2);
          runG = hn::MulAdd(e, value, runG);
        }
        addTo(s1, run1);
        addTo(s2, run2);
        addTo(sg, runG);
      });
      store(s1, sums.exponentials + at);
      store(s2, sums.squares + at);
      store(sg, sums.weighted + at);
      const auto exact = hn::Set(Reals(), std::abs(c));
      store(scaled(promote(top), {exact, exact}), sums.shift + at);
    }
  };
  forEachChunk(stream, first, count, m, cancelled, visit);
}

void powerSumsOf(const StreamAddress& stream, uint64_t first, int count, int m,
                 const std::atomic<bool>& cancelled, double* sum, double* squares) {
  const Floats floats;
  const size_t lanes = hn::Lanes(floats);
  forEachChunk(stream, first, count, m, cancelled,
               [&](const float* normals, int tokens, int example, int firstToken) {
                 const bool isFirst = firstToken == 0;
                 for (size_t lane = 0; lane < kPooledGroup; lane += lanes) {
                   const size_t at = example + lane;
                   const auto zero = hn::Zero(Reals());
                   Sums s1 = isFirst ? Sums{zero, zero} : load(sum + at);
                   Sums s2 = isFirst ? Sums{zero, zero} : load(squares + at);
                   forEachRun(tokens, [&](int t, auto length) HWY_ATTR {
                     auto run1 = hn::Zero(floats);
                     auto run2 = run1;
                     for (int i = t; i < t + length; ++i) {
                       const auto g = hn::LoadU(floats, atToken(normals + lane, i));
                       run1 = hn::Add(run1, g);
                       run2 = hn::MulAdd(g, g, run2);
                     }
                     addTo(s1, run1);
                     addTo(s2, run2);
                   });
                   store(s1, sum + at);
                   store(s2, squares + at);
                 }
               });
}

void poolOf(int k, double noiseLevel, const double* gaps, int count, const ScoreSums& sums, Pooled& pooled) {
  const Reals reals;
  const size_t lanes = hn::Lanes(reals);
  const auto one = hn::Set(reals, 1.0);
  const auto perToken = hn::Set(reals, 1.0 / k);
  const auto sigma = hn::Set(reals, noiseLevel);
  // Beyond ±700 the masses are 0 and 1 to working precision, and their ratio still is a number.
  const auto bound = hn::Set(reals, 700.0);
  for (size_t i = 0; i < static_cast<size_t>(count); i += lanes) {
    const auto s1 = hn::Load(reals, sums.exponentials + i);
    const auto exponent = hn::Add(hn::LoadU(reals, gaps + i), hn::Load(reals, sums.shift + i));
    const auto clamped = hn::Min(hn::Max(exponent, hn::Neg(bound)), bound);
    // Irrelevant over relevant weight.
    const auto ratio = hn::Mul(hn::Mul(s1, perToken), hn::Exp(reals, clamped));
    const auto A = hn::Div(one, hn::Add(one, ratio));
    const auto B = hn::Mul(ratio, A);
    const auto scale = hn::Div(hn::Mul(sigma, B), s1);
    hn::Store(A, reals, pooled.relevantMass + i);
    hn::Store(B, reals, pooled.irrelevantMass + i);
    hn::Store(hn::Mul(scale, hn::Load(reals, sums.weighted + i)), reals, pooled.alongPrompt + i);
    hn::Store(hn::Mul(hn::Mul(scale, scale), hn::Load(reals, sums.squares + i)), reals, pooled.variance + i);
  }
}

void addErrorsOf(const Pooled& pooled, int count, const Margin& margin, double weight, double* errors) {
  const Reals reals;
  const size_t lanes = hn::Lanes(reals);
  const auto zero = hn::Zero(reals);
  const auto infinity = hn::Inf(reals);
  const auto relevant = hn::Set(reals, margin.y * margin.relevant);
  const auto irrelevant = hn::Set(reals, margin.y * margin.irrelevant);
  const auto alongPrompt = hn::Set(reals, margin.y * margin.alongPrompt);
  const auto intercept = hn::Set(reals, -margin.y * margin.intercept);
  const auto orthogonal = hn::Set(reals, margin.orthogonal);
  const auto weights = hn::Set(reals, weight);
  for (size_t i = 0; i < static_cast<size_t>(count); i += lanes) {
    auto mean = hn::MulAdd(hn::Load(reals, pooled.relevantMass + i), relevant, intercept);
    mean = hn::MulAdd(hn::Load(reals, pooled.irrelevantMass + i), irrelevant, mean);
    mean = hn::MulAdd(hn::Load(reals, pooled.alongPrompt + i), alongPrompt, mean);
    const auto deviation = hn::Mul(hn::Sqrt(hn::Load(reals, pooled.variance + i)), orthogonal);
    const auto certain = hn::IfThenElse(hn::Eq(mean, zero), zero, hn::CopySign(infinity, mean));
    const auto z = hn::IfThenElse(hn::Gt(deviation, zero), hn::Div(mean, deviation), certain);
    const auto error = hn::MulAdd(weights, normalTail(reals, z), hn::LoadU(reals, errors + i));
    hn::StoreU(error, reals, errors + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace prompt_attention {

HWY_EXPORT(scoreSumsOf);
HWY_EXPORT(powerSumsOf);
HWY_EXPORT(poolOf);
HWY_EXPORT(addErrorsOf);

namespace {

// Without irrelevant tokens there is no noise, and attention has nothing to decide.
void poolRelevant(int count, Pooled& pooled) {
  std::fill_n(pooled.relevantMass, count, 1.0);
  for (double* none : {pooled.irrelevantMass, pooled.alongPrompt, pooled.variance})
    std::fill_n(none, count, 0.0);
}

// Without relevant tokens the scores only weigh the irrelevant ones.
void poolIrrelevant(double noiseLevel, int count, const ScoreSums& sums, Pooled& pooled) {
  for (int i = 0; i < count; ++i) {
    const double scale = noiseLevel / sums.exponentials[i];
    pooled.relevantMass[i] = 0.0;
    pooled.irrelevantMass[i] = 1.0;
    pooled.alongPrompt[i] = scale * sums.weighted[i];
    pooled.variance[i] = scale * scale * sums.squares[i];
  }
}

}  // namespace

void drawScoreSums(const Stream& stream, uint64_t first, int count, int m, double c,
                   const std::atomic<bool>& cancelled, ScoreSums& sums) {
  if (m == 0) {
    for (double* sum : {sums.shift, sums.exponentials, sums.squares, sums.weighted})
      std::fill_n(sum, count, 0.0);
    return;
  }
  HWY_DYNAMIC_DISPATCH(scoreSumsOf)(stream.address(), first, count, m, c, cancelled, sums);
  if (c < 0.0)
    for (int i = 0; i < count; ++i) sums.weighted[i] = -sums.weighted[i];
}

void drawPowerSums(const Stream& stream, uint64_t first, int count, int m, const std::atomic<bool>& cancelled,
                   double* sum, double* squares) {
  if (m == 0) {
    std::fill_n(sum, count, 0.0);
    std::fill_n(squares, count, 0.0);
    return;
  }
  HWY_DYNAMIC_DISPATCH(powerSumsOf)(stream.address(), first, count, m, cancelled, sum, squares);
}

void pool(const Mixture& mixture, const double* gaps, int count, const ScoreSums& sums, Pooled& pooled) {
  if (mixture.irrelevantTokens() == 0)
    poolRelevant(count, pooled);
  else if (mixture.relevantTokens == 0)
    poolIrrelevant(mixture.noiseLevel, count, sums, pooled);
  else
    HWY_DYNAMIC_DISPATCH(poolOf)(mixture.relevantTokens, mixture.noiseLevel, gaps, count, sums, pooled);
}

void pool(const Mixture& mixture, const double* gaps, int count, const ScoreSums& sums,
          const ScoreSums& relevantSums, Pooled& pooled) {
  if (!mixture.hasRelevantNoise()) return pool(mixture, gaps, count, sums, pooled);
  // As k equal scores that weigh as much as theirs.
  alignas(64) double equalGaps[kPooledBlock] = {};
  for (int i = 0; i < count; ++i)
    equalGaps[i] =
        gaps[i] - relevantSums.shift[i] - std::log(relevantSums.exponentials[i] / mixture.relevantTokens);
  pool(mixture, equalGaps, count, sums, pooled);
  for (int i = 0; i < count; ++i) {
    const double scale = mixture.relevantNoiseLevel * pooled.relevantMass[i] / relevantSums.exponentials[i];
    pooled.alongPrompt[i] += scale * relevantSums.weighted[i];
    pooled.variance[i] += scale * scale * relevantSums.squares[i];
  }
}

void drawTokenSums(const Mixture& mixture, const Stream& scores, uint64_t first, int count, double length,
                   const std::atomic<bool>& cancelled, ScoreSums& sums, ScoreSums& relevantSums) {
  drawScoreSums(scores, first, count, mixture.irrelevantTokens(), mixture.noiseLevel * length, cancelled,
                sums);
  if (mixture.hasRelevantNoise())
    drawScoreSums(scores.besides(), first, count, mixture.relevantTokens, mixture.relevantNoiseLevel * length,
                  cancelled, relevantSums);
}

void addErrors(const Pooled& pooled, int count, const Margin& margin, double weight, double* errors) {
  HWY_DYNAMIC_DISPATCH(addErrorsOf)(pooled, count, margin, weight, errors);
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
