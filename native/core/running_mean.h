// Mean of a sequence and its standard error.
#pragma once

#include <cmath>

namespace prompt_attention {

// Updated value by value (Welford), so that tiny means keep their relative accuracy.
class RunningMean {
 public:
  void add(double value) {
    ++count_;
    const double change = value - mean_;
    mean_ += change / count_;
    squares_ += change * (value - mean_);
  }
  double mean() const { return mean_; }
  double standardError() const { return count_ > 1 ? std::sqrt(squares_ / (count_ - 1.0) / count_) : 0.0; }

 private:
  double count_ = 0.0;
  double mean_ = 0.0;
  double squares_ = 0.0;
};

}  // namespace prompt_attention
