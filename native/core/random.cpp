#include "core/random.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/random.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Words =
    hn::ScalableTag<uint64_t>;  // a 32-bit word in the low half of each lane, one Philox block per lane
using Reals = hn::ScalableTag<double>;
using WordVector = hn::Vec<Words>;
using RealVector = hn::Vec<Reals>;

struct Block {
  WordVector word[4];  // upper halves hold no meaning
};

HWY_INLINE Block philoxBlocks(uint64_t firstBlock, uint32_t purpose, uint64_t trial, const uint32_t* key) {
  const Words words;
  const hn::Repartition<uint32_t, Words> halves;
  const auto multiplier0 = hn::Set(halves, 0xD2511F53u);
  const auto multiplier1 = hn::Set(halves, 0xCD9E8D57u);
  const auto block = hn::Iota(words, firstBlock);
  WordVector x0 = block;
  WordVector x1 = hn::Or(hn::ShiftRight<32>(block), hn::Set(words, static_cast<uint64_t>(purpose) << 24));
  WordVector x2 = hn::Set(words, trial & 0xFFFFFFFFu);
  WordVector x3 = hn::Set(words, trial >> 32);
  uint32_t key0 = key[0];
  uint32_t key1 = key[1];
  for (int round = 0; round < 10; ++round) {
    // MulEven reads the low half of each lane only, so what lies above it needs no clearing.
    const auto product0 = hn::MulEven(hn::BitCast(halves, x0), multiplier0);
    const auto product1 = hn::MulEven(hn::BitCast(halves, x2), multiplier1);
    x0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), x1), hn::Set(words, key0));
    x2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), x3), hn::Set(words, key1));
    x1 = product1;
    x3 = product0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{x0, x1, x2, x3}};
}

// Uniforms in (0, 1): the upper 52 bits of the 64-bit number high·2³² + low become the mantissa.
HWY_INLINE RealVector toUniform(WordVector low, WordVector high) {
  const Words words;
  const Reals reals;
  const auto bits = hn::Or(hn::ShiftLeft<32>(high), hn::And(low, hn::Set(words, 0xFFFFFFFFu)));
  const auto oneToTwo =
      hn::BitCast(reals, hn::Or(hn::ShiftRight<12>(bits), hn::Set(words, 0x3FF0000000000000u)));
  return hn::Add(hn::Sub(oneToTwo, hn::Set(reals, 1.0)), hn::Set(reals, 0x1p-53));
}

struct Pair {
  RealVector first, second;
};

HWY_INLINE Pair uniformPair(const Block& block) {
  return {toUniform(block.word[0], block.word[1]), toUniform(block.word[2], block.word[3])};
}

HWY_INLINE Pair normalPair(const Block& block) {
  const Reals reals;
  const Pair u = uniformPair(block);
  const auto radius = hn::Sqrt(hn::Mul(hn::Set(reals, -2.0), hn::Log(reals, u.first)));
  const auto angle = hn::Mul(hn::Set(reals, 6.283185307179586), hn::Sub(u.second, hn::Set(reals, 0.5)));
  return {hn::Mul(radius, hn::Cos(reals, angle)), hn::Mul(radius, hn::Sin(reals, angle))};
}

// Fills out[2·blocks] with the pairs of blocks firstBlock …; the last, partial vector goes through a buffer.
template <class PairOf>
HWY_INLINE void fillPairs(uint64_t firstBlock, size_t blocks, uint32_t purpose, uint64_t trial,
                          const uint32_t* key, double* out, PairOf pairOf) {
  const Reals reals;
  const size_t lanes = hn::Lanes(reals);
  size_t done = 0;
  for (; done + lanes <= blocks; done += lanes) {
    const Pair pair = pairOf(philoxBlocks(firstBlock + done, purpose, trial, key));
    hn::StoreInterleaved2(pair.first, pair.second, reals, out + 2 * done);
  }
  if (done < blocks) {
    HWY_ALIGN double buffer[2 * hn::MaxLanes(Reals())];
    const Pair pair = pairOf(philoxBlocks(firstBlock + done, purpose, trial, key));
    hn::StoreInterleaved2(pair.first, pair.second, reals, buffer);
    for (size_t i = 0; i < 2 * (blocks - done); ++i) out[2 * done + i] = buffer[i];
  }
}

void normalBlocks(uint64_t firstBlock, size_t blocks, uint32_t purpose, uint64_t trial, const uint32_t* key,
                  double* out) {
  fillPairs(firstBlock, blocks, purpose, trial, key, out,
            [](const Block& block) { return normalPair(block); });
}

void uniformBlocks(uint64_t firstBlock, size_t blocks, uint32_t purpose, uint64_t trial, const uint32_t* key,
                   double* out) {
  fillPairs(firstBlock, blocks, purpose, trial, key, out,
            [](const Block& block) { return uniformPair(block); });
}

int64_t currentTarget() {
  return HWY_TARGET;
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>
#include <numeric>

namespace prompt_attention {

HWY_EXPORT(normalBlocks);
HWY_EXPORT(uniformBlocks);
HWY_EXPORT(currentTarget);

namespace {

using FillBlocks = void (*)(uint64_t, size_t, uint32_t, uint64_t, const uint32_t*, double*);

// Positions first … first+count−1 of a stream of pairs: whole blocks in place, the halves at the ends through
// a pair.
void fill(FillBlocks fillBlocks, uint64_t first, size_t count, uint32_t purpose, uint64_t trial,
          const uint32_t* key, double* out) {
  double pair[2];
  if (count > 0 && first % 2 == 1) {
    fillBlocks(first / 2, 1, purpose, trial, key, pair);
    *out++ = pair[1];
    ++first;
    --count;
  }
  fillBlocks(first / 2, count / 2, purpose, trial, key, out);
  if (count % 2 == 1) {
    fillBlocks((first + count) / 2, 1, purpose, trial, key, pair);
    out[count - 1] = pair[0];
  }
}

}  // namespace

void philox4x32(const uint32_t* counter, const uint32_t* key, uint32_t* out) {
  uint32_t x[4] = {counter[0], counter[1], counter[2], counter[3]};
  uint32_t k[2] = {key[0], key[1]};
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * x[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * x[2];
    const uint32_t next0 = static_cast<uint32_t>(product1 >> 32) ^ x[1] ^ k[0];
    const uint32_t next2 = static_cast<uint32_t>(product0 >> 32) ^ x[3] ^ k[1];
    x[0] = next0;
    x[1] = static_cast<uint32_t>(product1);
    x[2] = next2;
    x[3] = static_cast<uint32_t>(product0);
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  for (int i = 0; i < 4; ++i) out[i] = x[i];
}

StreamKey deriveKey(uint64_t seed, const uint32_t* cellKey) {
  const uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  uint32_t out[4];
  philox4x32(cellKey, key, out);
  return {{out[0], out[1]}};
}

void Stream::normals(uint64_t first, size_t count, double* out) const {
  fill(HWY_DYNAMIC_DISPATCH(normalBlocks), first, count, purpose_, trial_, key_.words, out);
}

void Stream::uniforms(uint64_t first, size_t count, double* out) const {
  fill(HWY_DYNAMIC_DISPATCH(uniformBlocks), first, count, purpose_, trial_, key_.words, out);
}

void Stream::signs(uint64_t first, size_t count, double* out) const {
  uniforms(first, count, out);
  for (size_t i = 0; i < count; ++i) out[i] = out[i] < 0.5 ? -1.0 : 1.0;
}

double Stream::uniform(uint64_t position) const {
  double value;
  uniforms(position, 1, &value);
  return value;
}

double Stream::normal(uint64_t position) const {
  double value;
  normals(position, 1, &value);
  return value;
}

double drawChi(int64_t degrees, const Stream& normals, const Stream& uniforms, uint64_t first) {
  if (degrees == 0) return 0.0;
  // χ² with ν degrees is twice a Gamma(ν/2); for ν = 1 that is below the method's range, but χ₁ is |N(0, 1)|.
  if (degrees == 1) return std::abs(normals.normal(first));
  const double d = 0.5 * static_cast<double>(degrees) - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (uint64_t attempt = first;; ++attempt) {
    const double x = normals.normal(attempt);
    const double root = 1.0 + c * x;
    if (root <= 0.0) continue;
    const double v = root * root * root;
    if (std::log(uniforms.uniform(attempt)) < 0.5 * x * x + d * (1.0 - v + std::log(v)))
      return std::sqrt(2.0 * d * v);
  }
}

void drawPermutation(const Stream& stream, std::vector<int>& order) {
  constexpr size_t kGroup = 512;
  double uniforms[kGroup];
  const size_t n = order.size();
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = 0; i < n; ++i) {
    if (i % kGroup == 0) stream.uniforms(i, std::min(kGroup, n - i), uniforms);
    const size_t pick = i + static_cast<size_t>(uniforms[i % kGroup] * static_cast<double>(n - i));
    std::swap(order[i], order[std::min(pick, n - 1)]);
  }
}

std::string simdTarget() {
  return hwy::TargetName(HWY_DYNAMIC_DISPATCH(currentTarget)());
}

std::vector<std::string> simdTargets() {
  std::vector<std::string> names;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets())
    names.emplace_back(hwy::TargetName(target));
  return names;
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
