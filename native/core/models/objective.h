// Mean loss of a model over examples, and its gradient, as a sum over parts that may run on any threads.
//
// The examples are cut into parts by their number and the sizes of the model alone; every part adds up its
// own examples in order, and the parts are added in order. The result therefore does not depend on the number
// of threads. Memory: one gradient per part, of which there are so few that all gradients together are below
// one sixteenth of the tokens, and one workspace per thread (a few blocks of examples).
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "core/models/models.h"

namespace prompt_attention {

struct Examples {
  int count;                 // n
  const double* X;           // [rows×d], rows = n·T or Σ T_i
  const double* y;           // [n]
  const uint8_t* relevance;  // [rows], or null
  // [n+1] for examples of different length: example i has the rows first[i] … first[i+1]−1; else null
  const size_t* first = nullptr;

  size_t rows(const Model& model) const {
    return first == nullptr ? static_cast<size_t>(count) * model.tokens : first[count];
  }
};

struct Evaluation {
  double loss;
  double error;
  double relevantAttention;  // mean over examples; 0 without relevance masks
};

// Runs the parts of a computation, each exactly once, and returns when all are done.
class PartRunner {
 public:
  using Part = std::function<void(int part, int worker)>;
  virtual ~PartRunner() = default;
  virtual int workers() const = 0;  // part is called with worker < workers()
  virtual void run(int parts, const Part& part) = 0;
};

// On the calling thread.
class SerialRunner final : public PartRunner {
 public:
  int workers() const override { return 1; }
  void run(int parts, const Part& part) override;
};

class Objective {
 public:
  Objective(const Model& model, LossKind loss, const Examples& examples);

  // Says what the next parts compute: at theta[parameters], over the examples indices[count], or over all for
  // null. theta and indices must live until finish().
  void begin(const double* theta, const int* indices, int count, bool wantsGradient);
  int parts() const { return parts_; }
  // Stops early, with a useless result, once `cancelled`.
  void runPart(int part, ModelWorkspace& workspace, const std::atomic<bool>& cancelled);
  // Adds the parts up; with a gradient also into gradient[parameters].
  Evaluation finish(double* gradient);

  const Model& model() const { return model_; }
  const Examples& examples() const { return examples_; }

 private:
  size_t firstRow(int i) const;  // of example i
  size_t lengthOf(int i) const;
  ExampleBlock blockOf(int first, int count, ModelWorkspace& workspace) const;

  const Model model_;
  const LossKind loss_;
  const Examples examples_;
  const double* theta_ = nullptr;
  const int* indices_ = nullptr;
  int count_ = 0;
  int parts_ = 0;
  bool wantsGradient_ = false;
  std::vector<LossSums> sums_;     // [parts]
  std::vector<double> gradients_;  // [parts×parameters]
};

// Number of parts that `count` examples with `rows` tokens are cut into, from sizes alone.
int partCount(const Model& model, int count, size_t rows);

}  // namespace prompt_attention
