// Trials of the known-prompt experiment: prompt q = τ q⋆, head learned from n examples, test error by
// theory.md §4.
//
// Projected (Gaussian noise; theory.md §5, last paragraph). The prompt looks at the noise along q̂ = e1 only,
// so the pooled feature of an example is, with A, t̃, s from m score normals g_i (pooling.h) and independent
// h_i ~ N(0, I_{d−1}),
//
//   v_i = A r + (1−A) μ + t̃ q̂ + s_i h_i,      h_i on the complement of q̂:  m + d − 1 normals instead of m·d.
//
// It is exact in distribution. The averaging head needs only Σ y_i s_i h_i / n ~ N(0, Σ s_i²/n² I_{d−1}): one
// normal for its component along e2 and a χ_{d−2} norm for the rest, so its cost does not grow with d. So
// does weighted averaging, of which the part along q⋆ is left out (theory.md §11).
//
// Instead of factorising the features' Gram matrix (head.h), an iterative solver may draw the h_i lazily:
// known_prompt_lazy.h.
//
// Dense: tokens are drawn, scored and pooled one example at a time; any noise.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "core/base/named.h"
#include "core/base/trial.h"
#include "core/heads/head.h"
#include "core/lazy/lazy_noise.h"
#include "core/mixture/mixture.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

// How the head is found: by factorising a Gram matrix (or the features, head.h), or by conjugate gradients on
// lazily drawn noise (projected method only). kAuto: by conjugate gradients, and where those are predicted to
// need too many iterations or end without a head that is right, by factorising. The averaging head needs
// neither.
enum class Solver { kDirect, kIterative, kAuto };
constexpr Named<Solver> kSolvers[] = {
    {Solver::kDirect, "direct"},
    {Solver::kIterative, "iterative"},
    {Solver::kAuto, "auto"},
};
static_assert(inOrder(kSolvers));

// Why a trial's solver is not the first that was to find its head.
enum class Fallback : uint8_t {
  kNone = 0,
  kPredicted = 1,      // the scales of the features say that conjugate gradients would take too long
  kNotConverged = 2,   // conjugate gradients did not end with a head that is right
  kIllConditioned = 3  // the Gram matrix was too ill-conditioned
};
constexpr Named<Fallback> kFallbacks[] = {
    {Fallback::kNone, "none"},
    {Fallback::kPredicted, "predicted"},
    {Fallback::kNotConverged, "notConverged"},
    {Fallback::kIllConditioned, "illConditioned"},
};
static_assert(inOrder(kFallbacks));

struct KnownPromptSpec {
  Mixture mixture;
  int examples;               // n
  double inverseTemperature;  // τ
  HeadOptions head;
  Method method;
  Solver solver;
  int mostIterations;                   // predicted, beyond which kAuto factorises at once
  std::shared_ptr<MemoryShare> memory;  // also head.memory
  int testDraws;
  StreamKey key;
};

struct KnownPromptMetrics {
  double error;
  double relevantAttention;
  double headNorm;
  double iterations;  // of the iterative solver; as is the next
  double residual;    // norm of the gradient at the head, over that at w = 0
  TestAccuracy test;  // of the error
  double solver;      // HeadSolver
  double fallback;    // Fallback
};

// Scratch of one thread, kept over trials.
struct KnownPromptWorkspace {
  PoolingWorkspace pooling;
  HeadWorkspace head;
  DenseExample example;
  std::vector<float> noise;
  std::vector<double> w;
  LazyNoise lazyNoise;
};

// The pooled features of the training sample but for the noise s h on the complement of q̂; each [n].
struct PooledSample {
  std::vector<double> u1, u2;     // A r + (1−A) μ + t̃ e1
  std::vector<double> deviation;  // s
  std::vector<double> label;      // observed
};
PooledSample poolSample(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                        KnownPromptWorkspace& workspace);

// Features V[n×d] and labels y[n] of the training sample that the direct solver of a projected trial is
// given.
void projectedFeatures(const KnownPromptSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                       KnownPromptWorkspace& workspace, double* V, double* y);

// Bytes that a trial needs at most, to leading order.
double knownPromptBytes(const KnownPromptSpec& spec);

// One trial, a function of (spec, trial) only. If the status is not kOk every metric is NaN (but what the
// solver reached without converging). Returns early, with a useless result, once `cancelled`.
TrialStatus runKnownPromptTrial(const KnownPromptSpec& spec, uint64_t trial,
                                const std::atomic<bool>& cancelled, KnownPromptWorkspace& workspace,
                                KnownPromptMetrics& metrics);

}  // namespace prompt_attention
