// Threads of one JavaScript environment that run jobs made of independent units. Never libuv's pool. Knows
// nothing of N-API: a finished job is handed to the pool's `onFinished`, on the worker thread that ran its
// last unit.
//
// A job uses at most its own number of threads; the pool grows to the largest number asked for. Jobs are
// taken in turn: a worker leaves a job when it has run kTurn and another job waits, so a long study does not
// block a short call.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/descent.h"
#include "core/known_prompt.h"
#include "core/models.h"
#include "core/three_step.h"

namespace prompt_attention {

// Scratch that a worker keeps over units and jobs.
struct Workspace {
  KnownPromptWorkspace knownPrompt;
  ThreeStepWorkspace threeStep;
  ModelWorkspace model;
  DescentWorkspace descent;
};

class Job {
 public:
  virtual ~Job() = default;
  // Runs unit `unit` of `units`; may throw. Long units poll `cancelled`.
  virtual void run(uint64_t unit, Workspace& workspace) = 0;

  uint64_t units = 1;
  int maximumThreads = 1;
  std::atomic<bool> cancelled{false};
  std::atomic<uint64_t> completed{0};
  // First exception that a unit threw; read once the job is finished.
  std::exception_ptr failure;

 private:
  friend class WorkerPool;
  std::atomic<uint64_t> next_{0};
  int active_ = 0;  // under the pool's mutex
};

class WorkerPool {
 public:
  explicit WorkerPool(std::function<void(std::shared_ptr<Job>)> onFinished)
      : onFinished_(std::move(onFinished)) {}
  ~WorkerPool() { stop(); }
  // Queues the job; drops it if the pool has been stopped.
  void submit(std::shared_ptr<Job> job);
  // Cancels every job, waits for the units under way and ends the threads, for good. Unfinished jobs are
  // dropped.
  void stop();

 private:
  void work();
  void runTurn(Job& job, Workspace& workspace);
  std::shared_ptr<Job> takeJob();
  // Looks out for the next job for a moment before the worker sleeps: who awaits short jobs one after the
  // other then pays for no waking up.
  void awaitSoon(std::unique_lock<std::mutex>& lock);

  std::function<void(std::shared_ptr<Job>)> onFinished_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> jobs_;      // with units left to start
  std::vector<std::shared_ptr<Job>> running_;  // every unfinished job
  std::vector<std::thread> threads_;
  std::atomic<size_t> waiting_{0};    // jobs that could use another worker now
  std::atomic<bool> watched_{false};  // a worker is looking out
  bool stopping_ = false;
};

}  // namespace prompt_attention
