// The only BLAS and LAPACK prototypes of the core, and what the library tells about itself.
//
// OpenBLAS runs single-threaded: parallelism is over trials (see useSingleThread). Row-major lower triangles
// are LAPACK's column-major upper triangles, which is why the LAPACK wrappers below pass 'U'.
//
// Of any number of threads only so many are inside the library at a time as it has memory for; others wait.
#pragma once

#include <cstddef>
#include <string>

namespace prompt_attention {

// Pins OpenBLAS to one thread, process-wide. Call once before any other function here.
void useSingleThread();

std::string blasConfig();
std::string blasCore();

// C[n×n], lower triangle += Aᵀ A with A[rows×n], row-major.
void addGram(const double* A, int rows, int n, double* C);

// C[n×n], lower triangle = A Aᵀ with A[n×columns], row-major, rows `stride` ≥ columns apart.
void outerGram(const double* A, int n, int columns, int stride, double* C);

// y[columns] += scale · Aᵀ x with A[rows×columns] row-major, x[rows].
void addTransposedProduct(double scale, const double* A, int rows, int columns, const double* x, double* y);

// y[rows] = A x with A[rows×columns] row-major, x[columns].
void product(const double* A, int rows, int columns, const double* x, double* y);

// y = scale · op(A) x + beta · y with A[rows×columns], row-major, rows `stride` ≥ columns apart; op(A) is A,
// or Aᵀ if `transpose`. Does nothing for an empty y; for an empty x only y is scaled.
void multiplyVector(bool transpose, double scale, const double* A, int rows, int columns, int stride,
                    const double* x, double beta, double* y);

// C[m×n] = scale · op(A) op(B) + beta · C, all row-major without padding; op(A) is m×k, op(B) k×n. Does
// nothing for m = 0 or n = 0; for k = 0 only C is scaled.
void multiply(bool transposeA, bool transposeB, int m, int n, int k, double scale, const double* A,
              const double* B, double beta, double* C);

// C[m×n] = A op(B), op(B) is B[k×n] or the transpose of B[n×k], all row-major with rows that far apart.
// Nothing of C is left as it was; for k = 0 it is 0.
void multiplyStrided(bool transposeB, int m, int n, int k, const double* A, int strideA, const double* B,
                     int strideB, double* C, int strideC);

// Z[rows×n] ← Z Lᵀ with L[n×n] lower triangular, row-major: each row z becomes L z.
void multiplyRowsByLower(const double* L, int n, double* Z, int rows);

double dot(const double* x, const double* y, int n);

// y[n] += scale · x[n]
void addScaled(double scale, const double* x, int n, double* y);

// Solves A x = b in place for a symmetric positive definite A[n×n] (lower triangle, row-major, overwritten by
// its Cholesky factor) and b[n]. Returns the reciprocal condition number of A in the 1-norm as LAPACK
// estimates it; 0 if A is not positive definite to working precision, in which case b is untouched. work[3n],
// integerWork[n].
double solvePositiveDefinite(double* A, int n, double* b, double* work, int* integerWork);

// Solves A x = b in place by the factor that solvePositiveDefinite left in A[n×n].
void solveFactored(const double* A, int n, double* b);

// Householder QR factorisation with column pivoting of A[m×k], column-major, m ≥ k: A P = Q R in place, R in
// the upper triangle; column j of A P is column pivots[j] of A. tau[k].
void pivotedQr(double* A, int m, int k, int* pivots, double* tau);

// The same without pivoting, of any shape; tau[min(m, k)].
void plainQr(double* A, int m, int k, double* tau);

// x[m] ← Qᵀx (`transpose`) or Q x by the first `reflections` columns of a factor of A[m×k].
void applyQ(bool transpose, const double* A, int m, int reflections, const double* tau, double* x);

// x[order] ← R⁻¹x or R⁻ᵀx (`transpose`), R the leading triangle of a factor with m rows.
void solveUpper(bool transpose, const double* A, int m, int order, double* x);

// Eigenvalues of the symmetric A[n×n] (lower triangle, row-major, destroyed) in ascending order into
// values[n] and orthonormal eigenvectors into vectors[n×n], one per row. False if LAPACK found no
// convergence.
bool symmetricEigen(double* A, int n, double* values, double* vectors);

}  // namespace prompt_attention
