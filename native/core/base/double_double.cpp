#include "core/base/double_double.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/base/double_double.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// a·b − p for the rounded product p, exactly.
template <class V>
V productError(V a, V b, V p) {
#if HWY_NATIVE_FMA
  return hn::MulSub(a, b, p);
#else
  const hn::DFromV<V> tag;
  const auto splitter = hn::Set(tag, 134217729.0);
  const auto aBig = hn::Mul(splitter, a);
  const auto aHi = hn::Sub(aBig, hn::Sub(aBig, a));
  const auto aLo = hn::Sub(a, aHi);
  const auto bBig = hn::Mul(splitter, b);
  const auto bHi = hn::Sub(bBig, hn::Sub(bBig, b));
  const auto bLo = hn::Sub(b, bHi);
  const auto first = hn::Sub(hn::Mul(aHi, bHi), p);
  return hn::Add(hn::Add(hn::Add(first, hn::Mul(aHi, bLo)), hn::Mul(aLo, bHi)), hn::Mul(aLo, bLo));
#endif
}

// (sHi, sLo) += (aHi, aLo)·(bHi, bLo)
template <class V>
void addProduct(V aHi, V aLo, V bHi, V bLo, V& sHi, V& sLo) {
  const auto p = hn::Mul(aHi, bHi);
  auto error = productError(aHi, bHi, p);
  error = hn::Add(error, hn::Add(hn::Mul(aHi, bLo), hn::Mul(aLo, bHi)));
  const auto sum = hn::Add(sHi, p);
  const auto part = hn::Sub(sum, sHi);
  const auto rounding = hn::Add(hn::Sub(sHi, hn::Sub(sum, part)), hn::Sub(p, part));
  const auto low = hn::Add(rounding, hn::Add(sLo, error));
  sHi = hn::Add(sum, low);
  sLo = hn::Sub(low, hn::Sub(sHi, sum));
}

// Lanes of sums into sums[2×lanes], high parts first; what is left after whole vectors is the caller's.
size_t dotLanes(const double* xHi, const double* xLo, const double* yHi, const double* yLo, size_t count,
                double* sums, size_t& lanes) {
  const hn::ScalableTag<double> tag;
  lanes = hn::Lanes(tag);
  const auto zero = hn::Zero(tag);
  auto sHi = zero;
  auto sLo = zero;
  size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    addProduct(hn::LoadU(tag, xHi + i), xLo == nullptr ? zero : hn::LoadU(tag, xLo + i),
               hn::LoadU(tag, yHi + i), yLo == nullptr ? zero : hn::LoadU(tag, yLo + i), sHi, sLo);
  hn::StoreU(sHi, tag, sums);
  hn::StoreU(sLo, tag, sums + lanes);
  return i;
}

size_t addScaledLanes(double aHi, double aLo, const double* xHi, const double* xLo, size_t count, double* yHi,
                      double* yLo) {
  const hn::ScalableTag<double> tag;
  const size_t lanes = hn::Lanes(tag);
  const auto zero = hn::Zero(tag);
  const auto scaleHi = hn::Set(tag, aHi);
  const auto scaleLo = hn::Set(tag, aLo);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    auto sHi = hn::LoadU(tag, yHi + i);
    auto sLo = hn::LoadU(tag, yLo + i);
    addProduct(scaleHi, scaleLo, hn::LoadU(tag, xHi + i), xLo == nullptr ? zero : hn::LoadU(tag, xLo + i),
               sHi, sLo);
    hn::StoreU(sHi, tag, yHi + i);
    hn::StoreU(sLo, tag, yLo + i);
  }
  return i;
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

namespace prompt_attention {

HWY_EXPORT(dotLanes);
HWY_EXPORT(addScaledLanes);

namespace {

// Of any target, not only of the one that this part is compiled for.
constexpr size_t kMostLanes = 32;

// a + b exactly, |a| ≥ |b|.
DoubleDouble normalised(double a, double b) {
  const double sum = a + b;
  return {sum, b - (sum - a)};
}

DoubleDouble exactSum(double a, double b) {
  const double sum = a + b;
  const double part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}

DoubleDouble exactProduct(double a, double b) {
  constexpr double kSplitter = 134217729.0;
  const double p = a * b;
  const double aBig = kSplitter * a;
  const double aHi = aBig - (aBig - a);
  const double aLo = a - aHi;
  const double bBig = kSplitter * b;
  const double bHi = bBig - (bBig - b);
  const double bLo = b - bHi;
  return {p, ((aHi * bHi - p) + aHi * bLo + aLo * bHi) + aLo * bLo};
}

}  // namespace

DoubleDouble operator+(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble sum = exactSum(a.hi, b.hi);
  return normalised(sum.hi, sum.lo + (a.lo + b.lo));
}

DoubleDouble operator-(DoubleDouble a, DoubleDouble b) {
  return a + DoubleDouble{-b.hi, -b.lo};
}

DoubleDouble operator*(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble product = exactProduct(a.hi, b.hi);
  return normalised(product.hi, product.lo + (a.hi * b.lo + a.lo * b.hi));
}

DoubleDouble operator/(DoubleDouble a, DoubleDouble b) {
  const double first = a.hi / b.hi;
  const DoubleDouble rest = a - DoubleDouble{first, 0.0} * b;
  const double second = rest.hi / b.hi;
  const DoubleDouble last = rest - DoubleDouble{second, 0.0} * b;
  return normalised(first, second) + DoubleDouble{last.hi / b.hi, 0.0};
}

DoubleDouble squareRoot(DoubleDouble a) {
  if (!(a.hi > 0.0)) return {0.0, 0.0};
  const double root = std::sqrt(a.hi);
  const DoubleDouble rest = a - exactProduct(root, root);
  return normalised(root, rest.hi / (2.0 * root));
}

DoubleDouble extendedDot(const double* xHi, const double* xLo, const double* yHi, const double* yLo,
                         size_t count) {
  double sums[2 * kMostLanes];
  size_t lanes = 0;
  size_t i = HWY_DYNAMIC_DISPATCH(dotLanes)(xHi, xLo, yHi, yLo, count, sums, lanes);
  DoubleDouble sum{0.0, 0.0};
  for (size_t lane = 0; lane < lanes; ++lane) sum = sum + DoubleDouble{sums[lane], sums[lanes + lane]};
  for (; i < count; ++i)
    sum = sum + DoubleDouble{xHi[i], xLo == nullptr ? 0.0 : xLo[i]} *
                    DoubleDouble{yHi[i], yLo == nullptr ? 0.0 : yLo[i]};
  return sum;
}

void extendedAddScaled(DoubleDouble a, const double* xHi, const double* xLo, size_t count, double* yHi,
                       double* yLo) {
  for (size_t i = HWY_DYNAMIC_DISPATCH(addScaledLanes)(a.hi, a.lo, xHi, xLo, count, yHi, yLo); i < count;
       ++i) {
    const DoubleDouble sum =
        DoubleDouble{yHi[i], yLo[i]} + a * DoubleDouble{xHi[i], xLo == nullptr ? 0.0 : xLo[i]};
    yHi[i] = sum.hi;
    yLo[i] = sum.lo;
  }
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
