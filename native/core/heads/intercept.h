// What a free intercept b, without ridge, makes of the features that a head is fitted on.
//
// Least squares. With the mean v̄ of the features and ȳ of the labels b = ⟨w, v̄⟩ − ȳ, and w is the head
// without intercept on any n − 1 orthonormal contrasts of the examples. Those of a Householder reflection
// that takes (1, …, 1)/√n to the first example are differences from one vector,
//
//   v_i − γ,  y_i − γ_y,  i = 1 … n − 1,   γ = v_0 + √n (v̄ − v_0)/(√n − 1),
//
// so that rows are streamed, ridges are those of n examples, and without a ridge n − 1 ≤ d rows are fitted by
// the head of least norm. A column that is the same for all examples becomes 0. Rounding is that of γ: other
// combinations of columns that are the same for all examples, and features that differ by less than 1e-16 of
// γ, are not told from what rounding makes of them.
#pragma once

#include <vector>

#include "core/heads/head.h"

namespace prompt_attention {

// V[n×d] with a last column of ones.
std::vector<double> withOnes(const double* V, int n, int d);

// Means over examples.
class FeatureMeans {
 public:
  explicit FeatureMeans(int dimension) : first_(dimension), sums_(dimension, 0.0) {}
  // More examples, V[count×d] and y[count].
  void add(const double* V, const double* y, int count);
  // ⟨w, v̄⟩
  double scoreOf(const double* w) const;
  // b of least squares.
  double interceptOf(const double* w) const;
  // V[n×d] less the mean.
  void takeFrom(double* V, int n) const;
  // γ of the features, and of the labels.
  std::vector<double> pivot() const;
  double labelPivot() const;

 private:
  double meanOf(size_t j) const { return first_[j] + sums_[j] / count_; }
  double pivotOf(double first, double sum) const;

  int count_ = 0;
  std::vector<double> first_;  // v_0
  std::vector<double> sums_;   // of v_i − v_0
  double firstLabel_ = 0.0;
  double labelSum_ = 0.0;  // likewise
};

// Of n ≥ 2 examples.
class ContrastFeatures final : public FeatureSource {
 public:
  ContrastFeatures(FeatureSource& source, const FeatureMeans& means)
      : source_(source), pivot_(means.pivot()), labelPivot_(means.labelPivot()) {}
  int examples() const override { return source_.examples() - 1; }
  int dimension() const override { return source_.dimension(); }
  void rows(int first, int count, double* V, double* y) override;

 private:
  FeatureSource& source_;
  const std::vector<double> pivot_;  // [d]
  const double labelPivot_;
};

}  // namespace prompt_attention
