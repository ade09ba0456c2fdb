// Registration only.
#include <napi.h>

#include "addon/blas_core.h"
#include "addon/entry_points.h"
#include "addon/environment.h"
#include "core/blas.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  using namespace prompt_attention;
  chooseBlasCore();
  useSingleThread();
  env.SetInstanceData(new Environment(env));
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("engineInfo", engineInfo);
  add("measureLimit", measureLimit);
  add("philox4x32", philox4x32Block);
  add("randomNumbers", randomNumbers);
  add("sampleExamples", sampleExamples);
  add("simulateKnownPrompt", simulateKnownPrompt);
  add("simulateThreeStep", simulateThreeStep);
  add("threeStepDescent", threeStepDescent);
  add("threeStepRisk", threeStepRisk);
  add("populationGradient", populationGradient);
  add("testError", testError);
  add("knownPromptRisk", knownPromptRiskCurve);
  add("proximalOperator", proximalOperator);
  add("longContextRisk", longContextRiskPoint);
  add("firstNonFinite", firstNonFinite);
  add("holdTokens", holdTokens);
  add("dropTokens", dropTokens);
  add("modelScores", modelScores);
  add("modelAttention", modelAttention);
  add("modelGradient", modelGradient);
  add("fitModel", fitModel);
  add("fitGivenHead", fitGivenHead);
  add("simulateDescent", simulateDescent);
  return exports;
}

}  // namespace

NODE_API_MODULE(prompt_attention, initialise)
