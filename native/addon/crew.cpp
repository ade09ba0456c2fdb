#include "addon/crew.h"

#include <utility>

namespace prompt_attention {

Crew::Crew(int workers) {
  try {
    for (int worker = 1; worker < workers; ++worker) helpers_.emplace_back([this, worker] { help(worker); });
  } catch (...) {
    dismiss();
    throw;
  }
}

Crew::~Crew() {
  dismiss();
}

void Crew::dismiss() {
  {
    const std::lock_guard lock(mutex_);
    dismissed_ = true;
    begin_.notify_all();
  }
  for (std::thread& helper : helpers_) helper.join();
}

void Crew::run(int parts, const Part& part) {
  if (parts == 1 || helpers_.empty()) {
    for (int i = 0; i < parts; ++i) part(i, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    part_ = &part;
    parts_ = parts;
    next_ = 0;
    active_ = helpers_.size();
    ++computation_;
    begin_.notify_all();
  }
  takeParts(0);
  std::unique_lock lock(mutex_);
  end_.wait(lock, [this] { return active_ == 0; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Crew::takeParts(int worker) {
  try {
    for (int i = next_++; i < parts_; i = next_++) (*part_)(i, worker);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
}

void Crew::help(int worker) {
  uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    begin_.wait(lock, [&] { return dismissed_ || computation_ != seen; });
    if (dismissed_) return;
    seen = computation_;
    lock.unlock();
    takeParts(worker);
    lock.lock();
    if (--active_ == 0) end_.notify_one();
  }
}

}  // namespace prompt_attention
