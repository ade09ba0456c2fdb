// Reads models and their examples from requests.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "addon/reading/unpack.h"
#include "core/models/models.h"
#include "core/models/objective.h"
#include "core/models/optimizer.h"

namespace prompt_attention {

// The examples of a call: tokens either copied or, in `taken`, taken over from the caller, or held by the
// environment.
struct ModelExamples {
  int count = 0;                                               // n
  std::vector<size_t> first;                                   // [n+1] of Examples, or empty
  std::vector<double> tokens;                                  // [rows×d], or empty
  std::shared_ptr<const std::vector<double>> held;             // [rows×d], or null
  std::unique_ptr<Napi::Reference<Napi::Float64Array>> taken;  // [rows×d], or null
  const double* takenData = nullptr;                           // its memory
  std::vector<double> labels;                                  // [n]; empty if the call needs none
  std::vector<uint8_t> relevance;                              // [rows] or empty
  Examples view() const;
};

// The field `model`.
Model readModel(const Request& request);

// The field `loss`, one that the model's outputs allow.
LossKind readLoss(const Request& request, const Model& model);

// The field `name`: { examples, tokens or held, lengths?, labels?, relevance? }. Labels are read and checked
// if the call has a loss, that is `loss` is not null.
ModelExamples readExamples(const Request& request, const char* name, const Model& model,
                           const LossKind* loss);

// The same for training examples whose tokens are taken over: the caller's array is detached.
ModelExamples takeExamples(const Request& request, const char* name, const Model& model, LossKind loss);

// The field `optimizer`: { kind, momentum, beta1, beta2, epsilon }.
OptimizerOptions readOptimizer(const Request& request);

}  // namespace prompt_attention
