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
// normal for its component along e2 and a χ_{d−2} norm for the rest, so its cost does not grow with d.
//
// Dense: tokens are drawn, scored and pooled one example at a time; any noise.
#pragma once

#include "core/head.h"
#include "core/mixture.h"
#include "core/test_error.h"
#include "core/trial.h"

namespace prompt_attention {

struct KnownPromptSpec {
  Mixture mixture;
  int examples;               // n
  double inverseTemperature;  // τ
  HeadOptions head;
  Method method;
  int testDraws;
  StreamKey key;
};

struct KnownPromptMetrics {
  double error;
  double relevantAttention;
  double headNorm;
};

// Scratch of one thread, kept over trials.
struct KnownPromptWorkspace {
  HeadWorkspace head;
  DenseExample example;
  PoolingWorkspace pooling;
  std::vector<float> noise;
  std::vector<double> w;
};

// One trial, a function of (spec, trial) only. If the status is not kOk every metric is NaN.
TrialStatus runKnownPromptTrial(const KnownPromptSpec& spec, uint64_t trial, KnownPromptWorkspace& workspace,
                                KnownPromptMetrics& metrics);

}  // namespace prompt_attention
