#include "core/random/random.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/random/random.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "core/random/random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {

using Reals = hn::ScalableTag<double>;
using RealVector = hn::Vec<Reals>;

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
HWY_INLINE void fillPairs(uint64_t firstBlock, size_t blocks, const StreamAddress& stream, double* out,
                          PairOf pairOf) {
  const Reals reals;
  const size_t lanes = hn::Lanes(reals);
  forEachBlock(firstBlock, blocks, stream, [&](const Block& block, size_t i) {
    const Pair pair = pairOf(block);
    if (i + lanes <= blocks) {
      hn::StoreInterleaved2(pair.first, pair.second, reals, out + 2 * i);
      return;
    }
    HWY_ALIGN double buffer[2 * hn::MaxLanes(Reals())];
    hn::StoreInterleaved2(pair.first, pair.second, reals, buffer);
    for (size_t j = 0; j < 2 * (blocks - i); ++j) out[2 * i + j] = buffer[j];
  });
}

void normalBlocks(uint64_t firstBlock, size_t blocks, const StreamAddress& stream, double* out) {
  fillPairs(firstBlock, blocks, stream, out, [](const Block& block) { return normalPair(block); });
}

void uniformBlocks(uint64_t firstBlock, size_t blocks, const StreamAddress& stream, double* out) {
  fillPairs(firstBlock, blocks, stream, out, [](const Block& block) { return uniformPair(block); });
}

void singleNormalBlocks(uint64_t firstBlock, size_t blocks, const StreamAddress& stream, float* out) {
  fillSingleNormals(firstBlock, blocks, stream, out);
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
HWY_EXPORT(singleNormalBlocks);
HWY_EXPORT(currentTarget);

namespace {

// Positions first … first+count−1 of a stream of kPerBlock numbers a block: whole blocks in place, the parts
// of blocks at the ends through a buffer.
template <int kPerBlock, class Number, class FillBlocks>
void fill(FillBlocks fillBlocks, uint64_t first, size_t count, const StreamAddress& stream, Number* out) {
  Number block[kPerBlock];
  const size_t skipped = first % kPerBlock;
  uint64_t next = first / kPerBlock;
  if (skipped > 0 && count > 0) {
    fillBlocks(next++, 1, stream, block);
    const size_t taken = std::min(count, kPerBlock - skipped);
    std::copy_n(block + skipped, taken, out);
    out += taken;
    count -= taken;
  }
  fillBlocks(next, count / kPerBlock, stream, out);
  const size_t rest = count % kPerBlock;
  if (rest > 0) {
    fillBlocks(next + count / kPerBlock, 1, stream, block);
    std::copy_n(block, rest, out + (count - rest));
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
  fill<2>(HWY_DYNAMIC_DISPATCH(normalBlocks), first, count, address_, out);
}

void Stream::uniforms(uint64_t first, size_t count, double* out) const {
  fill<2>(HWY_DYNAMIC_DISPATCH(uniformBlocks), first, count, address_, out);
}

void Stream::normals(uint64_t first, size_t count, float* out) const {
  fill<4>(HWY_DYNAMIC_DISPATCH(singleNormalBlocks), first, count, address_, out);
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

bool forceSimdTarget(const std::string& name) {
  hwy::SetSupportedTargetsForTest(0);
  int64_t forced = 0;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets())
    if (name == hwy::TargetName(target)) forced = target;
  hwy::SetSupportedTargetsForTest(forced);
  hwy::GetChosenTarget().DeInit();
  return forced != 0;
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
