// Softmax pooling of the mixture's tokens through their scores only, a block of examples at a time.
//
// For tokens with k equal relevant scores a_r and m irrelevant scores a_μ + c g_t, g_t ~ N(0, 1) (theory.md
// §4), all that attention leaves behind are three sums over the irrelevant tokens:
//
//   S1 = Σ e^{c g_t},   S2 = Σ e^{2 c g_t},   Sg = Σ e^{c g_t} g_t
//
// They do not depend on the label or the confusion atom, so one draw of g serves every (y, δ) exactly:
//
//   A  = k e^{a_r} / (k e^{a_r} + e^{a_μ} S1)         attention mass on relevant tokens
//   t̃  = σ (1 − A) Sg / S1                            noise along q̂
//   s² = σ² (1 − A)² S2 / S1²                         variance of the noise in every orthogonal direction
//
// Where relevant tokens have noise too (theory.md §12) their k scores a_r + c_R g_t have sums R1, R2, Rg of
// the same kind, and
//
//   A  = e^{a_r} R1 / (e^{a_r} R1 + e^{a_μ} S1)
//   t̃  = σ_R A Rg / R1 + σ (1 − A) Sg / S1
//   s² = σ_R² A² R2 / R1² + σ² (1 − A)² S2 / S1²
//
// The g_t are drawn and summed in one go and never stored. Examples lie side by side in the lanes of a
// vector: the normals of a stream go to groups of kPooledGroup examples, token by token,
//
//   position of (example i, token t) = (⌊i/16⌋ m + t)·16 + i mod 16,
//
// so an example's numbers do not depend on how many others are drawn. Noise and exponentials are in single
// precision, sums in double. Every exponential is relative to the largest score so far, so nothing overflows.
// Cost: a normal and an exponential per token.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/mixture/mixture.h"
#include "core/random/random.h"

namespace prompt_attention {

constexpr int kPooledGroup = 16;
// Examples that the functions below take at most; a multiple of kPooledGroup.
constexpr int kPooledBlock = 256;

// The sums above, each relative to its own power of e^shift.
struct ScoreSums {
  alignas(64) double shift[kPooledBlock];         // max_t c g_t
  alignas(64) double exponentials[kPooledBlock];  // S1 e^{−shift}
  alignas(64) double squares[kPooledBlock];       // S2 e^{−2 shift}
  alignas(64) double weighted[kPooledBlock];      // Sg e^{−shift}
};

// Sums of the m scores of examples first … first+count−1; `first` is a multiple of kPooledGroup. The noise
// g_t is the stream's number with the sign of c. All sums are 0 for m = 0. Once `cancelled`, they are
// useless.
void drawScoreSums(const Stream& stream, uint64_t first, int count, int m, double c,
                   const std::atomic<bool>& cancelled, ScoreSums& sums);

// Σ_t g_t and Σ_t g_t² of the same examples into sum[kPooledBlock] and squares[kPooledBlock].
void drawPowerSums(const Stream& stream, uint64_t first, int count, int m, const std::atomic<bool>& cancelled,
                   double* sum, double* squares);

struct Pooled {
  alignas(64) double relevantMass[kPooledBlock];    // A
  alignas(64) double irrelevantMass[kPooledBlock];  // 1 − A, to full relative accuracy
  alignas(64) double alongPrompt[kPooledBlock];     // t̃
  alignas(64) double variance[kPooledBlock];        // s²
};

// Pools `count` examples; gaps[kPooledBlock] holds a_μ − a_r of each. Relevant tokens have no noise.
void pool(const Mixture& mixture, const double* gaps, int count, const ScoreSums& sums, Pooled& pooled);
// The same with the sums of relevant tokens, which are not read where those have no noise.
void pool(const Mixture& mixture, const double* gaps, int count, const ScoreSums& sums,
          const ScoreSums& relevantSums, Pooled& pooled);

// What the error of a head needs to know of one (y, δ): f | draw ~ N(A·relevant + (1−A)·irrelevant +
// t̃·alongPrompt − intercept, s²·orthogonal²).
struct Margin {
  double y;
  double relevant;     // ⟨r, w⟩
  double irrelevant;   // ⟨μ, w⟩
  double alongPrompt;  // ⟨q̂, w⟩
  double orthogonal;   // norm of w's part orthogonal to q̂
  double intercept;    // b
};

// errors[i] += weight · Φ(−y·mean/deviation) for the first `count` pooled examples; 0, ½ or 1 by the sign of
// y·mean where the deviation is 0. errors[kPooledBlock] beyond count are scratch.
void addErrors(const Pooled& pooled, int count, const Margin& margin, double weight, double* errors);

// Scratch of one thread.
struct PoolingWorkspace {
  ScoreSums sums;
  ScoreSums relevantSums;  // where relevant tokens have noise
  Pooled pooled;
  alignas(64) double gaps[kPooledBlock];
  alignas(64) double values[kPooledBlock];
  ExampleLabel labels[kPooledBlock];
  std::vector<LabelTerm> terms;  // of a table of labels
};

// Sums of the scores of examples first … first+count−1 under a prompt of norm |length| into `sums` and, where
// relevant tokens have noise, `relevantSums`, whose scores are those of scores.besides(). The noise has the
// sign of `length`.
void drawTokenSums(const Mixture& mixture, const Stream& scores, uint64_t first, int count, double length,
                   const std::atomic<bool>& cancelled, ScoreSums& sums, ScoreSums& relevantSums);

// Pools examples first … first+count−1 of a sample of a trial under a prompt with plane coordinates `prompt`
// and norm |length| (its sign: see drawTokenSums), and calls visit(begin, size) for each block of
// them: workspace.pooled and workspace.labels then hold examples begin … begin+size−1 and workspace.terms the
// label table. `first` is a multiple of kPooledGroup. Ends early once `cancelled`.
template <class Visit>
void forEachPooled(const Mixture& mixture, PlaneVector prompt, double length, StreamKey key, Sample sample,
                   uint64_t trial, int first, int count, const std::atomic<bool>& cancelled,
                   PoolingWorkspace& workspace, Visit visit) {
  LabelSampler labels(mixture, key, sample, trial);
  const Stream scores(key, sample, Field::kScore, trial);
  trainingTable(mixture, workspace.terms);
  const int end = first + count;
  for (int begin = first, size; begin < end && !cancelled; begin += size) {
    size = std::min(kPooledBlock, end - begin);
    labels.draw(begin, size, workspace.labels);
    for (int i = 0; i < size; ++i) {
      const LabelTerm& term = workspace.terms[workspace.labels[i].term];
      workspace.gaps[i] = dot(term.mu, prompt) - dot(term.r, prompt);
    }
    drawTokenSums(mixture, scores, begin, size, length, cancelled, workspace.sums, workspace.relevantSums);
    pool(mixture, workspace.gaps, size, workspace.sums, workspace.relevantSums, workspace.pooled);
    visit(begin, size);
  }
}

}  // namespace prompt_attention
