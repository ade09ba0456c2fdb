// The workers of a pool that share the parts of a unit of one job.
#pragma once

#include "addon/runtime/worker_pool.h"

namespace prompt_attention {

class Crew final : public PartRunner {
 public:
  // Used by a worker of `pool` only; `workers` ≥ 1 counts it.
  Crew(WorkerPool& pool, int workers) : pool_(pool), workers_(workers) {}
  int workers() const override { return workers_; }
  void run(int parts, const Part& part) override { pool_.runParts(parts, workers_, part); }

 private:
  WorkerPool& pool_;
  const int workers_;
};

}  // namespace prompt_attention
