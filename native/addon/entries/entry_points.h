// The functions the addon exports; lib/base/native.ts holds their typed contract. Each unpacks its request,
// calls the core and packs the result.
#pragma once

#include <napi.h>

namespace prompt_attention {

Napi::Value engineInfo(const Napi::CallbackInfo& info);
Napi::Value describe(const Napi::CallbackInfo& info);
Napi::Value forceTarget(const Napi::CallbackInfo& info);
Napi::Value measureLimit(const Napi::CallbackInfo& info);
Napi::Value philox4x32Block(const Napi::CallbackInfo& info);
Napi::Value randomNumbers(const Napi::CallbackInfo& info);
Napi::Value sampleExamples(const Napi::CallbackInfo& info);
Napi::Value trialFeatures(const Napi::CallbackInfo& info);
Napi::Value simulateKnownPrompt(const Napi::CallbackInfo& info);
Napi::Value simulateThreeStep(const Napi::CallbackInfo& info);
Napi::Value threeStepDescent(const Napi::CallbackInfo& info);
Napi::Value threeStepRisk(const Napi::CallbackInfo& info);
Napi::Value populationGradient(const Napi::CallbackInfo& info);
Napi::Value testError(const Napi::CallbackInfo& info);
Napi::Value knownPromptRiskCurve(const Napi::CallbackInfo& info);
Napi::Value proximalOperator(const Napi::CallbackInfo& info);
Napi::Value longContextRiskPoint(const Napi::CallbackInfo& info);
Napi::Value firstNonFinite(const Napi::CallbackInfo& info);
Napi::Value holdTokens(const Napi::CallbackInfo& info);
Napi::Value dropTokens(const Napi::CallbackInfo& info);
Napi::Value modelScores(const Napi::CallbackInfo& info);
Napi::Value modelAttention(const Napi::CallbackInfo& info);
Napi::Value modelGradient(const Napi::CallbackInfo& info);
Napi::Value simulateDescent(const Napi::CallbackInfo& info);
Napi::Value descentRisk(const Napi::CallbackInfo& info);
Napi::Value fitModel(const Napi::CallbackInfo& info);
Napi::Value fitGivenHead(const Napi::CallbackInfo& info);
Napi::Value imageTokens(const Napi::CallbackInfo& info);
Napi::Value principalComponentsOfRows(const Napi::CallbackInfo& info);
Napi::Value learnWordVectors(const Napi::CallbackInfo& info);

}  // namespace prompt_attention
