#include "addon/reading/model_request.h"

#include <string>

#include "addon/runtime/allocating.h"
#include "addon/runtime/environment.h"

namespace prompt_attention {

Examples ModelExamples::view() const {
  const double* X = held != nullptr ? held->data() : taken != nullptr ? takenData : tokens.data();
  return {count, X, labels.data(), relevance.empty() ? nullptr : relevance.data(),
          first.empty() ? nullptr : first.data()};
}

Model readModel(const Request& request) {
  const Request fields = request.object("model");
  Model model{};
  model.kind = fields.oneOf("kind", kModels);
  model.tokens = static_cast<int>(fields.integer("tokens", 1, kMaximumCount));
  model.dimension = static_cast<int>(fields.integer("dimension", 1, kMaximumCount));
  model.outputs = 1;
  if (model.traits().isMatrix) {
    model.prompts = static_cast<int>(fields.integer("prompts", 0, kMaximumCount - model.tokens));
    model.outputs = static_cast<int>(fields.integer("outputs", 1, kMaximumCount));
    model.pooledHead = fields.boolean("pooledHead");
    model.trainsWeights = fields.boolean("trainsWeights");
    model.trainsAttention = fields.boolean("trainsAttention") || model.trainsWeights;
  }
  // The sizes of the parameters and of one example's attention, and BLAS's int for the length of U.
  const Napi::Env env = fields.env();
  const size_t rows = checkedProduct(env, model.queries(), model.dimension);
  if (rows > static_cast<size_t>(kMaximumCount))
    fields.failRange("dimension", "such that (m_p + T)·d < 2^31");
  checkedProduct(env, checkedProduct(env, rows, model.outputs), sizeof(double));
  return model;
}

LossKind readLoss(const Request& request, const Model& model) {
  const LossKind loss = request.oneOf("loss", kLosses);
  if (loss == LossKind::kCrossEntropy && model.outputs < 2)
    request.failRange("loss", "'square' or 'logistic' for one output");
  if (loss != LossKind::kCrossEntropy && model.outputs > 1)
    request.failRange("loss", "'cross-entropy' for several outputs");
  return loss;
}

namespace {

// Number of tokens of all examples, a RangeError if their bytes do not fit the address space.
size_t tokenCount(Napi::Env env, const Model& model, const ModelExamples& examples) {
  return examples.first.empty() ? checkedProduct(env, examples.count, model.tokens) : examples.first.back();
}

// Number of their entries, the same.
size_t tokenEntries(Napi::Env env, const Model& model, const ModelExamples& examples) {
  const size_t entries = checkedProduct(env, tokenCount(env, model, examples), model.dimension);
  checkedProduct(env, entries, sizeof(double));
  return entries;
}

// All but the tokens.
ModelExamples readLabels(const Request& fields, const Model& model, const LossKind* loss) {
  ModelExamples examples;
  examples.count = static_cast<int>(fields.integer("examples", 1, kMaximumCount));
  if (fields.has("lengths")) {
    examples.first.assign(1, 0);
    for (const uint32_t length : fields.uint32Array("lengths", examples.count)) {
      if (length < 1 || length > static_cast<uint32_t>(model.tokens))
        fields.failRange("lengths", "integers in [1, " + std::to_string(model.tokens) + "]");
      examples.first.push_back(examples.first.back() + length);
    }
  }
  tokenEntries(fields.env(), model, examples);
  if (loss != nullptr) {
    examples.labels = fields.float64Array("labels", examples.count);
    for (const double y : examples.labels) {
      if (*loss == LossKind::kCrossEntropy ? !(y >= 0.0 && y < model.outputs && y == static_cast<int>(y))
                                           : !(y == 1.0 || y == -1.0))
        fields.failRange("labels", *loss == LossKind::kCrossEntropy
                                       ? "integers in [0, " + std::to_string(model.outputs) + ")"
                                       : std::string("-1 or 1"));
    }
  }
  if (fields.has("relevance"))
    examples.relevance = fields.uint8Array("relevance", tokenCount(fields.env(), model, examples));
  return examples;
}

}  // namespace

ModelExamples readExamples(const Request& request, const char* name, const Model& model,
                           const LossKind* loss) {
  const Request fields = request.object(name);
  ModelExamples examples = readLabels(fields, model, loss);
  const size_t entries = tokenEntries(fields.env(), model, examples);
  if (fields.has("held")) {
    examples.held = Environment::of(fields.env()).held(fields.integer("held", 1, kMaximumInteger));
    if (examples.held == nullptr || examples.held->size() != entries)
      fields.failRange("held", "the name of " + std::to_string(entries) + " numbers held");
    return examples;
  }
  allocating(fields.env(), entries * sizeof(double), [&] {
    examples.tokens = fields.float64Array("tokens", entries);
    return 0;
  });
  return examples;
}

ModelExamples takeExamples(const Request& request, const char* name, const Model& model, LossKind loss) {
  const Request fields = request.object(name);
  const Napi::Env env = fields.env();
  ModelExamples examples = readLabels(fields, model, &loss);
  const Napi::Float64Array tokens = fields.float64ArrayInPlace("tokens", tokenEntries(env, model, examples));
  const Napi::Float64Array taken = Environment::of(env).takeOver(env, tokens);
  examples.takenData = taken.Data();
  examples.taken = std::make_unique<Napi::Reference<Napi::Float64Array>>(Napi::Persistent(taken));
  return examples;
}

OptimizerOptions readOptimizer(const Request& request) {
  const Request fields = request.object("optimizer");
  OptimizerOptions options{};
  options.kind = fields.oneOf("kind", kOptimizers);
  options.momentum = fields.number("momentum");
  options.beta1 = fields.number("beta1");
  options.beta2 = fields.number("beta2");
  options.epsilon = fields.number("epsilon");
  return options;
}

}  // namespace prompt_attention
