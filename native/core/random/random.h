// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011) and what is made from it.
//
// A stream is addressed by (key, purpose, trial); its numbers by their position. Position p of a stream never
// depends on which other positions were drawn, so trials can be split over threads, batches and machines at
// will.
//
//   key      64 bits: Philox of (counter = cell key, key = seed)
//   counter  word 0: block mod 2³²;  word 1: purpose (8 bits) · 2²⁴ + block div 2³²;  words 2, 3: trial
//
// One block holds two uniforms, two normals or four normals in single precision. Uniforms are (m + ½)·2⁻⁵²
// for a 52-bit m: never 0 or 1. Normals are Box–Muller pairs of two uniforms, so |z| ≤ √(106 ln 2) ≈ 8.57; in
// single precision the uniforms have 31 bits and |z| ≤ √(64 ln 2) ≈ 6.66. The samplers run on the widest
// instruction set that the processor has (Highway, run-time dispatch); positions do not depend on the vector
// width. random-inl.h holds the vector code.
//
// Single precision is for noise that many terms of a sum share: its rounding (2⁻²⁴ of each number) and its
// missing tail (P(|N(0,1)| > 6.66) = 3·10⁻¹¹) are far below any Monte Carlo error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace prompt_attention {

struct StreamKey {
  uint32_t words[2];
};

// Ten rounds of Philox4x32 on counter[4] with key[2]; out[4].
void philox4x32(const uint32_t* counter, const uint32_t* key, uint32_t* out);

// The key of all streams of one cell: cellKey[4].
StreamKey deriveKey(uint64_t seed, const uint32_t* cellKey);

// What a stream is for: the sample it belongs to and the field of that sample.
// kTraining is the first training sample; the three-step trajectory has two more.
enum class Sample : uint32_t { kTraining = 0, kSecond = 1, kThird = 2, kTest = 8, kRisk = 9 };
// More of the same sample, where a field has two meanings: kLabel says which labels are flipped, kNoise and
// kScore are those of relevant tokens (k·d and k numbers per example).
constexpr uint32_t kBesides = 4;
constexpr Sample besides(Sample sample) {
  return static_cast<Sample>(static_cast<uint32_t>(sample) + kBesides);
}
enum class Field : uint32_t {
  kLabel = 0,           // one uniform per example
  kConfusion = 1,       // one uniform per example
  kRelevance = 2,       // k uniforms per example
  kNoise = 3,           // m·d numbers per example: the noise of its irrelevant tokens
  kScore = 4,           // m normals per example: the noise of its irrelevant scores
  kFeature = 5,         // d−1 normals per example: the noise of its pooled feature
  kSummary = 6,         // noise of statistics of the whole sample
  kSummaryNorm = 7,     // normals for the norm of such noise
  kSummaryUniform = 8,  // uniforms for the norm of such noise
  kResidual = 9,        // one normal per example: its pooled noise along an earlier head
  kShift = 10,          // one uniform per example: which of its scores a ladder shifts
  kSubspace = 11,       // normals: where a search for singular vectors starts
  kInitial = 12,        // one normal per parameter: where training starts
  kBatchOrder = 13,     // n uniforms per pass over the examples (in place of trials)
  kPixel = 14,          // H·W uniforms per canvas (in place of trials): its noise
  kImage = 15           // what image builders choose, and random features (each under a key of its own)
};
constexpr uint32_t purposeOf(Sample sample, Field field) {
  return static_cast<uint32_t>(sample) * 16 + static_cast<uint32_t>(field);
}

// All of a counter but the block.
struct StreamAddress {
  StreamKey key;
  uint32_t purpose;
  uint64_t trial;
};

class Stream {
 public:
  Stream(StreamKey key, uint32_t purpose, uint64_t trial) : address_{key, purpose, trial} {}
  Stream(StreamKey key, Sample sample, Field field, uint64_t trial)
      : Stream(key, purposeOf(sample, field), trial) {}

  // Numbers first … first+count−1 of the stream into out[count]; first + count < 2⁵⁷.
  void normals(uint64_t first, size_t count, double* out) const;
  void uniforms(uint64_t first, size_t count, double* out) const;
  // −1 where the uniform at the same position is below ½, else +1.
  void signs(uint64_t first, size_t count, double* out) const;
  // Four normals per block, where the double ones are two: another sequence than theirs. first + count < 2⁵⁸.
  void normals(uint64_t first, size_t count, float* out) const;

  double uniform(uint64_t position) const;
  double normal(uint64_t position) const;

  const StreamAddress& address() const { return address_; }
  // The same field of besides(its sample).
  Stream besides() const { return {address_.key, address_.purpose + kBesides * 16, address_.trial}; }

 private:
  StreamAddress address_;
};

// A draw of the chi distribution (norm of `degrees` independent standard normals); 0 for degrees = 0.
// Marsaglia–Tsang rejection on position first + `attempt` of both streams: exact, and a function of the
// streams and `first` only. An attempt is accepted with probability 0.95 or more.
double drawChi(int64_t degrees, const Stream& normals, const Stream& uniforms, uint64_t first = 0);

// A uniformly random permutation of 0 … n−1 into order[n], from uniforms 0 … n−1 of the stream
// (Fisher–Yates).
void drawPermutation(const Stream& stream, std::vector<int>& order);

// Name of the instruction set that vector code runs on.
std::string simdTarget();

// Run all vector code of the process on another instruction set, for tests that compare them; false, and the
// widest one again, if it was not compiled in or the processor lacks it. Not while anything else runs.
bool forceSimdTarget(const std::string& name);

}  // namespace prompt_attention
