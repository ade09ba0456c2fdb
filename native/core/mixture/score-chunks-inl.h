// The normals behind the scores of groups of examples (pooling.h has their positions), for files compiled
// once per instruction set (see random-inl.h for the guard).
#if defined(PROMPT_ATTENTION_SCORE_CHUNKS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef PROMPT_ATTENTION_SCORE_CHUNKS_INL_H
#undef PROMPT_ATTENTION_SCORE_CHUNKS_INL_H
#else
#define PROMPT_ATTENTION_SCORE_CHUNKS_INL_H
#endif

#include <algorithm>
#include <atomic>

#include "core/mixture/pooling.h"
#include "core/random/random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {

// Tokens whose normals are made at a time: they stay in the first-level cache.
constexpr int kChunk = 32;

// Calls visit(chunk, tokens, group, firstToken) with the normals [tokens×kPooledGroup] of all m tokens of
// every group, a chunk of tokens after the other.
template <class Visit>
HWY_INLINE void forEachChunk(const StreamAddress& stream, uint64_t first, int count, int m,
                             const std::atomic<bool>& cancelled, Visit visit) {
  constexpr uint64_t kBlocksPerToken = kPooledGroup / 4;
  HWY_ALIGN float normals[kChunk * kPooledGroup];
  const int groups = (count + kPooledGroup - 1) / kPooledGroup;
  for (int group = 0; group < groups; ++group) {
    const uint64_t firstToken = (first / kPooledGroup + group) * m;
    for (int t = 0, tokens; t < m; t += tokens) {
      if (cancelled.load(std::memory_order_relaxed)) return;
      tokens = std::min(kChunk, m - t);
      fillSingleNormals((firstToken + t) * kBlocksPerToken, tokens * kBlocksPerToken, stream, normals);
      visit(normals, tokens, group * kPooledGroup, t);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#endif
