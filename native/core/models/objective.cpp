#include "core/models/objective.h"

#include <algorithm>

namespace prompt_attention {

namespace {

constexpr size_t kMaximumParts = 64;
constexpr size_t kLeastPartNumbers = size_t{1} << 16;  // tokens of a part that are worth a thread
constexpr size_t kNumbersPerGradientNumber = 16;       // gradients are at most this share of the tokens

}  // namespace

int partCount(const Model& model, int count, size_t rows) {
  const size_t numbers = rows * model.dimension;
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
  size_t rows = static_cast<size_t>(count) * model_.tokens;
  if (examples_.first != nullptr) {
    rows = 0;
    for (int i = 0; i < count; ++i) rows += lengthOf(indices == nullptr ? i : indices[i]);
  }
  parts_ = partCount(model_, count, rows);
  sums_.assign(parts_, LossSums{});
  if (wantsGradient) gradients_.assign(parts_ * model_.parameters(), 0.0);
}

size_t Objective::firstRow(int i) const {
  return examples_.first == nullptr ? static_cast<size_t>(i) * model_.tokens : examples_.first[i];
}

size_t Objective::lengthOf(int i) const {
  return examples_.first == nullptr ? model_.tokens : examples_.first[i + 1] - examples_.first[i];
}

ExampleBlock Objective::blockOf(int first, int count, ModelWorkspace& workspace) const {
  const size_t d = model_.dimension;
  const uint8_t* relevance = examples_.relevance;
  const bool ragged = examples_.first != nullptr;
  if (indices_ == nullptr)
    return {count, examples_.X + firstRow(first) * d, examples_.y + first,
            relevance == nullptr ? nullptr : relevance + firstRow(first),
            ragged ? examples_.first + first : nullptr};
  workspace.gatheredFirst.assign(1, 0);
  for (int i = 0; i < count; ++i)
    workspace.gatheredFirst.push_back(workspace.gatheredFirst.back() + lengthOf(indices_[first + i]));
  const size_t rows = workspace.gatheredFirst.back();
  workspace.gathered.resize(rows * d);
  workspace.gatheredLabels.resize(count);
  if (relevance != nullptr) workspace.gatheredRelevance.resize(rows);
  for (int i = 0; i < count; ++i) {
    const int example = indices_[first + i];
    const size_t from = firstRow(example);
    const size_t to = workspace.gatheredFirst[i];
    const size_t length = lengthOf(example);
    std::copy_n(examples_.X + from * d, length * d, workspace.gathered.data() + to * d);
    workspace.gatheredLabels[i] = examples_.y[example];
    if (relevance != nullptr) std::copy_n(relevance + from, length, workspace.gatheredRelevance.data() + to);
  }
  return {count, workspace.gathered.data(), workspace.gatheredLabels.data(),
          relevance == nullptr ? nullptr : workspace.gatheredRelevance.data(),
          ragged ? workspace.gatheredFirst.data() : nullptr};
}

void Objective::runPart(int part, ModelWorkspace& workspace, const std::atomic<bool>& cancelled) {
  const int first = static_cast<int>(static_cast<int64_t>(count_) * part / parts_);
  const int end = static_cast<int>(static_cast<int64_t>(count_) * (part + 1) / parts_);
  double* gradient = wantsGradient_ ? gradients_.data() + part * model_.parameters() : nullptr;
  for (int i = first, count; i < end && !cancelled; i += count) {
    count = examplesInBlock(model_, examples_.first, indices_, i, end);
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
