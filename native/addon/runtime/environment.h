// What the addon keeps per JavaScript environment (main thread or worker thread): its threads, and the way
// back from them.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "addon/runtime/worker_pool.h"

namespace prompt_attention {

// A job whose outcome settles a promise.
class PromiseJob : public Job {
 public:
  // The value the promise resolves to; runs on the JavaScript thread after the last unit. May throw.
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  friend class Environment;
  std::unique_ptr<Napi::Promise::Deferred> deferred_;
  // Itself, on the way back to the JavaScript thread, which is where a job dies: what it holds may belong to
  // JavaScript.
  std::shared_ptr<Job> self_;
};

class Environment {
 public:
  explicit Environment(Napi::Env env);
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  // Starts the job and returns { promise, cancel, completed }. A job that cannot be started has a promise
  // that is rejected.
  Napi::Value start(Napi::Env env, const std::shared_ptr<PromiseJob>& job);

  // Typed arrays through their JavaScript constructors: memory that cannot be had is a RangeError there,
  // where the N-API call ends the process.
  Napi::Value float64Array(Napi::Env env, const double* data, size_t length) const;
  Napi::Value uint32Array(Napi::Env env, const uint32_t* data, size_t length) const;
  Napi::Value uint8Array(Napi::Env env, const uint8_t* data, size_t length) const;

  // Keeps numbers for later calls, which name them by the answer: an integer from 1 on.
  int64_t hold(Napi::Env env, std::vector<double> numbers);
  // What is held under a name; null if nothing is. Whoever has it keeps it alive.
  std::shared_ptr<const std::vector<double>> held(int64_t name) const;
  void drop(Napi::Env env, int64_t name);

  // The memory of `array` in a new array that nobody else can reach; `array` is detached.
  Napi::Float64Array takeOver(Napi::Env env, Napi::Float64Array array) const;

 private:
  static void onFinishedCall(Napi::Env env, Napi::Function, Environment* self, PromiseJob* job);
  void settle(Napi::Env env, PromiseJob& job);

  using FinishedCallback =
      Napi::TypedThreadSafeFunction<Environment, PromiseJob, &Environment::onFinishedCall>;

  Napi::FunctionReference float64ArrayConstructor_;
  Napi::FunctionReference uint32ArrayConstructor_;
  Napi::FunctionReference uint8ArrayConstructor_;
  Napi::FunctionReference structuredClone_;
  FinishedCallback finished_;
  std::unordered_map<int64_t, std::shared_ptr<const std::vector<double>>> held_;
  int64_t lastHeld_ = 0;
  int pending_ = 0;
  WorkerPool pool_;
};

}  // namespace prompt_attention
