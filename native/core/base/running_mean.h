// Mean of a sequence and its standard error.
#pragma once

#include <cmath>

namespace prompt_attention {

// Updated value by value or block by block (Welford; Chan, Golub and LeVeque), so that tiny means keep their
// relative accuracy.
class RunningMean {
 public:
  void add(double value) {
    ++count_;
    const double change = value - mean_;
    mean_ += change / count_;
    squares_ += change * (value - mean_);
  }
  void add(const double* values, int count) {
    double sum = 0.0;
    for (int i = 0; i < count; ++i) sum += values[i];
    const double mean = sum / count;
    double squares = 0.0;
    for (int i = 0; i < count; ++i) squares += (values[i] - mean) * (values[i] - mean);
    const double total = count_ + count;
    const double change = mean - mean_;
    mean_ += change * count / total;
    squares_ += squares + change * change * count_ * count / total;
    count_ = total;
  }
  // From here on as if all values had been multiplied by `factor`.
  void scale(double factor) {
    mean_ *= factor;
    squares_ *= factor * factor;
  }
  double mean() const { return mean_; }
  double standardError() const { return count_ > 1 ? std::sqrt(squares_ / (count_ - 1.0) / count_) : 0.0; }

 private:
  double count_ = 0.0;
  double mean_ = 0.0;
  double squares_ = 0.0;
};

}  // namespace prompt_attention
