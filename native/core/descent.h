// Trials of the gradient-descent experiment: all parameters of a model (models.h) move together, full batch,
// from n examples of the mixture; dense, any noise.
//
// Start: zero, or independent normals of standard deviation `initialScale` (attention weights: that over √d),
// the head's from positions 0 … d−1 of the trial's stream, so that models share it. Test error: theory.md §4
// for prompt attention and mean pooling under Gaussian noise; else the share of `testDraws` fresh examples
// misclassified, on which attention on relevant tokens is averaged too.
//
// Cost per step: one gradient (models.h). Memory per thread: n·T·d numbers. Failure: a loss or parameter that
// is not finite is the status kDiverged, and every metric is NaN.
#pragma once

#include <atomic>
#include <vector>

#include "core/mixture.h"
#include "core/objective.h"
#include "core/optimizer.h"
#include "core/test_error.h"
#include "core/trial.h"

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
  int testDraws;
  StreamKey key;
};

struct DescentMetrics {
  double error;
  double trainingLoss;
  double trainingError;
  double relevantAttention;
  double headNorm;
  double promptNorm;      // ‖q‖; below, 0 for models without prompt
  double contextOverlap;  // ⟨q, q⋆⟩
  double signalOverlap;   // ⟨q, w⋆⟩
  double weightNorm;      // ‖B‖; 0 without attention weights
};

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
};

// One trial, a function of (spec, trial) only; with a useless result once `cancelled`.
TrialStatus runDescentTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                            DescentWorkspace& workspace, DescentMetrics& metrics);

}  // namespace prompt_attention
