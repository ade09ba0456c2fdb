// Softmax attention: of given tokens, and of the mixture's tokens through their scores only.
//
// For tokens with k equal relevant scores a_r and m irrelevant scores a_μ + c g_t, g_t ~ N(0, 1) (theory.md
// §4), all that attention leaves behind are three sums over the irrelevant tokens:
//
//   S1 = Σ e^{c g_t},   S2 = Σ e^{2 c g_t},   Sg = Σ e^{c g_t} g_t
//
// They do not depend on the label or the confusion atom, so one draw of g serves every (y, δ) exactly:
//
//   A  = k e^{a_r} / (k e^{a_r} + e^{a_μ} S1)         attention mass on relevant tokens
//   t̃  = σ (1 − A) Sg / S1                            noise along q̂
//   s² = σ² (1 − A)² S2 / S1²                         variance of the noise in every orthogonal direction
//
// Every exponential is taken relative to the largest score, so nothing overflows; the cost is one exponential
// per token.
#pragma once

#include "core/mixture.h"

namespace prompt_attention {

// The sums above, each relative to its own power of e^shift.
struct ScoreSums {
  double shift;         // max_t c g_t
  double exponentials;  // S1 e^{−shift}
  double squares;       // S2 e^{−2 shift}
  double weighted;      // Sg e^{−shift}
};

// Sums of m ≥ 1 scores c g_t; g[m]. Their order of summation does not depend on the vector width.
ScoreSums scoreSums(const double* g, int m, double c);

struct Pooling {
  double relevantMass;    // A
  double irrelevantMass;  // 1 − A, to full relative accuracy
  double alongPrompt;     // t̃
  double variance;        // s²
};

// Pools k relevant tokens of score a_r = `relevantScore` and m irrelevant ones of mean score a_μ =
// `irrelevantScore`. `sums` is not read if the mixture has no irrelevant token.
Pooling pool(const Mixture& mixture, double relevantScore, double irrelevantScore, const ScoreSums& sums);

// Softmax of every row of S[rows×columns], in place, relative to the row's largest entry. Infinite entries
// count as the largest finite number of their sign; a NaN makes its row NaN.
void softmaxRows(double* S, int rows, int columns);

// Attention of given tokens X[T×d] to the prompt q[d]: phi[T] = softmax(X q), v[d] = Xᵀ phi.
void attend(const double* X, int T, int d, const double* q, double* phi, double* v);

}  // namespace prompt_attention
