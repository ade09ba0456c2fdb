#include "addon/runtime/environment.h"

#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "addon/runtime/allocating.h"
#include "core/base/convergence_failure.h"

namespace prompt_attention {

namespace {

Napi::FunctionReference globalFunction(Napi::Env env, const char* name) {
  return Napi::Persistent(env.Global().Get(name).As<Napi::Function>());
}

template <class Array, class Element>
Napi::Value newArray(Napi::Env env, const Napi::FunctionReference& constructor, const Element* data,
                     size_t length) {
  Napi::Value value;
  try {
    value = constructor.New({Napi::Number::New(env, static_cast<double>(length))});
  } catch (const Napi::Error&) {
    throw Napi::RangeError::New(env, "out of memory: the " + std::to_string(length * sizeof(Element)) +
                                         " bytes of a result could not be allocated");
  }
  if (length > 0) std::memcpy(value.As<Array>().Data(), data, length * sizeof(Element));
  return value;
}

Napi::Value nativeError(Napi::Env env, const std::string& message) {
  const Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", Napi::String::New(env, "ERR_NATIVE"));
  return error.Value();
}

}  // namespace

Environment::Environment(Napi::Env env)
    : float64ArrayConstructor_(globalFunction(env, "Float64Array")),
      uint32ArrayConstructor_(globalFunction(env, "Uint32Array")),
      uint8ArrayConstructor_(globalFunction(env, "Uint8Array")),
      structuredClone_(globalFunction(env, "structuredClone")),
      finished_(FinishedCallback::New(env, "prompt-attention", 0, 1, this)),
      pool_([this](std::shared_ptr<Job> job) {
        auto* finished = static_cast<PromiseJob*>(job.get());
        finished->self_ = std::move(job);
        finished_.NonBlockingCall(finished);
      }) {
  finished_.Unref(env);
  // A worker thread that is terminated runs its cleanup hooks, this one before that of the thread-safe
  // function above, which was added earlier: no thread calls it once it closes. Nothing here may fail after
  // this line, as everything above does in a worker thread that is terminated while it loads the addon.
  env.AddCleanupHook([this] { pool_.stop(); });
}

Napi::Value Environment::start(Napi::Env env, const std::shared_ptr<PromiseJob>& job) {
  job->deferred_ = std::make_unique<Napi::Promise::Deferred>(env);
  Napi::Object handle = Napi::Object::New(env);
  handle.Set("promise", job->deferred_->Promise());
  // The handle does not own the job: what a job holds is freed when its promise is settled, not when the
  // handle is collected.
  const std::weak_ptr<PromiseJob> weak = job;
  handle.Set("cancel", Napi::Function::New(env, [this, weak](const Napi::CallbackInfo&) {
               if (const auto running = weak.lock()) pool_.cancel(*running);
             }));
  handle.Set("completed",
             Napi::Function::New(env, [weak, units = job->units](const Napi::CallbackInfo& info) {
               const auto running = weak.lock();
               return Napi::Number::New(info.Env(),
                                        static_cast<double>(running ? running->completed.load() : units));
             }));
  try {
    pool_.submit(job);
    if (pending_++ == 0) finished_.Ref(env);
  } catch (...) {
    job->failure = std::current_exception();
    settle(env, *job);
  }
  return handle;
}

void Environment::onFinishedCall(Napi::Env env, Napi::Function, Environment* self, PromiseJob* job) {
  const std::shared_ptr<Job> owner = std::move(job->self_);
  if (static_cast<napi_env>(env) == nullptr) return;  // the environment is going away
  if (--self->pending_ == 0) self->finished_.Unref(env);
  self->settle(env, *job);
}

void Environment::settle(Napi::Env env, PromiseJob& job) {
  const Napi::HandleScope scope(env);
  const Napi::Promise::Deferred& deferred = *job.deferred_;
  try {
    if (job.failure)
      allocating(env, "the computation needs more than the process can get",
                 [&] { std::rethrow_exception(job.failure); });
    if (job.cancelled) {
      const Napi::Error error = Napi::Error::New(env, "the work was cancelled");
      error.Value().Set("code", Napi::String::New(env, "ERR_CANCELLED"));
      deferred.Reject(error.Value());
      return;
    }
    deferred.Resolve(
        allocating(env, "the result needs more than the process can get", [&] { return job.result(env); }));
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  } catch (const ConvergenceFailure& failure) {
    const Napi::Error error = Napi::Error::New(env, failure.what());
    error.Value().Set("code", Napi::String::New(env, "ERR_CONVERGENCE"));
    deferred.Reject(error.Value());
  } catch (const std::system_error& error) {
    deferred.Reject(nativeError(env, std::string("no thread could be started: ") + error.what()));
  } catch (const std::exception& error) {
    deferred.Reject(nativeError(env, error.what()));
  }
}

Napi::Value Environment::float64Array(Napi::Env env, const double* data, size_t length) const {
  return newArray<Napi::Float64Array>(env, float64ArrayConstructor_, data, length);
}

Napi::Value Environment::uint32Array(Napi::Env env, const uint32_t* data, size_t length) const {
  return newArray<Napi::Uint32Array>(env, uint32ArrayConstructor_, data, length);
}

Napi::Value Environment::uint8Array(Napi::Env env, const uint8_t* data, size_t length) const {
  return newArray<Napi::Uint8Array>(env, uint8ArrayConstructor_, data, length);
}

int64_t Environment::hold(Napi::Env env, std::vector<double> numbers) {
  const auto bytes = static_cast<int64_t>(numbers.size() * sizeof(double));
  held_.emplace(++lastHeld_, std::make_shared<const std::vector<double>>(std::move(numbers)));
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  return lastHeld_;
}

std::shared_ptr<const std::vector<double>> Environment::held(int64_t name) const {
  const auto entry = held_.find(name);
  return entry == held_.end() ? nullptr : entry->second;
}

void Environment::drop(Napi::Env env, int64_t name) {
  const auto entry = held_.find(name);
  if (entry == held_.end()) return;
  Napi::MemoryManagement::AdjustExternalMemory(env,
                                               -static_cast<int64_t>(entry->second->size() * sizeof(double)));
  held_.erase(entry);
}

Napi::Float64Array Environment::takeOver(Napi::Env env, Napi::Float64Array array) const {
  Napi::Array transfer = Napi::Array::New(env, 1);
  transfer.Set(uint32_t{0}, array.ArrayBuffer());
  Napi::Object options = Napi::Object::New(env);
  options.Set("transfer", transfer);
  return structuredClone_.Call({array, options}).As<Napi::Float64Array>();
}

}  // namespace prompt_attention
