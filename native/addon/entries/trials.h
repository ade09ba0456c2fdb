// A job of trials of any experiment kind: one unit per trial, metrics gathered by name.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "addon/reading/unpack.h"
#include "addon/runtime/allocating.h"
#include "addon/runtime/environment.h"
#include "addon/runtime/result_array.h"
#include "core/base/trial.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

// A metric: its name in JavaScript and where it is found in the struct that a trial fills.
template <class Metrics>
struct MetricField {
  const char* name;
  double Metrics::*value;
};

// How well the test error of every trial is known.
class AccuracyArrays {
 public:
  static constexpr size_t kBytes = 2 * sizeof(double) + 1;  // of a trial
  explicit AccuracyArrays(size_t trials)
      : standardError_(trials), effectiveDraws_(trials), reliable_(trials), trials_(trials) {}
  void set(size_t trial, const TestAccuracy& accuracy) {
    standardError_[trial] = accuracy.standardError;
    effectiveDraws_[trial] = accuracy.effectiveDraws;
    reliable_[trial] = accuracy.reliable > 0.0 ? 1 : 0;
  }
  Napi::Object packed(Napi::Env env) const {
    const Environment& environment = Environment::of(env);
    Napi::Object object = Napi::Object::New(env);
    object.Set("standardError", environment.float64Array(env, standardError_.data(), trials_));
    object.Set("effectiveDraws", environment.float64Array(env, effectiveDraws_.data(), trials_));
    object.Set("reliable", environment.uint8Array(env, reliable_.data(), trials_));
    return object;
  }

 private:
  ResultArray<double> standardError_;
  ResultArray<double> effectiveDraws_;
  ResultArray<uint8_t> reliable_;
  const size_t trials_;
};

template <class Metrics>
class TrialsJob final : public PromiseJob {
 public:
  using RunTrial = std::function<TrialStatus(uint64_t trial, const std::atomic<bool>& cancelled,
                                             Workspace& workspace, Metrics& metrics)>;
  TrialsJob(std::span<const MetricField<Metrics>> fields, RunTrial runTrial, uint64_t firstTrial,
            size_t trials)
      : fields_(fields),
        runTrial_(std::move(runTrial)),
        firstTrial_(firstTrial),
        metrics_(fields.size() * trials),
        accuracy_(trials),
        status_(trials) {
    units = trials;
  }
  void run(uint64_t unit, Workspace& workspace) override {
    Metrics metrics;
    status_[unit] = static_cast<uint8_t>(runTrial_(firstTrial_ + unit, cancelled, workspace, metrics));
    for (size_t i = 0; i < fields_.size(); ++i) metrics_[i * units + unit] = metrics.*fields_[i].value;
    accuracy_.set(unit, metrics.test);
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object metrics = Napi::Object::New(env);
    for (size_t i = 0; i < fields_.size(); ++i)
      metrics.Set(fields_[i].name, environment.float64Array(env, metrics_.data() + i * units, units));
    Napi::Object result = Napi::Object::New(env);
    result.Set("metrics", metrics);
    result.Set("testError", accuracy_.packed(env));
    result.Set("status", environment.uint8Array(env, status_.data(), units));
    return result;
  }

 private:
  const std::span<const MetricField<Metrics>> fields_;
  const RunTrial runTrial_;
  const uint64_t firstTrial_;
  ResultArray<double> metrics_;  // [fields×trials]
  AccuracyArrays accuracy_;
  ResultArray<uint8_t> status_;  // [trials]
};

// Starts the trials that the request's fields firstTrial, trials and threads ask for, on no more threads than
// have `trialBytes` each of its memory.
template <class Metrics>
Napi::Value startTrials(Napi::Env env, const Request& request, std::span<const MetricField<Metrics>> fields,
                        typename TrialsJob<Metrics>::RunTrial runTrial, double trialBytes) {
  const uint64_t firstTrial = request.integer("firstTrial", 0, kMaximumInteger);
  const size_t trials = request.integer("trials", 1, kMaximumCount);
  const int threads = threadsThatFit(request, trialBytes, trials);
  auto job = allocating(env, (fields.size() * sizeof(double) + AccuracyArrays::kBytes + 1) * trials, [&] {
    return std::make_shared<TrialsJob<Metrics>>(fields, std::move(runTrial), firstTrial, trials);
  });
  job->maximumThreads = threads;
  return Environment::of(env).start(env, job);
}

}  // namespace prompt_attention
