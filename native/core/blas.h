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

// C[n×n], lower triangle = A Aᵀ with A[n×columns], row-major.
void outerGram(const double* A, int n, int columns, double* C);

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

// V[n×d] = L Qᵀ with n ≤ d, row-major, L[n×n] lower triangular (with zeros above) and orthonormal Q[d×n]: V
// is overwritten by the reflectors of Q, tau[n] completes them. Each row of L Qᵀ is right to working
// precision of that row's size, however much the sizes differ.
void lowerFactor(double* V, int n, int d, double* tau, double* L);

// w[d] ← H w, or Hᵀw if `transpose`, with the orthogonal H[d×d] whose first n columns are Q, as lowerFactor
// left it.
void applyOrthogonal(const double* V, int n, int d, const double* tau, double* w, bool transpose);

// x[columns] of least norm that minimises ‖A x − b‖, A[rows×columns] COLUMN-major with leading dimension
// rows, by orthogonal factorisation with column pivoting; both destroyed, b[max(rows, columns)]. Directions
// whose condition exceeds 1/`tolerance` count as absent. Sort rows by falling size: each is then as accurate
// as its own size allows (Cox, Higham 1998).
void leastNormSolution(double* A, int rows, int columns, double* b, double tolerance);

// Eigenvalues of the symmetric A[n×n] (lower triangle, row-major, destroyed) in ascending order into
// values[n] and orthonormal eigenvectors into vectors[n×n], one per row. False if LAPACK found no
// convergence.
bool symmetricEigen(double* A, int n, double* values, double* vectors);

}  // namespace prompt_attention
