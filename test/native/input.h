// Settings of the core made of a fuzzer's bytes: small sizes, numbers of every magnitude.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include "core/mixture/mixture.h"

namespace prompt_attention {

// Ends the fuzzer with a report unless `condition` holds.
#define EXPECT(condition)                                                  \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

class Input {
 public:
  Input(const uint8_t* data, size_t size) : bytes_(data, size) {}

  int integer(int least, int most) { return bytes_.ConsumeIntegralInRange(least, most); }
  uint64_t position(uint64_t most) { return bytes_.ConsumeIntegralInRange<uint64_t>(0, most); }
  bool boolean() { return bytes_.ConsumeBool(); }
  template <class Kind>
  Kind oneOf(std::initializer_list<Kind> kinds) {
    return *(kinds.begin() + integer(0, static_cast<int>(kinds.size()) - 1));
  }
  // Of a list as in core/base/named.h.
  template <class Entry, size_t count>
  auto oneOf(const Entry (&list)[count]) {
    return list[integer(0, static_cast<int>(count) - 1)].kind;
  }

  // Mostly of order 1; sometimes 0, tiny or huge.
  double number() {
    switch (integer(0, 9)) {
      case 0:
        return 0.0;
      case 1:
        return std::ldexp(bytes_.ConsumeFloatingPointInRange(-1.0, 1.0), integer(-1070, 1023));
      default:
        return bytes_.ConsumeFloatingPointInRange(-3.0, 3.0);
    }
  }
  double positive() { return std::abs(number()); }
  double share() { return bytes_.ConsumeFloatingPointInRange(0.0, 1.0); }
  // As number(), now and then not finite.
  double anyNumber() {
    if (integer(0, 63) > 0) return number();
    return oneOf({std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                  std::numeric_limits<double>::quiet_NaN()});
  }
  std::vector<double> numbers(size_t count) {
    std::vector<double> values(count);
    for (double& value : values) value = number();
    return values;
  }

  StreamKey key() { return {{bytes_.ConsumeIntegral<uint32_t>(), bytes_.ConsumeIntegral<uint32_t>()}}; }

  Mixture mixture(NoiseKind noise, int leastDimension) {
    Mixture mixture{};
    mixture.tokens = integer(1, 40);
    mixture.relevantTokens = integer(0, mixture.tokens);
    mixture.dimension = integer(leastDimension, 12);
    mixture.contextNorm = positive();
    mixture.signalNorm = positive();
    mixture.correlation = 2.0 * share() - 1.0;
    mixture.noiseLevel = positive();
    if (noise != NoiseKind::kGaussian && boolean()) mixture.relevantNoiseLevel = positive();
    mixture.noise = noise;
    mixture.positiveRate = share();
    mixture.labelNoise = 0.499 * share();
    const double first = share();
    mixture.confusion.push_back({number(), number(), first});
    if (first < 1.0) mixture.confusion.push_back({number(), number(), 1.0 - first});
    mixture.randomRelevance = boolean();
    // Without bytes of its own, so that inputs that are kept mean what they meant.
    if (noise == NoiseKind::kGaussian && mixture.dimension % 4 == 3)
      mixture.relevantNoiseLevel = mixture.noiseLevel;
    return mixture;
  }

 private:
  FuzzedDataProvider bytes_;
};

inline bool isShare(double value) {
  return value >= -1e-12 && value <= 1.0 + 1e-12;
}

}  // namespace prompt_attention
