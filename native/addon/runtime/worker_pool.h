// Threads of one JavaScript environment that run jobs made of independent units. Never libuv's pool. Knows
// nothing of N-API: a finished job is handed to the pool's `onFinished`.
//
// A job uses at most its own number of threads; the pool grows to the largest number asked for, and to the
// processor's while jobs together ask for as many. Jobs are taken in turn: a worker leaves a job when it has
// run kTurn and another job waits, so a long study does not block a short call. Workers without a job help
// with the parts of a unit that is cut into parts (runParts): no job has threads of its own.
//
// A thread that cannot be had is no failure as long as there is one: results do not depend on their number.
//
// When the process exits, the C library runs the destructors of the libraries, OpenBLAS's among them, which
// must not find a thread at work. Nothing tells an environment of the main thread for certain (listeners of
// `exit` can be removed, and one that throws hides those after it), so every pool is halted by a destructor
// of the addon, which comes before those of the libraries that it needs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/images/canvas.h"
#include "core/images/embedding.h"
#include "core/models/models.h"
#include "core/models/objective.h"
#include "core/trials/descent.h"
#include "core/trials/known_prompt.h"
#include "core/trials/three_step.h"

namespace prompt_attention {

// Scratch that a worker keeps over units and jobs.
struct Workspace {
  KnownPromptWorkspace knownPrompt;
  ThreeStepWorkspace threeStep;
  DescentWorkspace descent;
  ModelWorkspace model;
  CanvasWorkspace canvas;
  EmbeddingWorkspace embedding;
};

class WorkerPool;

class Job {
 public:
  virtual ~Job() = default;
  // Runs unit `unit` of `units`; may throw. Long units poll `cancelled`.
  virtual void run(uint64_t unit, Workspace& workspace) = 0;

  uint64_t units = 1;
  int maximumThreads = 1;  // that run units at a time
  int partThreads = 1;     // that run the parts of a unit
  std::atomic<bool> cancelled{false};
  std::atomic<uint64_t> completed{0};
  // First exception that a unit threw; read once the job is finished.
  std::exception_ptr failure;

 protected:
  // The pool that runs the job.
  WorkerPool& pool() const { return *pool_; }

 private:
  friend class WorkerPool;
  WorkerPool* pool_ = nullptr;
  std::atomic<uint64_t> next_{0};
  // Under the pool's mutex.
  int active_ = 0;
  bool isWaiting_ = true;  // has units left to start
  bool isFinished_ = false;
  std::list<std::shared_ptr<Job>>::iterator position_;
};

class WorkerPool {
 public:
  // `onFinished` is called on the thread that finished the job: a worker, or the one that called cancel() or
  // stop().
  explicit WorkerPool(std::function<void(std::shared_ptr<Job>)> onFinished);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  // Queues the job. Throws std::system_error if the pool has no thread and none can be had.
  void submit(const std::shared_ptr<Job>& job);
  // Cancels the job. It is finished at once if no worker is at it, else when they have noticed.
  void cancel(Job& job);
  // Cancels every job, waits for the units under way and ends the threads, for good; all jobs are finished.
  void stop();
  // The same, but jobs stay unfinished: for a process that exits, in which nobody waits for them.
  void halt();
  // Runs the parts of a unit on the calling worker and on up to `workers` − 1 others that have nothing else
  // to do, each part once; returns when all are done. An exception of a part is rethrown then.
  void runParts(int parts, int workers, const PartRunner::Part& part);

 private:
  struct Computation;
  void grow(const Job& job);
  void endThreads();
  void work();
  void runTurn(Job& job, Workspace& workspace);
  void leave(std::shared_ptr<Job> job, std::exception_ptr failure, std::unique_lock<std::mutex>& lock);
  void finish(Job& job, std::unique_lock<std::mutex>& lock);
  void stopWaiting(Job& job);
  std::shared_ptr<Job> takeJob();
  Computation* takeComputation();
  static void takeParts(Computation& computation, int worker, std::mutex& mutex);
  void help(Computation& computation, std::unique_lock<std::mutex>& lock);
  // Looks out for the next job for a moment before the worker sleeps: who awaits short jobs one after the
  // other then pays for no waking up.
  void awaitSoon(std::unique_lock<std::mutex>& lock);

  std::function<void(std::shared_ptr<Job>)> onFinished_;
  const size_t processors_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<std::shared_ptr<Job>> jobs_;    // unfinished
  std::vector<Computation*> computations_;  // with parts left to start
  std::vector<std::thread> threads_;
  size_t threadsAsked_ = 0;           // by all unfinished jobs together
  std::atomic<size_t> waiting_{0};    // jobs that could use another worker now
  std::atomic<bool> watched_{false};  // a worker is looking out
  bool stopping_ = false;
  bool halted_ = false;
};

}  // namespace prompt_attention
