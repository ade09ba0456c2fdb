// Trials of the gradient-descent experiment: all parameters of a model (models.h) move together, from
// gradients over n examples of the mixture: always the same n, or n fresh ones each step.
//
// Start: zero, or independent normals of standard deviation `initialScale` (attention weights: that over √d).
// Records: step 0, every recordEvery-th, and the last; without recordEvery the last only. Each holds training
// loss and error at the parameters of its step, over the examples that give the next gradient (with fresh
// examples: before anything is learned from them), and the test error: by its law under Gaussian noise for
// prompt attention, linear attention and mean pooling (test_error.h); else the share of `testDraws` fresh
// examples misclassified, on which attention on relevant tokens is averaged too.
//
// Dense: tokens are drawn; any noise, model and optimiser. The head's start takes positions 0 … d−1 of the
// trial's stream, so that models share it. Cost per step: one gradient (models.h). Memory per thread: n·T·d
// numbers. Projected: lazy_descent.h, gram_descent.h for self-attention.
//
// Failure: a loss or parameter that is not finite is the status kDiverged, and every metric from that record
// on is NaN.
#pragma once

#include <atomic>
#include <vector>

#include "core/base/trial.h"
#include "core/lazy/lazy_noise.h"
#include "core/mixture/mixture.h"
#include "core/models/objective.h"
#include "core/models/optimizer.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

struct DescentSpec {
  Mixture mixture;
  int examples;  // n
  Model model;   // of the mixture's T and d
  LossKind loss;
  OptimizerOptions optimizer;
  int steps;
  double promptStep;  // η of prompt or attention weights
  double headStep;    // η of the head
  double initialScale;
  bool freshExamples;  // step s has examples s·n … (s+1)·n − 1 of the trial
  int recordEvery;     // 0 for the last step only
  Method method;
  int testDraws;
  StreamKey key;
};

struct DescentMetrics {
  double error;
  double trainingLoss;
  double trainingError;
  double relevantAttention;
  double headNorm;
  double headContextOverlap;  // ⟨w, q⋆⟩
  double headSignalOverlap;   // ⟨w, w⋆⟩
  double promptNorm;          // ‖q‖; below, 0 for models without prompt
  double contextOverlap;      // ⟨q, q⋆⟩
  double signalOverlap;       // ⟨q, w⋆⟩
  double weightNorm;          // ‖B‖; 0 without attention weights
  TestAccuracy test;          // of the error
};

// Scratch of lazy_descent.h.
struct LazyDescentWorkspace {
  LazyNoise noise;
  std::vector<ExampleLabel> labels;  // [n]
  std::vector<double> prompt;        // Z q, then the coefficients of the prompt's gradient; [rows of Z]
  std::vector<double> head;          // the same of the head
};

// Records of a trial, and whether `step` is one.
int recordCount(const DescentSpec& spec);
bool isRecorded(const DescentSpec& spec, int step);

// Fills the records after the first `recorded` with NaN: kDiverged if there are any.
TrialStatus finishRecords(const DescentSpec& spec, int recorded, DescentMetrics* records);

// What is recorded under Gaussian noise of a model other than self-attention: coordinates q[axes] (null for
// mean pooling) and w[axes] in any orthonormal frame that begins with e1, e2 (axes ≥ 2 unless d = 1).
DescentMetrics gaussianMetrics(const DescentSpec& spec, uint64_t trial, const double* q, const double* w,
                               int axes, const Evaluation& training, const std::atomic<bool>& cancelled,
                               PoolingWorkspace& pooling);

// Scratch of one thread, kept over trials.
struct DescentWorkspace {
  std::vector<double> X;         // [n×T×d]
  std::vector<double> y;         // [n]
  std::vector<double> theta;     // [parameters]
  std::vector<double> gradient;  // [parameters]
  std::vector<double> testX;     // of a block of test examples, as the next two
  std::vector<double> testY;
  std::vector<uint8_t> relevance;
  TokenScratch tokens;
  PoolingWorkspace pooling;  // of the exact test error
  ModelWorkspace model;
  LazyDescentWorkspace lazy;
};

// Bytes that a trial needs at most, to leading order.
double descentBytes(const DescentSpec& spec);

// One trial, a function of (spec, trial) only, into records[recordCount]; with a useless result once
// `cancelled`. Throws std::bad_alloc.
TrialStatus runDescentTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                            DescentWorkspace& workspace, DescentMetrics* records);

}  // namespace prompt_attention
