#include "addon/runtime/worker_pool.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <system_error>
#include <utility>

namespace prompt_attention {

namespace {
constexpr std::chrono::milliseconds kTurn{20};
constexpr std::chrono::microseconds kVigil{60};
}  // namespace

// On the stack of the worker that called runParts().
struct WorkerPool::Computation {
  Computation(const PartRunner::Part& partOf, int partCount, int helperCount)
      : part(partOf), parts(partCount), mostHelpers(helperCount) {}
  const PartRunner::Part& part;
  const int parts;
  const int mostHelpers;
  std::atomic<int> next{0};
  // Under the pool's mutex.
  int helpers = 0;  // that have joined so far: worker number of the last one
  int active = 0;
  std::exception_ptr failure;
  std::condition_variable left;
};

namespace {

// The pools of all environments that share this copy of the addon. One of the two statics of this code that
// change (docs/architecture.md): it is about the process.
class PoolsOfProcess {
 public:
  ~PoolsOfProcess() {
    const std::lock_guard lock(mutex_);
    for (WorkerPool* pool : pools_) pool->halt();
  }
  void add(WorkerPool* pool) {
    const std::lock_guard lock(mutex_);
    pools_.push_back(pool);
  }
  void remove(WorkerPool* pool) {
    const std::lock_guard lock(mutex_);
    std::erase(pools_, pool);
  }

 private:
  std::mutex mutex_;
  std::vector<WorkerPool*> pools_;
};

PoolsOfProcess& poolsOfProcess() {
  static PoolsOfProcess pools;
  return pools;
}

}  // namespace

WorkerPool::WorkerPool(std::function<void(std::shared_ptr<Job>)> onFinished)
    : onFinished_(std::move(onFinished)), processors_(std::max(1u, std::thread::hardware_concurrency())) {
  poolsOfProcess().add(this);
}

WorkerPool::~WorkerPool() {
  stop();
  poolsOfProcess().remove(this);
}

void WorkerPool::grow(const Job& job) {
  const auto asked = static_cast<size_t>(std::max(job.maximumThreads, job.partThreads));
  const size_t wanted = std::max(asked, std::min(threadsAsked_, processors_));
  try {
    while (threads_.size() < wanted) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    if (threads_.empty()) throw;
  } catch (const std::bad_alloc&) {
    if (threads_.empty()) throw;
  }
}

void WorkerPool::submit(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex_);
  job->pool_ = this;
  std::list<std::shared_ptr<Job>> entry{job};
  threadsAsked_ += job->maximumThreads;
  try {
    grow(*job);
  } catch (...) {
    threadsAsked_ -= job->maximumThreads;
    throw;
  }
  job->position_ = entry.begin();
  jobs_.splice(jobs_.end(), entry);
  ++waiting_;
  wake_.notify_all();
}

void WorkerPool::cancel(Job& job) {
  std::unique_lock lock(mutex_);
  job.cancelled = true;
  if (job.active_ == 0) finish(job, lock);
}

void WorkerPool::stop() {
  endThreads();
  std::unique_lock lock(mutex_);
  while (!halted_ && !jobs_.empty()) finish(*jobs_.front(), lock);
}

void WorkerPool::halt() {
  {
    const std::lock_guard lock(mutex_);
    halted_ = true;
  }
  endThreads();
}

void WorkerPool::endThreads() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& job : jobs_) job->cancelled = true;
    threads.swap(threads_);
    wake_.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
}

// The first job that may have another worker goes to the back of the line, so that jobs are served in turn.
std::shared_ptr<Job> WorkerPool::takeJob() {
  for (auto entry = jobs_.begin(); entry != jobs_.end(); ++entry) {
    Job& job = **entry;
    if (!job.isWaiting_ || job.active_ >= job.maximumThreads) continue;
    jobs_.splice(jobs_.end(), jobs_, entry);
    return *entry;
  }
  return nullptr;
}

WorkerPool::Computation* WorkerPool::takeComputation() {
  for (Computation* computation : computations_)
    if (computation->helpers < computation->mostHelpers && computation->next < computation->parts)
      return computation;
  return nullptr;
}

void WorkerPool::runTurn(Job& job, Workspace& workspace) {
  const auto start = std::chrono::steady_clock::now();
  while (!job.cancelled) {
    const uint64_t unit = job.next_.fetch_add(1);
    if (unit >= job.units) return;
    job.run(unit, workspace);
    job.completed.fetch_add(1);
    if (waiting_ > 1 && std::chrono::steady_clock::now() - start > kTurn) return;
  }
}

void WorkerPool::takeParts(Computation& computation, int worker, std::mutex& mutex) {
  try {
    for (int i = computation.next++; i < computation.parts; i = computation.next++)
      computation.part(i, worker);
  } catch (...) {
    const std::lock_guard lock(mutex);
    if (!computation.failure) computation.failure = std::current_exception();
  }
}

void WorkerPool::runParts(int parts, int workers, const PartRunner::Part& part) {
  const int helpers = std::min(parts, workers) - 1;
  if (helpers < 1) {
    for (int i = 0; i < parts; ++i) part(i, 0);
    return;
  }
  Computation computation(part, parts, helpers);
  std::unique_lock lock(mutex_);
  computations_.push_back(&computation);
  lock.unlock();
  for (int i = 0; i < helpers; ++i) wake_.notify_one();
  takeParts(computation, 0, mutex_);
  lock.lock();
  std::erase(computations_, &computation);
  computation.left.wait(lock, [&] { return computation.active == 0; });
  if (computation.failure) std::rethrow_exception(computation.failure);
}

void WorkerPool::help(Computation& computation, std::unique_lock<std::mutex>& lock) {
  const int worker = ++computation.helpers;
  ++computation.active;
  lock.unlock();
  takeParts(computation, worker, mutex_);
  lock.lock();
  if (--computation.active == 0) computation.left.notify_one();
}

void WorkerPool::stopWaiting(Job& job) {
  if (std::exchange(job.isWaiting_, false)) --waiting_;
}

// Takes the job out of the pool and hands it over, with the mutex unlocked; nothing if that has been done.
void WorkerPool::finish(Job& job, std::unique_lock<std::mutex>& lock) {
  if (halted_ || std::exchange(job.isFinished_, true)) return;
  stopWaiting(job);
  threadsAsked_ -= job.maximumThreads;
  std::shared_ptr<Job> finished = std::move(*job.position_);
  jobs_.erase(job.position_);
  lock.unlock();
  onFinished_(std::move(finished));
  lock.lock();
}

// Ends a worker's turn at the job.
void WorkerPool::leave(std::shared_ptr<Job> job, std::exception_ptr failure,
                       std::unique_lock<std::mutex>& lock) {
  --job->active_;
  if (failure) {
    if (!job->failure) job->failure = std::move(failure);
    job->cancelled = true;
  }
  if (!job->cancelled && job->next_ < job->units) {
    wake_.notify_one();
    return;
  }
  stopWaiting(*job);
  if (job->active_ > 0) return;
  // Whoever is handed the job may be its last owner, on another thread.
  Job& last = *job;
  job.reset();
  finish(last, lock);
}

// One worker at a time, so that a pool at rest costs one thread's vigil and no more.
void WorkerPool::awaitSoon(std::unique_lock<std::mutex>& lock) {
  if (waiting_ > 0 || stopping_ || watched_.exchange(true)) return;
  lock.unlock();
  const auto end = std::chrono::steady_clock::now() + kVigil;
  while (waiting_ == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  watched_ = false;
  lock.lock();
}

void WorkerPool::work() {
  Workspace workspace;
  std::unique_lock lock(mutex_);
  for (;;) {
    std::shared_ptr<Job> job;
    Computation* computation = nullptr;
    wake_.wait(lock, [&] {
      return stopping_ || (job = takeJob()) != nullptr || (computation = takeComputation()) != nullptr;
    });
    if (stopping_) return;
    if (job == nullptr) {
      help(*computation, lock);
      continue;
    }
    ++job->active_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      runTurn(*job, workspace);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    leave(std::move(job), std::move(failure), lock);
    awaitSoon(lock);
  }
}

}  // namespace prompt_attention
