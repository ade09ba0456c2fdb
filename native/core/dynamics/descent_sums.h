// What one joint step of gradient descent needs of an example (theory.md §13): with b1 = q̂ and b2 the
// direction of the head's part orthogonal to it, two normals g1, g2 for every irrelevant token tell its score
// and its value,
//
//   s_t = ⟨μ, q⟩ + c g1,   a_t = ⟨μ, w⟩ + σ (⟨w, b1⟩ g1 + ⟨w, b2⟩ g2),   c = σ‖q‖,
//
// and of those enter, with e_t = e^{c g1}, the sums Σ e_t g1^i g2^j and Σ e_t² g1^i g2^j of degree at most 2.
// They do not depend on label and confusion. Cost: two normals, an exponential and twelve products a token.
#pragma once

#include <array>
#include <atomic>
#include <span>
#include <vector>

#include "core/mixture/pooling.h"
#include "core/random/random.h"

namespace prompt_attention {

// Σ w, Σ w g1, Σ w g2, Σ w g1², Σ w g1 g2, Σ w g2²
constexpr int kTokenMoments = 6;

// Of kPooledBlock examples; e_t is relative to e^shift.
struct TokenSums {
  alignas(64) double shift[kPooledBlock];                    // max_t c g1
  alignas(64) double weighted[kTokenMoments][kPooledBlock];  // w = e_t
  alignas(64) double squared[kTokenMoments][kPooledBlock];   // w = e_t²
};

// Sums of examples first … first+count−1 of the stream (2 m normals each; first a multiple of kPooledGroup,
// count ≤ kPooledBlock) for each of the scales c ≥ 0. Once `cancelled`, they are useless.
void drawTokenSums(const Stream& stream, uint64_t first, int count, int m, std::span<const double> scales,
                   const std::atomic<bool>& cancelled, std::vector<float>& normals, TokenSums* sums);

}  // namespace prompt_attention
