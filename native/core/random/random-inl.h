// Philox4x32-10 and Box–Muller on vectors of blocks, for files compiled once per instruction set. Included
// again for every one of them, hence the toggled guard in place of #pragma once.
//
// A block is one Philox counter. Its four 32-bit words w0 … w3 make
//
//   two uniforms         of 52 bits, from (w0, w1) and (w2, w3)
//   two normals          in double precision: the Box–Muller pair of those uniforms
//   four normals         in single precision: r0 cos a0, r1 cos a1, r0 sin a0, r1 sin a1 with
//                        r_i² = −2 ln((⌊w_i/2⌋ + ½)·2⁻³¹),  a_i = 2π·(signed w_{2+i})·2⁻³²
//
// The rounds of one block depend on each other, so several vectors of blocks go through them side by side.
#if defined(PROMPT_ATTENTION_RANDOM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef PROMPT_ATTENTION_RANDOM_INL_H
#undef PROMPT_ATTENTION_RANDOM_INL_H
#else
#define PROMPT_ATTENTION_RANDOM_INL_H
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "core/random/random.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Words =
    hn::ScalableTag<uint64_t>;  // a 32-bit word in the low half of each lane, one Philox block per lane
using WordVector = hn::Vec<Words>;

// Vectors of blocks that go through the rounds side by side: enough to hide the latency of a multiplication.
constexpr int kSideBySide = 4;

struct Block {
  // Its target is that of its caller: g++ compiles an implicit constructor for the baseline, where it cannot
  // inline those of the vectors.
  HWY_INLINE Block() {}

  WordVector word[4];  // upper halves hold no meaning
};

template <int kVectors>
HWY_INLINE void philoxBlocks(uint64_t firstBlock, const StreamAddress& stream, Block* out) {
  const Words words;
  const hn::Repartition<uint32_t, Words> halves;
  const auto multiplier0 = hn::Set(halves, 0xD2511F53u);
  const auto multiplier1 = hn::Set(halves, 0xCD9E8D57u);
  for (int v = 0; v < kVectors; ++v) {
    const auto block = hn::Iota(words, firstBlock + v * hn::Lanes(words));
    out[v].word[0] = block;
    out[v].word[1] =
        hn::Or(hn::ShiftRight<32>(block), hn::Set(words, static_cast<uint64_t>(stream.purpose) << 24));
    out[v].word[2] = hn::Set(words, stream.trial & 0xFFFFFFFFu);
    out[v].word[3] = hn::Set(words, stream.trial >> 32);
  }
  uint32_t key0 = stream.key.words[0];
  uint32_t key1 = stream.key.words[1];
  for (int round = 0; round < 10; ++round) {
    const auto keys0 = hn::Set(words, key0);
    const auto keys1 = hn::Set(words, key1);
    for (int v = 0; v < kVectors; ++v) {
      // MulEven reads the low half of each lane only, so what lies above it needs no clearing.
      WordVector* x = out[v].word;
      const auto product0 = hn::MulEven(hn::BitCast(halves, x[0]), multiplier0);
      const auto product1 = hn::MulEven(hn::BitCast(halves, x[2]), multiplier1);
      x[0] = hn::Xor3(hn::ShiftRight<32>(product1), x[1], keys0);
      x[2] = hn::Xor3(hn::ShiftRight<32>(product0), x[3], keys1);
      x[1] = product1;
      x[3] = product0;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

// Calls visit(block, i) for the vectors of blocks firstBlock + i …; the last one may be partly wanted.
template <class Visit>
HWY_INLINE void forEachBlock(uint64_t firstBlock, size_t blocks, const StreamAddress& stream, Visit visit) {
  const size_t lanes = hn::Lanes(Words());
  size_t done = 0;
  for (; done + kSideBySide * lanes <= blocks; done += kSideBySide * lanes) {
    Block block[kSideBySide];
    philoxBlocks<kSideBySide>(firstBlock + done, stream, block);
    for (int v = 0; v < kSideBySide; ++v) visit(block[v], done + v * lanes);
  }
  for (; done < blocks; done += lanes) {
    Block block;
    philoxBlocks<1>(firstBlock + done, stream, &block);
    visit(block, done);
  }
}

using Halves = hn::Repartition<uint32_t, Words>;
using SignedHalves = hn::Repartition<int32_t, Words>;
using Singles = hn::Repartition<float, Words>;
using SingleVector = hn::Vec<Singles>;

// The four normals of every block into out[4·lanes], block by block.
HWY_INLINE void storeSingleNormals(const Block& block, float* out) {
  const Halves halves;
  const SignedHalves signedHalves;
  const Singles singles;
  const hn::Repartition<double, Words> pairs;
  const auto join = [&](WordVector low, WordVector high) {
    return hn::OddEven(hn::BitCast(halves, hn::ShiftLeft<32>(high)), hn::BitCast(halves, low));
  };
  const auto radial = hn::ShiftRight<1>(join(block.word[0], block.word[1]));
  const auto uniform = hn::MulAdd(hn::ConvertTo(singles, hn::BitCast(signedHalves, radial)),
                                  hn::Set(singles, 0x1p-31f), hn::Set(singles, 0x1p-32f));
  const auto radius = hn::Sqrt(hn::Mul(hn::Set(singles, -2.0f), hn::Log(singles, uniform)));

  // The angle is `turn` units of 2π/2³². Its nearest quarter is taken off in integers, so the polynomials see
  // an exact remainder in [−π/4, π/4].
  const auto turn = hn::BitCast(signedHalves, join(block.word[2], block.word[3]));
  const auto quarter = hn::ShiftRight<30>(hn::Add(turn, hn::Set(signedHalves, 1 << 29)));
  const auto x = hn::Mul(hn::ConvertTo(singles, hn::Sub(turn, hn::ShiftLeft<30>(quarter))),
                         hn::Set(singles, 0x1.921fb6p-30f));
  const auto x2 = hn::Mul(x, x);
  // sin x = x + x³ S(x²) and cos x = 1 − x²/2 + x⁴ C(x²): least maximum error on the interval.
  auto sine = hn::MulAdd(hn::Set(singles, -1.951529589e-4f), x2, hn::Set(singles, 8.332160874e-3f));
  sine = hn::MulAdd(sine, x2, hn::Set(singles, -1.666665461e-1f));
  sine = hn::MulAdd(hn::Mul(sine, x2), x, x);
  auto cosine = hn::MulAdd(hn::Set(singles, 2.443315712e-5f), x2, hn::Set(singles, -1.388731625e-3f));
  cosine = hn::MulAdd(cosine, x2, hn::Set(singles, 4.166664568e-2f));
  cosine =
      hn::MulAdd(hn::Mul(cosine, x2), x2, hn::MulAdd(hn::Set(singles, -0.5f), x2, hn::Set(singles, 1.0f)));

  // Odd quarters swap the two; bit 1 of (quarter + 1) is the sign of the cosine, bit 1 of quarter that of the
  // sine.
  const auto odd = hn::MaskFromVec(hn::BitCast(singles, hn::ShiftRight<31>(hn::ShiftLeft<31>(quarter))));
  const auto signOf = [&](auto bits) {
    return hn::BitCast(singles, hn::ShiftLeft<30>(hn::And(bits, hn::Set(signedHalves, 2))));
  };
  const auto cosineSign = signOf(hn::Add(quarter, hn::Set(signedHalves, 1)));
  const auto first = hn::Mul(radius, hn::Xor(hn::IfThenElse(odd, sine, cosine), cosineSign));
  const auto second = hn::Mul(radius, hn::Xor(hn::IfThenElse(odd, cosine, sine), signOf(quarter)));
  hn::StoreInterleaved2(hn::BitCast(pairs, first), hn::BitCast(pairs, second), pairs,
                        reinterpret_cast<double*>(out));
}

// Single-precision normals of whole blocks into out[4·blocks].
HWY_INLINE void fillSingleNormals(uint64_t firstBlock, size_t blocks, const StreamAddress& stream,
                                  float* out) {
  const size_t lanes = hn::Lanes(Words());
  forEachBlock(firstBlock, blocks, stream, [&](const Block& block, size_t i) {
    if (i + lanes <= blocks) {
      storeSingleNormals(block, out + 4 * i);
      return;
    }
    HWY_ALIGN float buffer[4 * hn::MaxLanes(Words())];
    storeSingleNormals(block, buffer);
    for (size_t j = 0; j < 4 * (blocks - i); ++j) out[4 * i + j] = buffer[j];
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#endif
