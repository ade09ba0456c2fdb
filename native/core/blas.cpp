#include "core/blas.h"

#include <algorithm>

extern "C" {
enum CblasOrder { kCblasRowMajor = 101 };
enum CblasTranspose { kCblasNoTrans = 111, kCblasTrans = 112 };
enum CblasUplo { kCblasUpper = 121, kCblasLower = 122 };
enum CblasDiagonal { kCblasNonUnit = 131 };
enum CblasSide { kCblasRight = 142 };
void cblas_dsyrk(CblasOrder order, CblasUplo uplo, CblasTranspose trans, int n, int k, double alpha,
                 const double* a, int lda, double beta, double* c, int ldc);
void cblas_dgemv(CblasOrder order, CblasTranspose trans, int m, int n, double alpha, const double* a, int lda,
                 const double* x, int incx, double beta, double* y, int incy);
void cblas_dgemm(CblasOrder order, CblasTranspose transA, CblasTranspose transB, int m, int n, int k,
                 double alpha, const double* a, int lda, const double* b, int ldb, double beta, double* c,
                 int ldc);
void cblas_dtrmm(CblasOrder order, CblasSide side, CblasUplo uplo, CblasTranspose trans, CblasDiagonal diag,
                 int m, int n, double alpha, const double* a, int lda, double* b, int ldb);
void cblas_daxpy(int n, double alpha, const double* x, int incx, double* y, int incy);
double cblas_ddot(int n, const double* x, int incx, const double* y, int incy);
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info);
void dpotrs_(const char* uplo, const int* n, const int* nrhs, const double* a, const int* lda, double* b,
             const int* ldb, int* info);
void dpocon_(const char* uplo, const int* n, const double* a, const int* lda, const double* anorm,
             double* rcond, double* work, int* iwork, int* info);
double dlansy_(const char* norm, const char* uplo, const int* n, const double* a, const int* lda,
               double* work);
void openblas_set_num_threads(int threads);
char* openblas_get_config(void);
char* openblas_get_corename(void);
}

namespace prompt_attention {

void useSingleThread() {
  openblas_set_num_threads(1);
}

std::string blasConfig() {
  return openblas_get_config();
}

std::string blasCore() {
  return openblas_get_corename();
}

void addGram(const double* A, int rows, int n, double* C) {
  cblas_dsyrk(kCblasRowMajor, kCblasLower, kCblasTrans, n, rows, 1.0, A, n, 1.0, C, n);
}

void outerGram(const double* A, int n, int columns, double* C) {
  cblas_dsyrk(kCblasRowMajor, kCblasLower, kCblasNoTrans, n, columns, 1.0, A, columns, 0.0, C, n);
}

void addTransposedProduct(double scale, const double* A, int rows, int columns, const double* x, double* y) {
  cblas_dgemv(kCblasRowMajor, kCblasTrans, rows, columns, scale, A, columns, x, 1, 1.0, y, 1);
}

void product(const double* A, int rows, int columns, const double* x, double* y) {
  cblas_dgemv(kCblasRowMajor, kCblasNoTrans, rows, columns, 1.0, A, columns, x, 1, 0.0, y, 1);
}

void multiplyVector(bool transpose, double scale, const double* A, int rows, int columns, int stride,
                    const double* x, double beta, double* y) {
  if (rows == 0 || columns == 0) {
    // BLAS would leave y as it is.
    double* end = y + (transpose ? columns : rows);
    std::transform(y, end, y, [beta](double value) { return beta == 0.0 ? 0.0 : beta * value; });
    return;
  }
  cblas_dgemv(kCblasRowMajor, transpose ? kCblasTrans : kCblasNoTrans, rows, columns, scale, A, stride, x, 1,
              beta, y, 1);
}

void multiply(bool transposeA, bool transposeB, int m, int n, int k, double scale, const double* A,
              const double* B, double beta, double* C) {
  if (m == 0 || n == 0) return;
  cblas_dgemm(kCblasRowMajor, transposeA ? kCblasTrans : kCblasNoTrans,
              transposeB ? kCblasTrans : kCblasNoTrans, m, n, k, scale, A, std::max(transposeA ? m : k, 1), B,
              std::max(transposeB ? k : n, 1), beta, C, n);
}

void multiplyRowsByLower(const double* L, int n, double* Z, int rows) {
  cblas_dtrmm(kCblasRowMajor, kCblasRight, kCblasLower, kCblasTrans, kCblasNonUnit, rows, n, 1.0, L, n, Z, n);
}

double dot(const double* x, const double* y, int n) {
  return cblas_ddot(n, x, 1, y, 1);
}

void addScaled(double scale, const double* x, int n, double* y) {
  cblas_daxpy(n, scale, x, 1, y, 1);
}

double solvePositiveDefinite(double* A, int n, double* b, double* work, int* integerWork) {
  const int one = 1;
  int info = 0;
  const double norm = dlansy_("1", "U", &n, A, &n, work);
  dpotrf_("U", &n, A, &n, &info);
  if (info != 0) return 0.0;
  double reciprocalCondition = 0.0;
  dpocon_("U", &n, A, &n, &norm, &reciprocalCondition, work, integerWork, &info);
  dpotrs_("U", &n, &one, A, &n, b, &n, &info);
  return reciprocalCondition;
}

void solveFactored(const double* A, int n, double* b) {
  const int one = 1;
  int info = 0;
  dpotrs_("U", &n, &one, A, &n, b, &n, &info);
}

}  // namespace prompt_attention
