// First-order update rules and learning-rate schedules.
//
//   gradient descent   θ ← θ − η g
//   normalized         θ ← θ − η g/‖g‖, θ one parameter: q, P, B, w or U; unmoved where g = 0
//   momentum           u ← μ u + g,  θ ← θ − η u                                       (Polyak, heavy ball)
//   Adam               m ← β1 m + (1−β1) g,  v ← β2 v + (1−β2) g²,
//                      θ ← θ − η m̂ / (√v̂ + ε),  m̂ = m/(1−β1^t),  v̂ = v/(1−β2^t)     (Kingma, Ba 2015)
//
// with η = learning rate · schedule factor, t = 1, 2, …. Schedules multiply by 1 (constant), by
// f + (1−f)(1 + cos πx)/2 for the share x of the steps after the warm-up (cosine), or by γ^⌊s/every⌋ (step);
// during the first `warmUp` steps they are multiplied by (s+1)/warmUp on top.
#pragma once

#include <cstddef>
#include <vector>

#include "core/base/named.h"

namespace prompt_attention {

enum class OptimizerKind { kGradientDescent, kNormalized, kMomentum, kAdam };
constexpr Named<OptimizerKind> kOptimizers[] = {
    {OptimizerKind::kGradientDescent, "gradient-descent"},
    {OptimizerKind::kNormalized, "normalized-gradient-descent"},
    {OptimizerKind::kMomentum, "momentum"},
    {OptimizerKind::kAdam, "adam"},
};
static_assert(inOrder(kOptimizers));

struct OptimizerOptions {
  OptimizerKind kind;
  double momentum;  // μ in [0, 1)
  double beta1;     // in [0, 1)
  double beta2;     // in [0, 1)
  double epsilon;   // > 0
};

enum class ScheduleKind { kConstant, kCosine, kStep };
constexpr Named<ScheduleKind> kSchedules[] = {
    {ScheduleKind::kConstant, "constant"},
    {ScheduleKind::kCosine, "cosine"},
    {ScheduleKind::kStep, "step"},
};
static_assert(inOrder(kSchedules));

struct Schedule {
  ScheduleKind kind;
  int warmUp;     // steps, ≥ 0
  double final;   // f, in [0, 1]
  int every;      // ≥ 1
  double factor;  // γ > 0
};

// Factor of step s = 0 … steps−1.
double scheduleFactor(const Schedule& schedule, int step, int steps);

class Optimizer {
 public:
  Optimizer(const OptimizerOptions& options, size_t parameters);
  // Begins the next step; then update() once for every parameter that moves, its range in θ.
  void beginStep();
  void update(size_t begin, size_t end, double rate, const double* gradient, double* theta);

 private:
  const OptimizerOptions options_;
  std::vector<double> first_;   // u or m, [parameters]; momentum and Adam only
  std::vector<double> second_;  // v, [parameters]; Adam only
  double beta1Power_ = 1.0;     // β1^t
  double beta2Power_ = 1.0;     // β2^t
};

}  // namespace prompt_attention
