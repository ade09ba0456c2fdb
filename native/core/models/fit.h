// Training of a model (models.h) by a first-order method, step by step.
//
// Step s evaluates loss and gradient at θ_s, over all examples or over the next batch of a seeded order, and
// moves to θ_{s+1}. Every recordEvery-th step and the end are recorded: loss and error over all training
// examples, parameter norms, attention on relevant tokens, loss and error over the validation examples. A
// full batch is recorded from the evaluation that gives its gradient; a batch needs one more pass.
//
// Patience p > 0: training ends when p records in a row have not improved on the best validation loss, and θ
// becomes that of the best record. Failure: a loss that is not finite ends the training as diverged.
//
// Batch order: a permutation per pass over the examples, Fisher–Yates on uniforms of the stream of that pass;
// the last batch of a pass may be smaller. Nothing depends on the number of threads (objective.h). Memory
// beyond objective.h: θ, its gradient, the optimiser's state, one int per example for batches.
#pragma once

#include <atomic>
#include <vector>

#include "core/base/named.h"
#include "core/models/objective.h"
#include "core/models/optimizer.h"
#include "core/random/random.h"

namespace prompt_attention {

struct FitOptions {
  LossKind loss;
  OptimizerOptions optimizer;
  double learningRates[3];  // of prompts, weights, head; 0 for a group that stays as it is
  Schedule schedule;
  int steps;        // S ≥ 1
  int batchSize;    // ≥ 1; at least n means all
  int recordEvery;  // ≥ 1
  int patience;     // 0 for none; needs validation examples
  StreamKey key;
};

enum class FitStop { kSteps, kPatience, kDiverged };
constexpr Named<FitStop> kFitStops[] = {
    {FitStop::kSteps, "steps"},
    {FitStop::kPatience, "patience"},
    {FitStop::kDiverged, "diverged"},
};
static_assert(inOrder(kFitStops));

struct FitRecord {
  int step;
  Evaluation training;
  Evaluation validation;  // not set without validation examples
  double norms[3];        // of prompts, weights, head
};

class Fit {
 public:
  // Without validation examples their count is 0.
  Fit(const Model& model, const FitOptions& options, const Examples& training, const Examples& validation,
      std::vector<double> theta);

  // To be called for step = 0, 1, … S in turn; the last only records. Does nothing once the training has
  // ended.
  void step(int step, PartRunner& runner, const std::atomic<bool>& cancelled);

  const std::vector<double>& theta() const { return theta_; }
  const std::vector<FitRecord>& records() const { return records_; }
  FitStop stop() const { return stop_; }
  int stepsTaken() const { return stepsTaken_; }

 private:
  Evaluation evaluate(Objective& objective, const int* indices, int count, bool wantsGradient,
                      PartRunner& runner, const std::atomic<bool>& cancelled);
  void record(int step, const Evaluation& training, PartRunner& runner, const std::atomic<bool>& cancelled);
  const int* nextBatch(int& count);
  void move(int step);
  void end(FitStop reason);

  const Model model_;
  const FitOptions options_;
  Objective training_;
  Objective validation_;
  Optimizer optimizer_;
  std::vector<double> theta_;
  std::vector<double> gradient_;
  std::vector<double> best_;  // θ of the best record; empty without patience
  double bestLoss_;
  int recordsSinceBest_ = 0;
  std::vector<int> order_;  // of the examples in this pass; empty for full batches
  int position_ = 0;
  uint64_t pass_ = 0;
  std::vector<FitRecord> records_;
  std::vector<ModelWorkspace> workspaces_;  // one per worker
  FitStop stop_ = FitStop::kSteps;
  bool ended_ = false;
  int stepsTaken_ = 0;
};

}  // namespace prompt_attention
