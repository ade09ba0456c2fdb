// Three steps of gradient descent (theory.md §3) on three independent samples S1, S2, S3 of n1, n2, n3
// examples, square loss (1/2n) Σ (y_i − f_i)²:
//
//   w1 = (η1/n1) Σ y_i x̄_i                                 x̄_i = X_iᵀ1/T          (head, from w = 0, q = 0)
//   q1 = (η2/n2) Σ (y_i − x̄_iᵀw1) C_i w1                   C_i = X_iᵀ(I − 11ᵀ/T)X_i/T    (prompt, from q = 0)
//   w2 = (η3/n3) Σ p_i v_i  (+ w1 if continued)            v_i = X_iᵀ softmax(X_i q1)    (head)
//        p_i = y_i (fresh head), y_i − w1ᵀv_i (restarted and continued heads)
//   b  = (1/n3) Σ_{S3} ⟨w2, v_i⟩  with debias "intercept", else 0; the prediction is sign(⟨w2, v⟩ − b)
//
// Dense: the tokens of one example at a time are made, used and forgotten, so memory does not grow with n;
// any noise, any d; cost O((n1 + n2 + n3) T d). Projected: three_step_projected.h. A trial whose iterates are
// not finite (steps too large) has status kDiverged.
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "core/base/named.h"
#include "core/base/trial.h"
#include "core/mixture/mixture.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

enum class ThreeStepHead { kFresh, kRestarted, kContinued };
constexpr Named<ThreeStepHead> kThreeStepHeads[] = {
    {ThreeStepHead::kFresh, "fresh"},
    {ThreeStepHead::kRestarted, "restarted"},
    {ThreeStepHead::kContinued, "continued"},
};
static_assert(inOrder(kThreeStepHeads));

struct ThreeStepOptions {
  std::array<double, 3> stepSizes;  // η1, η2, η3
  ThreeStepHead head;
  bool intercept;
};

// The trajectory, in whatever orthonormal frame it was computed in; all three vectors have the same length.
struct ThreeStepIterates {
  std::vector<double> w1;
  std::vector<double> q1;
  std::vector<double> w2;
  double intercept;  // b
};

// Labelled examples, wherever they come from.
class ExampleSource {
 public:
  virtual ~ExampleSource() = default;
  virtual int examples() const = 0;
  // Tokens [T×d] of example i, valid until the next call, and its label.
  virtual const double* example(int i, double& y) = 0;
};

// Scratch of one thread, kept over trials.
struct ThreeStepWorkspace {
  ThreeStepIterates iterates;
  DenseExample example;
  std::vector<double> scores;   // [T]
  std::vector<double> feature;  // [d]
  std::vector<double> mean;     // [d], mean feature of S3
  PoolingWorkspace pooling;
};

// The trajectory on given samples of T×d tokens, into vectors of length d. Returns early, with no result,
// once `cancelled` is set.
void descendThreeSteps(const std::array<ExampleSource*, 3>& samples, int T, int d,
                       const ThreeStepOptions& options, const std::atomic<bool>& cancelled,
                       ThreeStepWorkspace& workspace, ThreeStepIterates& iterates);

struct ThreeStepSpec {
  Mixture mixture;
  std::array<int, 3> examples;  // n1, n2, n3
  ThreeStepOptions options;
  Method method;  // kProjected: Gaussian noise and d ≥ kLeastProjectedDimension only
  int testDraws;
  StreamKey key;
};

// Overlaps are inner products; cosines are 0 where a norm is 0.
struct ThreeStepMetrics {
  double error;
  double contextOverlap;  // ⟨q1, q⋆⟩
  double signalOverlap;   // ⟨q1, w⋆⟩
  double promptNorm;      // ‖q1‖
  double relevantAttention;
  double w1ContextCosine;
  double w1SignalCosine;
  double q1ContextCosine;
  double q1SignalCosine;
  double w2ContextCosine;
  double w2SignalCosine;
  TestAccuracy test;  // of the error
};

// Bytes that a trial needs at most, to leading order.
double threeStepBytes(const ThreeStepSpec& spec);

// One trial, a function of (spec, trial) only. If the status is not kOk every metric is NaN.
TrialStatus runThreeStepTrial(const ThreeStepSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                              ThreeStepWorkspace& workspace, ThreeStepMetrics& metrics);

}  // namespace prompt_attention
