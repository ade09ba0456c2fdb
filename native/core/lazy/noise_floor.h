// How small the least singular value of features v_i = u_i + s_i h_i can be, h_i ~ N(0, I) on the complement
// of e1, u_i in the plane: known from the scales s_i before anything is solved.
//
// A Gaussian M×N matrix, M ≥ N, has least singular value ≥ √M − √N − t but for a probability e^{−t²/2}
// (Davidson, Szarek 2001), and ≥ ε(√M − √(N−1)) but for one of (Cε)^{M−N+1} (Rudelson, Vershynin 2009);
// adding columns to the shorter side's span, or rows, does not lower it. So, for n ≥ d, σ_min(V)² ≥ max over
// m ≥ d of s_(m)² times that of the m rows of largest scale; for n ≤ d, ≥ min s_i² times that of n rows in d
// − 2 dimensions. The column along e1 has no noise but that of the scores: where it is shorter than a
// Gaussian one it counts as such, with a factor ¼.
#pragma once

#include <vector>

namespace prompt_attention {

enum class FloorKind {
  kSure,    // t = 5, (5ε)^(M−N+1) = 1e-9 but ε ≥ 1e-4
  kTypical  // t = 0, ε = ½
};

// Square of the least singular value of a Gaussian matrix with sides `longer` and `shorter`.
double unitFloor(double longer, double shorter, FloorKind kind);

// The same of diag(√weights) V on the span of its rows; scales s_i and u_i along e1, each [n]; null weights
// are ones.
double noiseFloor(const std::vector<double>& scales, const std::vector<double>& alongPrompt,
                  const double* weights, int dimension, FloorKind kind);

}  // namespace prompt_attention
