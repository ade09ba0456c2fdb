#include "core/attention/attention.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/attention.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/cache_control.h>
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Eight partial sums whatever the vector width, so that every width adds in the same order.
constexpr int kPartialSums = 8;
using Reals = hn::CappedTag<double, kPartialSums>;

HWY_INLINE double sumOfPartials(const double* partials) {
  return ((partials[0] + partials[4]) + (partials[2] + partials[6])) +
         ((partials[1] + partials[5]) + (partials[3] + partials[7]));
}

// Bytes ahead that tokens are asked for: enough for what memory takes to answer.
constexpr size_t kAhead = 8192;

void twoProductsOf(const double* X, size_t rows, size_t d, const double* q, const double* w, double* a,
                   double* h) {
  const Reals reals;
  const size_t lanes = hn::Lanes(reals);
  const size_t whole = d - d % kPartialSums;
  HWY_ALIGN double sumA[kPartialSums];
  HWY_ALIGN double sumH[kPartialSums];
  for (size_t t = 0; t < rows; ++t, X += d) {
    for (size_t part = 0; part < kPartialSums; part += lanes) {
      auto partA = hn::Zero(reals);
      auto partH = hn::Zero(reals);
      for (size_t j = part; j < whole; j += kPartialSums) {
        hwy::Prefetch(X + j + kAhead / sizeof(double));
        const auto x = hn::LoadU(reals, X + j);
        partA = hn::MulAdd(x, hn::LoadU(reals, q + j), partA);
        partH = hn::MulAdd(x, hn::LoadU(reals, w + j), partH);
      }
      hn::Store(partA, reals, sumA + part);
      hn::Store(partH, reals, sumH + part);
    }
    for (size_t j = whole; j < d; ++j) {
      sumA[j - whole] += X[j] * q[j];
      sumH[j - whole] += X[j] * w[j];
    }
    a[t] = sumOfPartials(sumA);
    h[t] = sumOfPartials(sumH);
  }
}

// The largest entry of row[columns]; NaN if it has a NaN.
double largestOf(const double* row, int columns) {
  const Reals reals;
  const int lanes = static_cast<int>(hn::Lanes(reals));
  double largest = row[0];
  bool hasNan = false;
  int t = 0;
  if (columns >= lanes) {
    auto maxima = hn::LoadU(reals, row);
    auto nan = hn::IsNaN(maxima);
    for (; t + lanes <= columns; t += lanes) {
      const auto x = hn::LoadU(reals, row + t);
      maxima = hn::Max(maxima, x);
      nan = hn::Or(nan, hn::IsNaN(x));
    }
    largest = hn::GetLane(hn::MaxOfLanes(reals, maxima));
    hasNan = !hn::AllFalse(reals, nan);
  }
  for (; t < columns; ++t) {
    largest = std::max(largest, row[t]);
    hasNan |= std::isnan(row[t]);
  }
  return hasNan ? std::numeric_limits<double>::quiet_NaN() : largest;
}

void softmaxRowsOf(double* S, int rows, int columns) {
  constexpr double kMaximum = std::numeric_limits<double>::max();
  const Reals reals;
  const int lanes = static_cast<int>(hn::Lanes(reals));
  const auto maximum = hn::Set(reals, kMaximum);
  const auto minimum = hn::Set(reals, -kMaximum);
  const int whole = columns - columns % kPartialSums;
  for (double* row = S; rows > 0; --rows, row += columns) {
    // Infinities are the largest finite numbers: ∞ − ∞ would be NaN.
    const double shift = std::clamp(largestOf(row, columns), -kMaximum, kMaximum);
    const auto shifts = hn::Set(reals, shift);
    const auto weigh = [&](const double* group, double* weights) {
      const auto x = hn::Min(hn::Max(hn::LoadU(reals, group), minimum), maximum);
      hn::StoreU(hn::Exp(reals, hn::Sub(x, shifts)), reals, weights);
    };
    HWY_ALIGN double sums[kPartialSums] = {};
    for (int t = 0; t < whole; t += kPartialSums) {
      for (int part = 0; part < kPartialSums; part += lanes) {
        weigh(row + t + part, row + t + part);
        hn::Store(hn::Add(hn::Load(reals, sums + part), hn::LoadU(reals, row + t + part)), reals,
                  sums + part);
      }
    }
    if (whole < columns) {
      HWY_ALIGN double tail[kPartialSums];
      for (int i = 0; i < kPartialSums; ++i) tail[i] = whole + i < columns ? row[whole + i] : shift;
      for (int part = 0; part < kPartialSums; part += lanes) weigh(tail + part, tail + part);
      for (int i = 0; whole + i < columns; ++i) sums[i] += row[whole + i] = tail[i];
    }
    // A NaN among the scores is a NaN shift; Exp would answer 0.
    const double total = std::isnan(shift) ? shift : sumOfPartials(sums);
    const auto inverse = hn::Set(reals, 1.0 / total);
    int t = 0;
    for (; t + lanes <= columns; t += lanes)
      hn::StoreU(hn::Mul(hn::LoadU(reals, row + t), inverse), reals, row + t);
    for (; t < columns; ++t) row[t] *= 1.0 / total;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/base/blas.h"

namespace prompt_attention {

HWY_EXPORT(softmaxRowsOf);
HWY_EXPORT(twoProductsOf);

void softmaxRows(double* S, int rows, int columns) {
  HWY_DYNAMIC_DISPATCH(softmaxRowsOf)(S, rows, columns);
}

void twoProducts(const double* X, size_t rows, size_t d, const double* q, const double* w, double* a,
                 double* h) {
  HWY_DYNAMIC_DISPATCH(twoProductsOf)(X, rows, d, q, w, a, h);
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
