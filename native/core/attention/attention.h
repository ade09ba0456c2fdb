// Softmax attention of given tokens. Every exponential is taken relative to the largest score, so nothing
// overflows. (Attention to the mixture's tokens through their scores only: pooling.h.)
#pragma once

#include <cstddef>

namespace prompt_attention {

// Softmax of every row of S[rows×columns], in place, relative to the row's largest entry. Infinite entries
// count as the largest finite number of their sign; a NaN makes its row NaN.
void softmaxRows(double* S, int rows, int columns);

// a = X q and h = X w for X[rows×d], q[d], w[d], a[rows], h[rows], reading X from memory once: no BLAS call
// does both, and two calls of one read it twice.
void twoProducts(const double* X, size_t rows, size_t d, const double* q, const double* w, double* a,
                 double* h);

// Attention of given tokens X[T×d] to the prompt q[d]: phi[T] = softmax(X q), v[d] = Xᵀ phi.
void attend(const double* X, int T, int d, const double* q, double* phi, double* v);

}  // namespace prompt_attention
