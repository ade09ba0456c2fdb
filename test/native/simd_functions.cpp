// The functions on vectors that numbers of the package are made of, on every instruction set that the machine
// and the build have, forced one after the other: the largest error of each over its domain, in units in the
// last place of the result, beside what it may be. Ends with 1 if one is larger. Built and run by
// simd.test.ts.
#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd_functions.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "core/base/normal-tail-inl.h"
#include "core/losses/margin-terms-inl.h"
#include "core/random/random-inl.h"

#ifndef SIMD_FUNCTIONS_KINDS
#define SIMD_FUNCTIONS_KINDS
enum class Function {
  kExp,
  kLog,
  kSine,
  kCosine,
  kNormalTail,
  kNormalDensity,
  kQuantile,
  kSigmoid,
  kProximal,
  kSingleExp
};
#endif

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {

// out[i] = function(x[i], y[i]) for i < count, a multiple of the lanes.
void evaluate(Function function, const double* x, const double* y, size_t count, double* out) {
  const Reals d;
  const hn::ScalableTag<float> singles;
  if (function == Function::kSingleExp) {
    HWY_ALIGN float lanes[hn::MaxLanes(singles)];
    for (size_t i = 0; i < count; i += hn::Lanes(singles)) {
      for (size_t j = 0; j < hn::Lanes(singles); ++j) lanes[j] = static_cast<float>(x[i + j]);
      hn::Store(hn::Exp(singles, hn::Load(singles, lanes)), singles, lanes);
      for (size_t j = 0; j < hn::Lanes(singles); ++j) out[i + j] = lanes[j];
    }
    return;
  }
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    const V a = hn::LoadU(d, x + i);
    const V b = hn::LoadU(d, y + i);
    V result = a;
    switch (function) {
      case Function::kExp:
        result = hn::Exp(d, a);
        break;
      case Function::kLog:
        result = hn::Log(d, a);
        break;
      case Function::kSine:
        result = hn::Sin(d, a);
        break;
      case Function::kCosine:
        result = hn::Cos(d, a);
        break;
      case Function::kNormalTail:
        result = normalTail(d, a);
        break;
      case Function::kNormalDensity:
        result = normalTailAndDensity(d, a).density;
        break;
      case Function::kQuantile:
        result = lowerQuantile(d, a);
        break;
      case Function::kSigmoid:
        result = sigmoidOfMinus(a);
        break;
      case Function::kProximal:
        result = logisticProximal(a, b);
        break;
      case Function::kSingleExp:
        break;
    }
    hn::StoreU(result, d, out + i);
  }
}

bool isFused() {
  return HWY_NATIVE_FMA;
}

void singleNormals(const StreamAddress& stream, size_t blocks, float* out) {
  fillSingleNormals(0, blocks, stream, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

namespace prompt_attention {
namespace {

HWY_EXPORT(evaluate);
HWY_EXPORT(isFused);
HWY_EXPORT(singleNormals);

using Exact = long double;
constexpr size_t kPoints = size_t{1} << 15;

Exact tailOf(Exact z) {
  return 0.5L * std::erfc(z / std::sqrt(2.0L));
}
Exact densityOf(Exact z) {
  return std::exp(-0.5L * z * z) / std::sqrt(2.0L * std::acos(-1.0L));
}
// Newton's method from the value that is looked at, which is all but right.
Exact quantileNear(Exact z, Exact p) {
  for (int step = 0; step < 3; ++step) z -= (tailOf(-z) - p) / densityOf(z);
  return z;
}
Exact proximalNear(Exact p, Exact omega, Exact c) {
  for (int step = 0; step < 3; ++step) {
    const Exact e = 1.0L / (1.0L + std::exp(p));
    p -= (p - omega - c * e) / (1.0L + c * e * (1.0L - e));
  }
  return p;
}

// What a result is compared with, and the size whose last place errors are counted in.
struct Expected {
  Exact value;
  double size;
};

Expected expected(Function function, Exact x, Exact y, Exact found) {
  const auto itself = [](Exact value) { return Expected{value, std::abs(static_cast<double>(value))}; };
  switch (function) {
    case Function::kExp:
    case Function::kSingleExp:
      return itself(std::exp(x));
    case Function::kLog:
      return itself(std::log(x));
    // Radii times these are summed: what counts is their error beside 1.
    case Function::kSine:
      return {std::sin(x), 1.0};
    case Function::kCosine:
      return {std::cos(x), 1.0};
    case Function::kNormalTail:
      return itself(tailOf(x));
    case Function::kNormalDensity:
      return itself(densityOf(x));
    case Function::kQuantile:
      return itself(quantileNear(found, x));
    case Function::kSigmoid:
      return itself(1.0L / (1.0L + std::exp(x)));
    case Function::kProximal: {
      const Exact p = proximalNear(found, x, y);
      return {p, 1.0 + std::abs(static_cast<double>(p))};
    }
  }
  return itself(0.0L);
}

struct Row {
  const char* name;
  Function function;
  double low, high;  // x is uniform between them, or its logarithm is
  bool logarithmic;
  double ulps;         // largest error that is allowed
  double ulpsUnfused;  // … where products are rounded before they are added to: e^{−z²/2} has that of z²/2
};
constexpr double kPi = 3.141592653589793;
constexpr Row kRows[] = {
    {"exp", Function::kExp, -700.0, 700.0, false, 2.0, 2.0},
    {"log", Function::kLog, 1e-300, 1e300, true, 4.0, 4.0},
    {"sin", Function::kSine, -kPi, kPi, false, 4.0, 4.0},
    {"cos", Function::kCosine, -kPi, kPi, false, 4.0, 4.0},
    {"normal tail", Function::kNormalTail, -8.0, 37.0, false, 8.0, 700.0},
    {"normal density", Function::kNormalDensity, 0.0, 37.0, false, 8.0, 700.0},
    {"normal quantile", Function::kQuantile, 1e-300, 0.49, true, 32.0, 32.0},
    {"logistic function", Function::kSigmoid, -700.0, 700.0, false, 4.0, 4.0},
    {"logistic proximal point", Function::kProximal, -40.0, 40.0, false, 16.0, 16.0},
    {"exp, single precision", Function::kSingleExp, -80.0, 80.0, false, 2.0, 2.0},
};

double largestError(const Row& row) {
  std::mt19937_64 engine(1);
  const bool isSingle = row.function == Function::kSingleExp;
  std::vector<double> x(kPoints), y(kPoints), out(kPoints);
  const auto uniform = [&] { return static_cast<double>(engine() >> 11) * 0x1p-53; };
  for (size_t i = 0; i < kPoints; ++i) {
    const double u = uniform();
    x[i] = row.logarithmic ? std::exp((1.0 - u) * std::log(row.low) + u * std::log(row.high))
                           : row.low + u * (row.high - row.low);
    if (isSingle) x[i] = static_cast<float>(x[i]);
    y[i] = std::pow(10.0, -6.0 + 10.0 * uniform());
  }
  HWY_DYNAMIC_DISPATCH(evaluate)(row.function, x.data(), y.data(), kPoints, out.data());
  const double epsilon =
      isSingle ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
  double largest = 0.0;
  for (size_t i = 0; i < kPoints; ++i) {
    const Expected to = expected(row.function, x[i], y[i], out[i]);
    const double unit = epsilon * std::exp2(std::floor(std::log2(to.size)));
    const double error = static_cast<double>(std::abs(out[i] - to.value)) / unit;
    // NaN counts as well.
    if (!(error <= largest)) largest = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
  }
  return largest;
}

// Of Box and Muller's pairs in single precision, in last places of their radius.
double largestNormalError() {
  constexpr size_t kBlocks = kPoints / 4;
  const StreamAddress stream{{{1, 2}}, 7, 3};
  std::vector<float> out(4 * kBlocks);
  HWY_DYNAMIC_DISPATCH(singleNormals)(stream, kBlocks, out.data());
  double largest = 0.0;
  for (size_t block = 0; block < kBlocks; ++block) {
    const uint32_t counter[4] = {static_cast<uint32_t>(block), stream.purpose << 24,
                                 static_cast<uint32_t>(stream.trial), 0};
    uint32_t w[4];
    philox4x32(counter, stream.key.words, w);
    for (int i = 0; i < 2; ++i) {
      // As the functions see it: the uniform number is rounded before its logarithm is taken.
      const float uniform = std::fma(static_cast<float>(static_cast<int32_t>(w[i] >> 1)), 0x1p-31f, 0x1p-32f);
      const Exact radius = std::sqrt(-2.0L * std::log(static_cast<Exact>(uniform)));
      const Exact angle = 2.0L * std::acos(-1.0L) * static_cast<int32_t>(w[2 + i]) * 0x1p-32L;
      const double unit = std::numeric_limits<float>::epsilon() *
                          std::exp2(std::floor(std::log2(static_cast<double>(radius))));
      for (int part = 0; part < 2; ++part) {
        const Exact exact = radius * (part == 0 ? std::cos(angle) : std::sin(angle));
        const double error = static_cast<double>(std::abs(out[4 * block + 2 * part + i] - exact)) / unit;
        if (!(error <= largest)) largest = error;
      }
    }
  }
  return largest;
}

bool report(const char* target, const char* name, double error, double most) {
  std::printf("%s\t%s\t%.2f\t%g\n", target, name, error, most);
  return error <= most;
}

int run() {
  bool isRight = true;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
    const char* name = hwy::TargetName(target);
    const bool isFused = HWY_DYNAMIC_DISPATCH(isFused)();
    for (const Row& row : kRows)
      isRight &= report(name, row.name, largestError(row), isFused ? row.ulps : row.ulpsUnfused);
    isRight &= report(name, "normals, single precision", largestNormalError(), 4.0);
  }
  return isRight ? 0 : 1;
}

}  // namespace
}  // namespace prompt_attention

int main() {
  return prompt_attention::run();
}

#endif  // HWY_ONCE
