// Registration only.
#include <napi.h>

#include "addon/entries/entry_points.h"
#include "addon/reading/unpack.h"
#include "addon/runtime/allocating.h"
#include "addon/runtime/blas_core.h"
#include "addon/runtime/environment.h"
#include "core/base/blas.h"

namespace {

using EntryPoint = Napi::Value (*)(const Napi::CallbackInfo&);

// Memory that is wanting is a RangeError wherever it was asked for.
template <EntryPoint function>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  return prompt_attention::allocating(info.Env(), "the call needs more than the process can get",
                                      [&] { return function(info); });
}

template <EntryPoint function>
void add(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(exports.Env(), guarded<function>, name));
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  using namespace prompt_attention;
  chooseBlasCore();
  useSingleThread();
  env.SetInstanceData(new Environment(env));
  add<engineInfo>(exports, "engineInfo");
  add<describe>(exports, "describe");
  add<forceTarget>(exports, "forceSimdTarget");
  add<measureLimit>(exports, "measureLimit");
  add<philox4x32Block>(exports, "philox4x32");
  add<randomNumbers>(exports, "randomNumbers");
  add<sampleExamples>(exports, "sampleExamples");
  add<trialFeatures>(exports, "trialFeatures");
  add<simulateKnownPrompt>(exports, "simulateKnownPrompt");
  add<simulateThreeStep>(exports, "simulateThreeStep");
  add<threeStepDescent>(exports, "threeStepDescent");
  add<threeStepRisk>(exports, "threeStepRisk");
  add<populationGradient>(exports, "populationGradient");
  add<testError>(exports, "testError");
  add<knownPromptRiskCurve>(exports, "knownPromptRisk");
  add<proximalOperator>(exports, "proximalOperator");
  add<longContextRiskPoint>(exports, "longContextRisk");
  add<firstNonFinite>(exports, "firstNonFinite");
  add<holdTokens>(exports, "holdTokens");
  add<dropTokens>(exports, "dropTokens");
  add<modelScores>(exports, "modelScores");
  add<modelAttention>(exports, "modelAttention");
  add<modelGradient>(exports, "modelGradient");
  add<fitModel>(exports, "fitModel");
  add<fitGivenHead>(exports, "fitGivenHead");
  add<simulateDescent>(exports, "simulateDescent");
  add<descentRisk>(exports, "descentRisk");
  add<imageTokens>(exports, "imageTokens");
  add<principalComponentsOfRows>(exports, "principalComponents");
  add<learnWordVectors>(exports, "learnWordVectors");
  return exports;
}

}  // namespace

NODE_API_MODULE(prompt_attention, initialise)
