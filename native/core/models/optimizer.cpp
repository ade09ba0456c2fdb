#include "core/models/optimizer.h"

#include <algorithm>
#include <cmath>

namespace prompt_attention {

namespace {

// Without overflow or underflow of the squares; NaN if an entry is.
double normOf(const double* x, size_t count) {
  double largest = 0.0;
  for (size_t j = 0; j < count; ++j)
    if (!(std::abs(x[j]) <= largest)) largest = std::abs(x[j]);
  if (largest == 0.0 || !std::isfinite(largest)) return largest;
  double sum = 0.0;
  for (size_t j = 0; j < count; ++j) sum += (x[j] / largest) * (x[j] / largest);
  return largest * std::sqrt(sum);
}

}  // namespace

double scheduleFactor(const Schedule& schedule, int step, int steps) {
  const double warmUp = step < schedule.warmUp ? (step + 1.0) / schedule.warmUp : 1.0;
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      return warmUp;
    case ScheduleKind::kCosine: {
      const double length = std::max(steps - schedule.warmUp, 1);
      const double share = std::max(step - schedule.warmUp, 0) / length;
      return warmUp * (schedule.final + (1.0 - schedule.final) * 0.5 * (1.0 + std::cos(M_PI * share)));
    }
    case ScheduleKind::kStep:
      return warmUp * std::pow(schedule.factor, step / schedule.every);
  }
  return warmUp;
}

Optimizer::Optimizer(const OptimizerOptions& options, size_t parameters)
    : options_(options),
      first_(options.kind == OptimizerKind::kMomentum || options.kind == OptimizerKind::kAdam ? parameters
                                                                                              : 0),
      second_(options.kind == OptimizerKind::kAdam ? parameters : 0) {}

void Optimizer::beginStep() {
  beta1Power_ *= options_.beta1;
  beta2Power_ *= options_.beta2;
}

void Optimizer::update(size_t begin, size_t end, double rate, const double* gradient, double* theta) {
  switch (options_.kind) {
    case OptimizerKind::kGradientDescent:
      for (size_t j = begin; j < end; ++j) theta[j] -= rate * gradient[j];
      return;
    case OptimizerKind::kNormalized: {
      const double norm = normOf(gradient + begin, end - begin);
      if (norm == 0.0) return;
      for (size_t j = begin; j < end; ++j) theta[j] -= rate * (gradient[j] / norm);
      return;
    }
    case OptimizerKind::kMomentum:
      for (size_t j = begin; j < end; ++j) {
        first_[j] = options_.momentum * first_[j] + gradient[j];
        theta[j] -= rate * first_[j];
      }
      return;
    case OptimizerKind::kAdam:
      for (size_t j = begin; j < end; ++j) {
        first_[j] += (1.0 - options_.beta1) * (gradient[j] - first_[j]);
        second_[j] += (1.0 - options_.beta2) * (gradient[j] * gradient[j] - second_[j]);
        const double mean = first_[j] / (1.0 - beta1Power_);
        const double scale = std::sqrt(second_[j] / (1.0 - beta2Power_)) + options_.epsilon;
        theta[j] -= rate * mean / scale;
      }
      return;
  }
}

}  // namespace prompt_attention
