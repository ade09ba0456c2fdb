#include "core/heads/intercept.h"

#include <algorithm>
#include <cmath>

namespace prompt_attention {

std::vector<double> withOnes(const double* V, int n, int d) {
  std::vector<double> extended(static_cast<size_t>(n) * (d + 1), 1.0);
  for (int i = 0; i < n; ++i)
    std::copy_n(V + static_cast<size_t>(i) * d, d, extended.data() + static_cast<size_t>(i) * (d + 1));
  return extended;
}

void FeatureMeans::add(const double* V, const double* y, int count) {
  const size_t d = sums_.size();
  if (count_ == 0) {
    std::copy_n(V, d, first_.begin());
    firstLabel_ = y[0];
  }
  for (int i = 0; i < count; ++i) {
    for (size_t j = 0; j < d; ++j) sums_[j] += V[i * d + j] - first_[j];
    labelSum_ += y[i] - firstLabel_;
  }
  count_ += count;
}

double FeatureMeans::scoreOf(const double* w) const {
  double score = 0.0;
  for (size_t j = 0; j < sums_.size(); ++j) score += w[j] * meanOf(j);
  return score;
}

double FeatureMeans::interceptOf(const double* w) const {
  return scoreOf(w) - (firstLabel_ + labelSum_ / count_);
}

void FeatureMeans::takeFrom(double* V, int n) const {
  const size_t d = sums_.size();
  for (size_t i = 0; i < static_cast<size_t>(n); ++i)
    for (size_t j = 0; j < d; ++j) V[i * d + j] -= meanOf(j);
}

double FeatureMeans::pivotOf(double first, double sum) const {
  const double root = std::sqrt(count_);
  return first + sum / (root * (root - 1.0));
}

std::vector<double> FeatureMeans::pivot() const {
  std::vector<double> pivot(sums_.size());
  for (size_t j = 0; j < pivot.size(); ++j) pivot[j] = pivotOf(first_[j], sums_[j]);
  return pivot;
}

double FeatureMeans::labelPivot() const {
  return pivotOf(firstLabel_, labelSum_);
}

void ContrastFeatures::rows(int first, int count, double* V, double* y) {
  source_.rows(first + 1, count, V, y);
  const size_t d = pivot_.size();
  for (int i = 0; i < count; ++i) {
    for (size_t j = 0; j < d; ++j) V[i * d + j] -= pivot_[j];
    y[i] -= labelPivot_;
  }
}

}  // namespace prompt_attention
