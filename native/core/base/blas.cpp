#include "core/base/blas.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <vector>

// Ours, as LAPACK's headers are in packages that a build does not need otherwise, and cblas.h, where it is,
// is in another folder on every system and declares OpenBLAS's own functions only if it is OpenBLAS's. The
// interface is older than all of them and does not change.
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
void dsyevr_(const char* jobz, const char* range, const char* uplo, const int* n, double* a, const int* lda,
             const double* vl, const double* vu, const int* il, const int* iu, const double* abstol, int* m,
             double* w, double* z, const int* ldz, int* isuppz, double* work, const int* lwork, int* iwork,
             const int* liwork, int* info);
void dgeqp3_(const int* m, const int* n, double* a, const int* lda, int* jpvt, double* tau, double* work,
             const int* lwork, int* info);
void dgeqrf_(const int* m, const int* n, double* a, const int* lda, double* tau, double* work,
             const int* lwork, int* info);
void dormqr_(const char* side, const char* trans, const int* m, const int* n, const int* k, const double* a,
             const int* lda, const double* tau, double* c, const int* ldc, double* work, const int* lwork,
             int* info);
void dtrtrs_(const char* uplo, const char* trans, const char* diag, const int* n, const int* nrhs,
             const double* a, const int* lda, double* b, const int* ldb, int* info);
void openblas_set_num_threads(int threads);
char* openblas_get_config(void);
char* openblas_get_corename(void);
}

namespace prompt_attention {

namespace {

// OpenBLAS has room for a fixed number of callers at a time, and ends the process when there are more. Half
// of it is left to its own threads and to other users of the library.
int mostCallers() {
  const std::string config = openblas_get_config();
  const std::string key = "MAX_THREADS=";
  const size_t position = config.find(key);
  constexpr int kLeast = 16;
  return std::max(kLeast,
                  position == std::string::npos ? 0 : std::atoi(config.c_str() + position + key.size()));
}

// The places of callers, of all threads of the process.
class CallerPlaces {
 public:
  void enter() {
    if (tryEnter()) return;
    std::unique_lock lock(mutex_);
    ++waiting_;
    left_.wait(lock, [this] { return tryEnter(); });
    --waiting_;
  }
  void leave() {
    --taken_;
    if (waiting_ == 0) return;
    const std::lock_guard lock(mutex_);
    left_.notify_one();
  }

 private:
  bool tryEnter() {
    for (int taken = taken_; taken < most_;)
      if (taken_.compare_exchange_weak(taken, taken + 1)) return true;
    return false;
  }

  const int most_ = mostCallers();
  std::atomic<int> taken_{0};
  std::atomic<int> waiting_{0};
  std::mutex mutex_;
  std::condition_variable left_;
};

CallerPlaces& callerPlaces() {
  static CallerPlaces places;
  return places;
}

// Held during a call that needs memory of OpenBLAS.
class Caller {
 public:
  Caller() { callerPlaces().enter(); }
  ~Caller() { callerPlaces().leave(); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
};

}  // namespace

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
  const Caller caller;
  cblas_dsyrk(kCblasRowMajor, kCblasLower, kCblasTrans, n, rows, 1.0, A, n, 1.0, C, n);
}

void outerGram(const double* A, int n, int columns, int stride, double* C) {
  const Caller caller;
  cblas_dsyrk(kCblasRowMajor, kCblasLower, kCblasNoTrans, n, columns, 1.0, A, stride, 0.0, C, n);
}

void addTransposedProduct(double scale, const double* A, int rows, int columns, const double* x, double* y) {
  const Caller caller;
  cblas_dgemv(kCblasRowMajor, kCblasTrans, rows, columns, scale, A, columns, x, 1, 1.0, y, 1);
}

void product(const double* A, int rows, int columns, const double* x, double* y) {
  const Caller caller;
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
  const Caller caller;
  cblas_dgemv(kCblasRowMajor, transpose ? kCblasTrans : kCblasNoTrans, rows, columns, scale, A, stride, x, 1,
              beta, y, 1);
}

void multiply(bool transposeA, bool transposeB, int m, int n, int k, double scale, const double* A,
              const double* B, double beta, double* C) {
  if (m == 0 || n == 0) return;
  const Caller caller;
  cblas_dgemm(kCblasRowMajor, transposeA ? kCblasTrans : kCblasNoTrans,
              transposeB ? kCblasTrans : kCblasNoTrans, m, n, k, scale, A, std::max(transposeA ? m : k, 1), B,
              std::max(transposeB ? k : n, 1), beta, C, n);
}

void multiplyRowsByLower(const double* L, int n, double* Z, int rows) {
  const Caller caller;
  cblas_dtrmm(kCblasRowMajor, kCblasRight, kCblasLower, kCblasTrans, kCblasNonUnit, rows, n, 1.0, L, n, Z, n);
}

double dot(const double* x, const double* y, int n) {
  return cblas_ddot(n, x, 1, y, 1);
}

void addScaled(double scale, const double* x, int n, double* y) {
  cblas_daxpy(n, scale, x, 1, y, 1);
}

double solvePositiveDefinite(double* A, int n, double* b, double* work, int* integerWork) {
  const Caller caller;
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
  const Caller caller;
  const int one = 1;
  int info = 0;
  dpotrs_("U", &n, &one, A, &n, b, &n, &info);
}

void pivotedQr(double* A, int m, int k, int* pivots, double* tau) {
  const Caller caller;
  const int query = -1;
  int info = 0;
  std::fill(pivots, pivots + k, 0);
  double workSize = 0.0;
  dgeqp3_(&m, &k, A, &m, pivots, tau, &workSize, &query, &info);
  const int workLength = static_cast<int>(workSize);
  std::vector<double> work(workLength);
  dgeqp3_(&m, &k, A, &m, pivots, tau, work.data(), &workLength, &info);
  for (int j = 0; j < k; ++j) --pivots[j];
}

void plainQr(double* A, int m, int k, double* tau) {
  const Caller caller;
  const int query = -1;
  int info = 0;
  double workSize = 0.0;
  dgeqrf_(&m, &k, A, &m, tau, &workSize, &query, &info);
  const int workLength = static_cast<int>(workSize);
  std::vector<double> work(workLength);
  dgeqrf_(&m, &k, A, &m, tau, work.data(), &workLength, &info);
}

void applyQ(bool transpose, const double* A, int m, int reflections, const double* tau, double* x) {
  const Caller caller;
  const int one = 1;
  const int query = -1;
  int info = 0;
  const char* operation = transpose ? "T" : "N";
  double workSize = 0.0;
  dormqr_("L", operation, &m, &one, &reflections, A, &m, tau, x, &m, &workSize, &query, &info);
  const int workLength = static_cast<int>(workSize);
  std::vector<double> work(workLength);
  dormqr_("L", operation, &m, &one, &reflections, A, &m, tau, x, &m, work.data(), &workLength, &info);
}

void solveUpper(bool transpose, const double* A, int m, int order, double* x) {
  const Caller caller;
  const int one = 1;
  int info = 0;
  dtrtrs_("U", transpose ? "T" : "N", "N", &order, &one, A, &m, x, &order, &info);
}

bool symmetricEigen(double* A, int n, double* values, double* vectors) {
  const Caller caller;
  const double none = 0.0;
  const int zero = 0;
  const int query = -1;
  int found = 0;
  int info = 0;
  std::vector<int> support(2 * static_cast<size_t>(n));
  double workSize = 0.0;
  int integerWorkSize = 0;
  dsyevr_("V", "A", "U", &n, A, &n, &none, &none, &zero, &zero, &none, &found, values, vectors, &n,
          support.data(), &workSize, &query, &integerWorkSize, &query, &info);
  const int workLength = static_cast<int>(workSize);
  std::vector<double> work(workLength);
  std::vector<int> integerWork(integerWorkSize);
  dsyevr_("V", "A", "U", &n, A, &n, &none, &none, &zero, &zero, &none, &found, values, vectors, &n,
          support.data(), work.data(), &workLength, integerWork.data(), &integerWorkSize, &info);
  return info == 0 && found == n;
}

}  // namespace prompt_attention
