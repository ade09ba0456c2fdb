// The best head for a known prompt (theory.md §11): averaging in which example i counts
//
//   ω_i = A_i / p_i,   p_i = Σ_{t irrelevant} φ_t² = s_i²/σ²   (s_i² over the larger of σ² and σ_R²),
//
// the attention mass on relevant tokens over how little the noise of the others averages out:
// w = Σ ω_i y_i v_i / Σ ω_i. p has the floor of the points of laws (risk_points.cpp): attention on relevant
// tokens alone counts as p = kLeastPurity.
#pragma once

#include <algorithm>

namespace prompt_attention {

constexpr double kLeastPurity = 1e-290;

inline double exampleWeight(double relevantMass, double purity) {
  return relevantMass / std::max(purity, kLeastPurity);
}

// p of an example with attention mass 1 − A on m irrelevant tokens and noise of variance s²; `noiseLevel` is
// the larger of σ and σ_R. Without noise all irrelevant scores are equal.
inline double attentionPurity(double irrelevantMass, int m, double variance, double noiseLevel) {
  return noiseLevel > 0.0 ? variance / noiseLevel / noiseLevel
                          : irrelevantMass * irrelevantMass / std::max(m, 1);
}

// The unit of sums whose weights may be as far apart as double precision reaches: the largest weight so far.
class WeightUnit {
 public:
  // By how much the sums so far shrink once a weight of this size joins them.
  double include(double omega) {
    if (omega <= largest_) return 1.0;
    const double factor = largest_ / omega;
    largest_ = omega;
    return factor;
  }
  double of(double omega) const { return largest_ > 0.0 ? omega / largest_ : 0.0; }

 private:
  double largest_ = 0.0;
};

}  // namespace prompt_attention
