#include "addon/worker_pool.h"

#include <algorithm>
#include <chrono>

namespace prompt_attention {

namespace {
constexpr std::chrono::milliseconds kTurn{20};
constexpr std::chrono::microseconds kVigil{60};
}  // namespace

void WorkerPool::submit(std::shared_ptr<Job> job) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  while (threads_.size() < static_cast<size_t>(job->maximumThreads))
    threads_.emplace_back([this] { work(); });
  running_.push_back(job);
  jobs_.push_back(std::move(job));
  waiting_ = jobs_.size();
  wake_.notify_all();
}

void WorkerPool::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& job : running_) job->cancelled = true;
    threads.swap(threads_);
    wake_.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
  const std::lock_guard lock(mutex_);
  jobs_.clear();
  running_.clear();
}

// The first job that may have another worker goes to the back of the line, so that jobs are served in turn.
std::shared_ptr<Job> WorkerPool::takeJob() {
  for (size_t i = 0; i < jobs_.size(); ++i) {
    std::shared_ptr<Job> job = jobs_[i];
    if (job->active_ >= job->maximumThreads) continue;
    jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
    jobs_.push_back(job);
    return job;
  }
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
    wake_.wait(lock, [&] { return stopping_ || (job = takeJob()) != nullptr; });
    if (stopping_) return;
    ++job->active_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      runTurn(*job, workspace);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    --job->active_;
    if (failure) {
      if (!job->failure) job->failure = failure;
      job->cancelled = true;
    }
    const bool exhausted = job->cancelled || job->next_ >= job->units;
    if (exhausted) {
      std::erase(jobs_, job);
      waiting_ = jobs_.size();
    } else {
      wake_.notify_one();
    }
    if (exhausted && job->active_ == 0 && std::erase(running_, job) > 0) {
      lock.unlock();
      onFinished_(std::move(job));
      lock.lock();
      awaitSoon(lock);
    }
  }
}

}  // namespace prompt_attention
