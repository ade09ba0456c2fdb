#include "core/attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Eight partial sums whatever the vector width, so that every width adds in the same order.
constexpr int kPartialSums = 8;
using Reals = hn::CappedTag<double, kPartialSums>;
using RealVector = hn::Vec<Reals>;

HWY_INLINE double sumOfPartials(const double* partials) {
  return ((partials[0] + partials[4]) + (partials[2] + partials[6])) +
         ((partials[1] + partials[5]) + (partials[3] + partials[7]));
}

ScoreSums scoreSumsOf(const double* g, int m, double c) {
  const Reals reals;
  const int lanes = static_cast<int>(hn::Lanes(reals));
  const auto scale = hn::Set(reals, c);
  double extreme = c * g[0];
  for (int t = 1; t < m; ++t) extreme = std::max(extreme, c * g[t]);
  const auto shift = hn::Set(reals, extreme);

  HWY_ALIGN double s1[kPartialSums] = {};
  HWY_ALIGN double s2[kPartialSums] = {};
  HWY_ALIGN double sg[kPartialSums] = {};
  HWY_ALIGN double tail[kPartialSums] = {};
  HWY_ALIGN double inRange[kPartialSums] = {};
  const auto addGroup = [&](const double* group, const double* weights) {
    for (int part = 0; part < kPartialSums; part += lanes) {
      const auto value = hn::LoadU(reals, group + part);
      auto e = hn::Exp(reals, hn::Sub(hn::Mul(scale, value), shift));
      if (weights != nullptr) e = hn::Mul(e, hn::Load(reals, weights + part));
      hn::Store(hn::Add(hn::Load(reals, s1 + part), e), reals, s1 + part);
      hn::Store(hn::MulAdd(e, e, hn::Load(reals, s2 + part)), reals, s2 + part);
      hn::Store(hn::MulAdd(e, value, hn::Load(reals, sg + part)), reals, sg + part);
    }
  };
  int t = 0;
  for (; t + kPartialSums <= m; t += kPartialSums) addGroup(g + t, nullptr);
  if (t < m) {
    for (int i = 0; i < kPartialSums; ++i) {
      inRange[i] = t + i < m;
      tail[i] = t + i < m ? g[t + i] : g[0];
    }
    addGroup(tail, inRange);
  }
  return {extreme, sumOfPartials(s1), sumOfPartials(s2), sumOfPartials(sg)};
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

#include "core/blas.h"

namespace prompt_attention {

HWY_EXPORT(scoreSumsOf);

ScoreSums scoreSums(const double* g, int m, double c) {
  return HWY_DYNAMIC_DISPATCH(scoreSumsOf)(g, m, c);
}

Pooling pool(const Mixture& mixture, double relevantScore, double irrelevantScore, const ScoreSums& sums) {
  if (mixture.irrelevantTokens() == 0) return {1.0, 0.0, 0.0, 0.0};
  if (mixture.relevantTokens == 0) {
    const double scale = mixture.noiseLevel / sums.exponentials;
    return {0.0, 1.0, scale * sums.weighted, scale * scale * sums.squares};
  }
  // ratio = irrelevant over relevant weight; either end of its range (0, ∞) gives the right masses.
  const double ratio =
      sums.exponentials / mixture.relevantTokens * std::exp(irrelevantScore + sums.shift - relevantScore);
  const double A = 1.0 / (1.0 + ratio);
  const double B = 1.0 / (1.0 + 1.0 / ratio);
  const double scale = mixture.noiseLevel * B / sums.exponentials;
  return {A, B, scale * sums.weighted, scale * scale * sums.squares};
}

void attend(const double* X, int T, int d, const double* q, double* phi, double* v) {
  product(X, T, d, q, phi);
  const double shift = *std::max_element(phi, phi + T);
  double total = 0.0;
  for (int t = 0; t < T; ++t) {
    phi[t] = std::exp(phi[t] - shift);
    total += phi[t];
  }
  for (int t = 0; t < T; ++t) phi[t] /= total;
  std::fill(v, v + d, 0.0);
  addTransposedProduct(1.0, X, T, d, phi, v);
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
