// How fast the machine does what the engine's time is made of.
#include "core/machine/limits.h"

#include <chrono>
#include <limits>

#include "addon/entries/entry_points.h"
#include "addon/reading/unpack.h"
#include "addon/runtime/environment.h"

namespace prompt_attention {

namespace {

double secondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Every unit repeats passes on its own data until the time is over; the units run side by side.
class LimitJob final : public PromiseJob {
 public:
  LimitJob(const LimitSpec& spec, double seconds, int threads)
      : spec_(spec), seconds_(seconds), fastest_(threads), mean_(threads) {
    units = threads;
    maximumThreads = threads;
  }
  void run(uint64_t unit, Workspace&) override {
    LimitProbe probe(spec_);
    probe.pass();
    double least = std::numeric_limits<double>::infinity();
    double passes = 0.0;
    const auto begin = std::chrono::steady_clock::now();
    do {
      const auto start = std::chrono::steady_clock::now();
      probe.pass();
      least = std::min(least, secondsSince(start));
      ++passes;
    } while (!cancelled && secondsSince(begin) < seconds_);
    fastest_[unit] = probe.work() / least;
    mean_[unit] = probe.work() * passes / secondsSince(begin);
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object result = Napi::Object::New(env);
    result.Set("fastest", environment.float64Array(env, fastest_.data(), fastest_.size()));
    result.Set("mean", environment.float64Array(env, mean_.data(), mean_.size()));
    return result;
  }

 private:
  const LimitSpec spec_;
  const double seconds_;
  std::vector<double> fastest_;  // [threads], work per second in the fastest pass
  std::vector<double> mean_;     // [threads], work per second in all passes
};

}  // namespace

Napi::Value measureLimit(const Napi::CallbackInfo& info) {
  constexpr int64_t kMaximumRows = 1 << 26;
  constexpr int64_t kMaximumColumns = 1 << 13;
  constexpr int64_t kMaximumMilliseconds = 60'000;
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  LimitSpec spec{};
  spec.kind = request.oneOf("kind", kLimits);
  spec.rows = static_cast<int>(request.integer("rows", 1, kMaximumRows));
  spec.columns = static_cast<int>(request.integer("columns", 1, kMaximumColumns));
  const int64_t milliseconds = request.integer("milliseconds", 1, kMaximumMilliseconds);
  const int threads = static_cast<int>(request.integer("threads", 1, kMaximumThreads));
  return Environment::of(env).start(
      env, std::make_shared<LimitJob>(spec, 1e-3 * static_cast<double>(milliseconds), threads));
}

}  // namespace prompt_attention
