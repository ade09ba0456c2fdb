// Whether the mean of plain draws of an error can be trusted: moments of a sample and of what it did not see
// (unseen_scores.h), and the floors that calibration found.
#pragma once

#include <algorithm>

#include "core/test_error/score_ladder.h"
#include "core/test_error/unseen_scores.h"

namespace prompt_attention {

// How much longer a standard error must be for ±1.96 of them to cover 95 % although the mean is skewed: by
// the Edgeworth expansion of a Studentised mean (Hall 1992, §2.6) the coverage falls short by 2 z φ(z) γ² (z⁴
// + 2z² − 3)/18, γ the skewness of the mean.
inline double forSkewness(double squaredSkewness) {
  return 1.0 + 1.08 * squaredSkewness;
}

// Found by calibration (test/audit/test-error.ts). Fewer effective draws than a ladder needs will do: what
// was not seen is accounted for, and so is skewness.
constexpr double kLeastPlainDraws = 30.0;
constexpr double kLargestPlainSkewness = 1.0;

inline double largestOf(const double* values, int count) {
  return *std::max_element(values, values + count);
}

// Moments E[v^k], k = 1 … 4, of a sample of errors and of what it did not see, relative to powers of a scale
// that no error is above.
class PlainMoments {
 public:
  explicit PlainMoments(double scale) : scale_(scale) {}
  void add(const double* errors, int count) {
    rescale(largestOf(errors, count));
    const double perScale = 1.0 / scale_;
    draws_ += count;
    // Four sums side by side, which a compiler turns into vectors.
    constexpr int kLanes = 4;
    double lanes[4][kLanes] = {};
    for (int i = 0; i < count; i += kLanes)
      for (int lane = 0; lane < kLanes; ++lane) {
        const double v = i + lane < count ? errors[i + lane] * perScale : 0.0;
        const double square = v * v;
        lanes[0][lane] += v;
        lanes[1][lane] += square;
        lanes[2][lane] += square * v;
        lanes[3][lane] += square * square;
      }
    for (int k = 0; k < 4; ++k)
      for (int lane = 0; lane < kLanes; ++lane) sums_[k] += lanes[k][lane];
  }
  double effectiveDraws() const { return sums_[0] > 0.0 ? sums_[0] / sums_[1] * sums_[0] : 0.0; }
  // Whether the mean of `draws` such draws is close to normal and its standard error well estimated.
  bool suffice(double draws, const UnseenMoments& unseen, double leastShare) const {
    double moment[4];
    for (int k = 0; k < 4; ++k)
      moment[k] = (sums_[k] / draws_ + unseen.power[k]) / (1.0 + unseen.probability);
    const double mean = moment[0];
    const double variance = moment[1] - mean * mean;
    if (areAlike(mean, variance)) return mean > 0.0;
    const double third = moment[2] - 3.0 * mean * moment[1] + 2.0 * mean * mean * mean;
    const double fourth =
        moment[3] - 4.0 * mean * third - 6.0 * mean * mean * variance - mean * mean * mean * mean;
    return draws * mean * mean >= std::max(kLeastPlainDraws, leastShare * draws) * moment[1] &&
           third * third <= kLargestSkewness * draws * variance * variance * variance &&
           fourth <= kLargestKurtosis * draws * variance * variance;
  }
  double squaredSkewness() const {
    const double mean = sums_[0] / draws_;
    const double variance = sums_[1] / draws_ - mean * mean;
    if (areAlike(mean, variance)) return 0.0;
    const double third = sums_[2] / draws_ - 3.0 * mean * sums_[1] / draws_ + 2.0 * mean * mean * mean;
    return third * third / (draws_ * variance * variance * variance);
  }
  // Whether the interval of the mean of these draws can be trusted, of which a pilot has said so.
  bool areReliable() const {
    const double mean = sums_[0] / draws_;
    return areAlike(mean, sums_[1] / draws_ - mean * mean) ||
           (effectiveDraws() >= kLeastPlainDraws && squaredSkewness() <= kLargestPlainSkewness);
  }

 private:
  static constexpr double kLargestKurtosis = 1.0;

  static bool areAlike(double mean, double variance) { return variance <= 1e-7 * mean * mean; }
  void rescale(double largest) {
    if (!(largest > scale_)) return;
    const double ratio = scale_ / largest;
    double power = 1.0;
    for (double& sum : sums_) sum *= power *= ratio;
    scale_ = largest;
  }

  double scale_;
  double draws_ = 0.0;
  double sums_[4] = {0.0, 0.0, 0.0, 0.0};
};

}  // namespace prompt_attention
