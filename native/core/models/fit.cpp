#include "core/models/fit.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace prompt_attention {

namespace {

double norm(const double* x, size_t count) {
  double sum = 0.0;
  for (size_t j = 0; j < count; ++j) sum += x[j] * x[j];
  return std::sqrt(sum);
}

}  // namespace

Fit::Fit(const Model& model, const FitOptions& options, const Examples& training, const Examples& validation,
         std::vector<double> theta)
    : model_(model),
      options_(options),
      training_(model, options.loss, training),
      validation_(model, options.loss, validation),
      optimizer_(options.optimizer, theta.size()),
      theta_(std::move(theta)),
      gradient_(theta_.size()),
      bestLoss_(std::numeric_limits<double>::infinity()) {
  if (options.batchSize < training.count) order_.resize(training.count);
  position_ = static_cast<int>(order_.size());
}

Evaluation Fit::evaluate(Objective& objective, const int* indices, int count, bool wantsGradient,
                         PartRunner& runner, const std::atomic<bool>& cancelled) {
  if (workspaces_.size() < static_cast<size_t>(runner.workers())) workspaces_.resize(runner.workers());
  objective.begin(theta_.data(), indices, count, wantsGradient);
  runner.run(objective.parts(),
             [&](int part, int worker) { objective.runPart(part, workspaces_[worker], cancelled); });
  return objective.finish(gradient_.data());
}

const int* Fit::nextBatch(int& count) {
  const int n = training_.examples().count;
  if (order_.empty()) {
    count = n;
    return nullptr;
  }
  if (position_ == n) {
    drawPermutation(Stream(options_.key, Sample::kTraining, Field::kBatchOrder, pass_++), order_);
    position_ = 0;
  }
  count = std::min(options_.batchSize, n - position_);
  const int* batch = order_.data() + position_;
  position_ += count;
  return batch;
}

void Fit::end(FitStop reason) {
  ended_ = true;
  stop_ = reason;
}

void Fit::record(int step, const Evaluation& training, PartRunner& runner,
                 const std::atomic<bool>& cancelled) {
  FitRecord record{step, training, {}, {}};
  const double* group = theta_.data();
  const size_t sizes[] = {model_.promptSize(), model_.weightSize(), model_.headSize()};
  for (int i = 0; i < 3; group += sizes[i++]) record.norms[i] = norm(group, sizes[i]);
  const int count = validation_.examples().count;
  if (count > 0) record.validation = evaluate(validation_, nullptr, count, false, runner, cancelled);
  records_.push_back(record);
  if (options_.patience == 0) return;
  if (record.validation.loss < bestLoss_) {
    bestLoss_ = record.validation.loss;
    best_ = theta_;
    recordsSinceBest_ = 0;
  } else if (++recordsSinceBest_ >= options_.patience) {
    end(FitStop::kPatience);
  }
}

void Fit::move(int step) {
  optimizer_.beginStep();
  const double factor = scheduleFactor(options_.schedule, step, options_.steps);
  const size_t sizes[] = {model_.promptSize(), model_.weightSize(), model_.headSize()};
  size_t begin = 0;
  for (int i = 0; i < 3; begin += sizes[i++])
    if (options_.learningRates[i] > 0.0)
      optimizer_.update(begin, begin + sizes[i], factor * options_.learningRates[i], gradient_.data(),
                        theta_.data());
  ++stepsTaken_;
}

void Fit::step(int step, PartRunner& runner, const std::atomic<bool>& cancelled) {
  const int n = training_.examples().count;
  const bool last = step == options_.steps;
  if (!ended_ && !last && order_.empty()) {
    const Evaluation evaluation = evaluate(training_, nullptr, n, true, runner, cancelled);
    const bool finite = std::isfinite(evaluation.loss);
    if (step % options_.recordEvery == 0 || !finite) record(step, evaluation, runner, cancelled);
    if (!finite) end(FitStop::kDiverged);
    if (!ended_) move(step);
  } else if (!ended_) {
    if (last || step % options_.recordEvery == 0) {
      const Evaluation evaluation = evaluate(training_, nullptr, n, false, runner, cancelled);
      record(step, evaluation, runner, cancelled);
      if (!std::isfinite(evaluation.loss)) end(FitStop::kDiverged);
    }
    if (!ended_ && !last) {
      int count;
      const int* batch = nextBatch(count);
      const Evaluation evaluation = evaluate(training_, batch, count, true, runner, cancelled);
      if (std::isfinite(evaluation.loss))
        move(step);
      else
        end(FitStop::kDiverged);
    }
  }
  if (last && !best_.empty()) theta_ = best_;
}

}  // namespace prompt_attention
