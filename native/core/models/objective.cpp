#include "core/models/objective.h"

#include <algorithm>

namespace prompt_attention {

namespace {

constexpr size_t kMaximumParts = 64;
constexpr size_t kLeastPartNumbers = size_t{1} << 16;  // tokens of a part that are worth a thread
constexpr size_t kNumbersPerGradientNumber = 16;       // gradients are at most this share of the tokens

}  // namespace

int partCount(const Model& model, int count) {
  const size_t numbers = static_cast<size_t>(count) * model.tokens * model.dimension;
  const size_t least = std::max(kLeastPartNumbers, kNumbersPerGradientNumber * model.parameters());
  const size_t most = std::min<size_t>(kMaximumParts, count);
  return static_cast<int>(std::clamp<size_t>(numbers / least, 1, most));
}

void SerialRunner::run(int parts, const Part& part) {
  for (int i = 0; i < parts; ++i) part(i, 0);
}

Objective::Objective(const Model& model, LossKind loss, const Examples& examples)
    : model_(model), loss_(loss), examples_(examples) {}

void Objective::begin(const double* theta, const int* indices, int count, bool wantsGradient) {
  theta_ = theta;
  indices_ = indices;
  count_ = count;
  wantsGradient_ = wantsGradient;
  parts_ = partCount(model_, count);
  sums_.assign(parts_, LossSums{});
  if (wantsGradient) gradients_.assign(parts_ * model_.parameters(), 0.0);
}

ExampleBlock Objective::blockOf(int first, int count, ModelWorkspace& workspace) const {
  const size_t T = model_.tokens;
  const size_t example = T * model_.dimension;
  const uint8_t* relevance = examples_.relevance;
  if (indices_ == nullptr)
    return {count, examples_.X + first * example, examples_.y + first,
            relevance == nullptr ? nullptr : relevance + first * T};
  workspace.gathered.resize(count * example);
  workspace.gatheredLabels.resize(count);
  if (relevance != nullptr) workspace.gatheredRelevance.resize(count * T);
  for (int i = 0; i < count; ++i) {
    const size_t from = indices_[first + i];
    std::copy_n(examples_.X + from * example, example, workspace.gathered.data() + i * example);
    workspace.gatheredLabels[i] = examples_.y[from];
    if (relevance != nullptr)
      std::copy_n(relevance + from * T, T, workspace.gatheredRelevance.data() + i * T);
  }
  return {count, workspace.gathered.data(), workspace.gatheredLabels.data(),
          relevance == nullptr ? nullptr : workspace.gatheredRelevance.data()};
}

void Objective::runPart(int part, ModelWorkspace& workspace, const std::atomic<bool>& cancelled) {
  const int first = static_cast<int>(static_cast<int64_t>(count_) * part / parts_);
  const int end = static_cast<int>(static_cast<int64_t>(count_) * (part + 1) / parts_);
  double* gradient = wantsGradient_ ? gradients_.data() + part * model_.parameters() : nullptr;
  const int size = examplesPerBlock(model_);
  for (int i = first, count; i < end && !cancelled; i += count) {
    count = std::min(size, end - i);
    addBlockLoss(model_, loss_, theta_, blockOf(i, count, workspace), 1.0 / count_, sums_[part], gradient,
                 workspace);
  }
}

Evaluation Objective::finish(double* gradient) {
  LossSums total;
  for (const LossSums& sums : sums_) {
    total.loss += sums.loss;
    total.errors += sums.errors;
    total.relevant += sums.relevant;
  }
  if (wantsGradient_) {
    const size_t size = model_.parameters();
    std::copy_n(gradients_.data(), size, gradient);
    for (int part = 1; part < parts_; ++part)
      for (size_t j = 0; j < size; ++j) gradient[j] += gradients_[part * size + j];
  }
  return {total.loss / count_, total.errors / count_, total.relevant / count_};
}

}  // namespace prompt_attention
