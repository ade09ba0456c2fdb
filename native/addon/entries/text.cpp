// Vectors of words.
#include <algorithm>

#include "addon/entries/entry_points.h"
#include "addon/reading/unpack.h"
#include "addon/runtime/allocating.h"
#include "addon/runtime/crew.h"
#include "addon/runtime/environment.h"
#include "core/text/word_vectors.h"

namespace prompt_attention {

namespace {

class WordVectorsJob final : public PromiseJob {
 public:
  WordVectorsJob(WordSequence texts, const WordVectorOptions& options, int threads)
      : texts_(std::move(texts)), options_(options) {
    partThreads = threads;
  }
  void run(uint64_t, Workspace&) override {
    Crew crew(pool(), partThreads);
    result_ = prompt_attention::learnWordVectors(texts_, options_, crew, cancelled);
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object result = Napi::Object::New(env);
    result.Set("vectors", environment.float64Array(env, result_.vectors.data(), result_.vectors.size()));
    result.Set("singularValues", environment.float64Array(env, result_.values.data(), result_.values.size()));
    result.Set("entries", static_cast<double>(result_.entries));
    return result;
  }

 private:
  const WordSequence texts_;
  const WordVectorOptions options_;
  WordVectors result_;
};

}  // namespace

Napi::Value learnWordVectors(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  WordSequence texts;
  texts.vocabulary = static_cast<int>(request.integer("vocabulary", 1, kMaximumCount - 1));
  WordVectorOptions options{};
  options.dimension = static_cast<int>(request.integer("dimension", 1, std::min(texts.vocabulary, 1 << 15)));
  options.window = static_cast<int>(request.integer("window", 1, 1 << 15));
  options.shift = request.numberIn("shift", 1e-300, 1e300);
  options.smoothing = request.numberIn("smoothing", 0.0, 1.0);
  options.power = request.numberIn("power", 0.0, 1.0);
  options.key = readKey(request);
  const int threads = static_cast<int>(request.integer("threads", 1, kMaximumThreads));
  checkedProduct(env, checkedProduct(env, texts.vocabulary, options.dimension), sizeof(double));
  texts.words = request.uint32Array("words", Request::kAnyLength);
  if (texts.words.size() > UINT32_MAX) request.failRange("words", "of fewer than 2^32 entries");
  for (const uint32_t word : texts.words)
    if (word > static_cast<uint32_t>(texts.vocabulary) + 1)
      request.failRange("words", "numbers of at most vocabulary + 1");
  auto job = allocating(env, texts.words.size() * sizeof(uint32_t),
                        [&] { return std::make_shared<WordVectorsJob>(std::move(texts), options, threads); });
  return Environment::of(env).start(env, job);
}

}  // namespace prompt_attention
