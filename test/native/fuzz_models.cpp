// Models, training and heads on arrays of any numbers: softmax weights of finite scores are a distribution,
// losses and errors have their ranges, what is said to be fitted is finite.
#include <algorithm>
#include <numeric>

#include "core/heads/hinge_head.h"
#include "core/heads/linear_heads.h"
#include "core/models/fit.h"
#include "core/models/models.h"
#include "native/input.h"

using namespace prompt_attention;

namespace {

const std::atomic<bool> kNever{false};

Model readModel(Input& input) {
  Model model{};
  model.kind = input.oneOf({ModelKind::kPromptAttention, ModelKind::kLinearAttention, ModelKind::kMeanPooling,
                            ModelKind::kMatrixAttention});
  model.tokens = input.integer(1, 20);
  model.dimension = input.integer(1, 9);
  model.outputs = 1;
  if (model.kind != ModelKind::kMatrixAttention) return model;
  model.prompts = input.integer(0, 3);
  model.outputs = input.integer(1, 3);
  model.pooledHead = input.boolean();
  model.trainsWeights = input.boolean();
  model.trainsAttention = model.trainsWeights || input.boolean();
  return model;
}

std::vector<double> readLabels(Input& input, int count, int outputs) {
  std::vector<double> y(count);
  for (double& label : y) label = outputs > 1 ? input.integer(0, outputs - 1) : input.boolean() ? 1.0 : -1.0;
  return y;
}

LossKind readLoss(Input& input, const Model& model) {
  return model.outputs > 1 ? LossKind::kCrossEntropy : input.oneOf({LossKind::kSquare, LossKind::kLogistic});
}

// Where the tokens of examples of any length begin: [n+1].
std::vector<size_t> readFirst(Input& input, const Model& model, int n) {
  std::vector<size_t> first(1, 0);
  for (int i = 0; i < n; ++i) first.push_back(first.back() + input.integer(1, model.tokens));
  return first;
}

void evaluate(Input& input) {
  static ModelWorkspace workspace;
  const Model model = readModel(input);
  const int n = input.integer(1, 5);
  const std::vector<size_t> first = readFirst(input, model, n);
  std::vector<double> X(first.back() * model.dimension);
  for (double& x : X) x = input.anyNumber();
  std::vector<double> theta(model.parameters());
  for (double& x : theta) x = input.anyNumber();
  const std::vector<double> y = readLabels(input, n, model.outputs);
  const ExampleBlock block{n, X.data(), y.data(), nullptr, first.data()};
  std::vector<double> scores(static_cast<size_t>(n) * model.outputs);
  blockScores(model, theta.data(), block, scores.data(), workspace);
  size_t weightCount = 0;
  for (int i = 0; i < n; ++i) weightCount += model.attentionSize(block.length(model, i));
  std::vector<double> weights(weightCount);
  blockAttention(model, theta.data(), block, weights.data(), workspace);
  if (model.kind == ModelKind::kPromptAttention || model.kind == ModelKind::kMatrixAttention) {
    auto row = weights.begin();
    for (int i = 0; i < n; ++i) {
      const int length = block.length(model, i);
      for (size_t rows = model.attentionSize(length) / length; rows > 0; --rows, row += length) {
        const double total = std::accumulate(row, row + length, 0.0);
        EXPECT(std::isnan(total) || std::abs(total - 1.0) < 1e-9);
        EXPECT(std::all_of(row, row + length, [](double w) { return std::isnan(w) || isShare(w); }));
      }
    }
  }
  LossSums sums;
  std::vector<double> gradient(model.parameters());
  addBlockLoss(model, readLoss(input, model), theta.data(), block, 1.0 / n, sums, gradient.data(), workspace);
  EXPECT(sums.errors >= 0.0 && sums.errors <= n);
}

void train(Input& input) {
  const Model model = readModel(input);
  const int n = input.integer(1, 6);
  const bool ragged = input.boolean();
  const std::vector<size_t> first = readFirst(input, model, n);
  const size_t rows = ragged ? first.back() : static_cast<size_t>(n) * model.tokens;
  const std::vector<double> X = input.numbers(rows * model.dimension);
  const std::vector<double> y = readLabels(input, n, model.outputs);
  std::vector<uint8_t> relevance(rows);
  for (uint8_t& mark : relevance) mark = input.boolean();
  const Examples examples{n, X.data(), y.data(), relevance.data(), ragged ? first.data() : nullptr};
  FitOptions options{};
  options.loss = readLoss(input, model);
  options.optimizer = {input.oneOf(kOptimizers), 0.9, 0.9, 0.99, 1e-8};
  for (double& rate : options.learningRates) rate = input.positive();
  options.schedule = {input.oneOf({ScheduleKind::kConstant, ScheduleKind::kCosine, ScheduleKind::kStep}),
                      input.integer(0, 3), input.share(), input.integer(1, 3), input.share()};
  options.steps = input.integer(1, 6);
  options.batchSize = input.integer(1, 8);
  options.recordEvery = input.integer(1, 4);
  options.patience = input.integer(0, 2);
  options.key = input.key();
  Fit fit(model, options, examples, options.patience > 0 || input.boolean() ? examples : Examples{},
          input.numbers(model.parameters()));
  SerialRunner runner;
  for (int step = 0; step <= options.steps; ++step) fit.step(step, runner, kNever);
  EXPECT(fit.theta().size() == model.parameters());
  EXPECT(fit.stepsTaken() <= options.steps);
  for (const FitRecord& record : fit.records()) EXPECT(isShare(record.training.error));
}

void fitHeads(Input& input) {
  const int n = input.integer(1, 30);
  const int d = input.integer(1, 10);
  const bool finite = input.boolean();
  std::vector<double> V(static_cast<size_t>(n) * d);
  for (double& v : V) v = finite ? input.number() : input.anyNumber();
  const std::vector<double> y = readLabels(input, n, 1);
  const double ridge = input.positive();
  std::vector<double> w(d);
  const bool logistic = input.boolean();
  const HeadFeatures features{V.data(), y.data(), n, d, input.boolean() ? 1 : 0};
  const LinearHeadResult result =
      logistic ? fitLogisticHead(features, ridge, w.data(), kNever)
               : fitHingeHead(features, nullptr, ridge > 0.0 ? ridge : 1.0, w.data(), kNever);
  if (result.status == LinearHeadStatus::kOk)
    EXPECT(std::all_of(w.begin(), w.end(), [](double x) { return std::isfinite(x); }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  input.oneOf({evaluate, train, fitHeads})(input);
  return 0;
}
