// Engine description and random numbers.
#include "addon/entries/entry_points.h"
#include "addon/reading/unpack.h"
#include "addon/runtime/environment.h"
#include "core/base/blas.h"
#include "core/heads/head_kind.h"
#include "core/machine/limits.h"
#include "core/models/fit.h"
#include "core/random/random.h"
#include "core/trials/known_prompt.h"
#include "core/trials/three_step.h"

namespace prompt_attention {

namespace {

const char* cpuSimd() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw")) return "avx512";
  if (__builtin_cpu_supports("avx2")) return "avx2";
  return "baseline";
#elif defined(__aarch64__)
  return "neon";
#else
  return "baseline";
#endif
}

std::vector<double> singleNormals(const Stream& stream, uint64_t first, size_t count) {
  std::vector<float> numbers(count);
  stream.normals(first, count, numbers.data());
  return {numbers.begin(), numbers.end()};
}

}  // namespace

Napi::Value engineInfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
#if defined(__clang__)
  result.Set("compiler", "clang " __clang_version__);
#else
  result.Set("compiler", "gcc " __VERSION__);
#endif
  result.Set("simdTarget", simdTarget());
  result.Set("blasConfig", blasConfig());
  result.Set("blasCore", blasCore());
  result.Set("cpuSimd", cpuSimd());
  return result;
}

// The lists that TypeScript's own are compared with.
Napi::Value describe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array heads = Napi::Array::New(env);
  for (const HeadTraits& head : kHeads) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", head.name);
    switch (head.ridge) {
      case RidgeRule::kNone:
        entry.Set("ridge", "none");
        break;
      case RidgeRule::kNonNegative:
        entry.Set("ridge", "non-negative");
        break;
      case RidgeRule::kPositive:
        entry.Set("ridge", "positive");
        break;
    }
    heads.Set(heads.Length(), entry);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("heads", heads);
  const auto add = [&](const char* name, const auto& list) {
    Napi::Array names = Napi::Array::New(env);
    for (const auto& each : list) names.Set(names.Length(), each.name);
    result.Set(name, names);
  };
  add("noises", kNoises);
  add("models", kModels);
  add("losses", kLosses);
  add("optimizers", kOptimizers);
  add("schedules", kSchedules);
  add("threeStepHeads", kThreeStepHeads);
  add("methods", kMethods);
  add("solvers", kSolvers);
  add("limits", kLimits);
  add("trialStatuses", kTrialStatuses);
  add("headSolvers", kHeadSolvers);
  add("fallbacks", kFallbacks);
  add("fitStops", kFitStops);
  return result;
}

Napi::Value forceTarget(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  if (!forceSimdTarget(request.text("target")))
    request.failRange("target", "the name of a SIMD target that this processor and this build have");
  return info.Env().Undefined();
}

Napi::Value philox4x32Block(const Napi::CallbackInfo& info) {
  const std::vector<uint32_t> counter = copyUint32Array(info[0], "counter", 4);
  const std::vector<uint32_t> key = copyUint32Array(info[1], "key", 2);
  uint32_t out[4];
  philox4x32(counter.data(), key.data(), out);
  return Environment::of(info.Env()).uint32Array(info.Env(), out, 4);
}

Napi::Value randomNumbers(const Napi::CallbackInfo& info) {
  const Request request(info[0]);
  const std::string kind = request.text("kind");
  const Stream stream(readKey(request), static_cast<uint32_t>(request.integer("purpose", 0, 255)),
                      request.integer("trial", 0, kMaximumInteger));
  const uint64_t first = request.integer("first", 0, kMaximumInteger);
  const size_t count = request.integer("count", 0, kMaximumCount);
  std::vector<double> numbers(count);
  if (kind == "normal")
    stream.normals(first, count, numbers.data());
  else if (kind == "single-normal")
    numbers = singleNormals(stream, first, count);
  else if (kind == "uniform")
    stream.uniforms(first, count, numbers.data());
  else if (kind == "sign")
    stream.signs(first, count, numbers.data());
  else
    request.failRange("kind", "'normal', 'single-normal', 'uniform' or 'sign'");
  return Environment::of(info.Env()).float64Array(info.Env(), numbers.data(), count);
}

}  // namespace prompt_attention
