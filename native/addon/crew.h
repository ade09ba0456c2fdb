// Threads that help the thread of one job with the parts of a computation, step after step.
//
// run() hands out parts to the helpers and to the calling thread, and returns when all are done. A
// computation of one part runs on the calling thread alone. An exception of a part is rethrown by run() once
// every thread is done.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/objective.h"

namespace prompt_attention {

class Crew final : public PartRunner {
 public:
  // `workers` ≥ 1 counts the calling thread.
  explicit Crew(int workers);
  ~Crew() override;
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  int workers() const override { return static_cast<int>(helpers_.size()) + 1; }
  void run(int parts, const Part& part) override;

 private:
  void help(int worker);
  void takeParts(int worker);
  void dismiss();

  std::mutex mutex_;
  std::condition_variable begin_;
  std::condition_variable end_;
  // Under the mutex, except that helpers read part_ and parts_ while they count as active.
  const Part* part_ = nullptr;
  int parts_ = 0;
  uint64_t computation_ = 0;
  size_t active_ = 0;
  bool dismissed_ = false;
  std::exception_ptr failure_;
  std::atomic<int> next_{0};
  std::vector<std::thread> helpers_;
};

}  // namespace prompt_attention
