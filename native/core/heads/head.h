// Linear heads on pooled features v_i ∈ R^d, labels y_i = ±1.
//
//   averaging       w = (1/n) Σ y_i v_i
//   weighted        w = Σ ω_i y_i v_i / Σ ω_i with the weights of the source (weighted_averaging.h)
//   least squares   w = argmin (1/2n) Σ (y_i − wᵀv_i)² + (λ/2)‖w‖²; λ = 0 and n < d: the interpolator of
//   least norm
//   logistic, hinge as in linear_heads.h and hinge_head.h
//
// With a free intercept losses are of wᵀv_i − b, b without ridge, for all that are not sums: least squares of
// contrasts (intercept.h), the others with a column of ones. Where all labels are the same a logistic head
// does not exist, and the others are w = 0 with the label for score.
//
// Least squares factorises the smaller Gram matrix: VᵀV + nλI for n ≥ d (rows of V are streamed, memory d²),
// VVᵀ + nλI for n < d (memory n·d). If its reciprocal condition number is below kLeastReciprocalCondition, or
// w is so small beside the terms that make it that they may leave fewer than nine digits, the factor is
// thrown away for the solvers of orthogonal_head.h, which are right to ten digits, or give the head
// of least norm; kSingular if they need too much memory or time. Logistic and hinge hold all features (memory
// n·d) and are converged by their residual, or have the status kSeparable or kNotConverged.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "core/base/named.h"
#include "core/base/trial.h"
#include "core/heads/head_kind.h"
#include "core/heads/linear_heads.h"

namespace prompt_attention {

// Memory that a job's trials have for rare large factorisations: up to `freely` bytes all threads at a time,
// more than that one at a time.
struct MemoryShare {
  double freely;
  double all;
  std::mutex oneAtATime;
};

struct HeadOptions {
  HeadKind kind;
  double ridge;                   // λ as in RidgeRule
  MemoryShare* memory = nullptr;  // for what ordinary heads do not need; null: as much as there is
  bool intercept = false;         // free; not of sums
};

// What found the head.
enum class HeadSolver : uint8_t {
  kNone = 0,       // nothing to solve
  kIterative = 1,  // conjugate gradients
  kDirect = 2,     // a Gram matrix, refined if need be; Newton's or an interior-point method
  kOrthogonal = 3  // an orthogonal factorisation of the features
};
constexpr Named<HeadSolver> kHeadSolvers[] = {
    {HeadSolver::kNone, "none"},
    {HeadSolver::kIterative, "iterative"},
    {HeadSolver::kDirect, "direct"},
    {HeadSolver::kOrthogonal, "orthogonal"},
};
static_assert(inOrder(kHeadSolvers));

struct HeadOutcome {
  TrialStatus status;
  HeadSolver solver;
  double intercept = 0.0;  // b: the score is wᵀv − b
};

// Of the Gram matrix, below which least squares go on as in orthogonal_head.h: ten digits of w are right
// above.
constexpr double kLeastReciprocalCondition = 1e-6;

// Features of a training sample, made where they are used.
class FeatureSource {
 public:
  virtual ~FeatureSource() = default;
  virtual int examples() const = 0;
  virtual int dimension() const = 0;
  // Examples first … first+count−1: features into V[count×d] row-major, labels into y[count].
  virtual void rows(int first, int count, double* V, double* y) = 0;
  // ω[count] ≥ 0 of the examples that rows() has just given, read by weighted averaging: all count alike
  // unless the source knows better.
  virtual void weights(int, int count, double* omega) { std::fill(omega, omega + count, 1.0); }
};

struct HeadWorkspace {
  std::vector<double> rows;         // block of features
  std::vector<double> labels;       // of the same examples
  std::vector<double> weights;      // likewise, of weighted averaging
  std::vector<double> matrix;       // Gram matrix
  std::vector<double> solution;     // dual solution
  std::vector<double> scratch;      // [3·order]
  std::vector<int> integerScratch;  // [order]
};

// Logistic or hinge head on given features V[n×d], which are destroyed. With n < d it is sought in the span
// of the features: Vᵀ = Q R, so that w = Q z with z the head on the n×n features Rᵀ; exact, and n²d + n³ per
// step.
LinearHeadResult fitMarginHead(double* V, const double* y, int n, int d, const HeadOptions& options,
                               double* w, const std::atomic<bool>& cancelled);

// Holds what `bytes` need of the share; false if they are not there.
class MemoryHold {
 public:
  MemoryHold(MemoryShare* share, double bytes);
  explicit operator bool() const { return fits_; }
  bool isExclusive() const { return lock_.owns_lock(); }

 private:
  std::unique_lock<std::mutex> lock_;
  bool fits_;
};

// Whether conjugate gradients cannot find the head: no curvature, it need not exist, or a free intercept.
bool needsDirect(const HeadOptions& options);

// Bytes that fitHead needs at most, to leading order, but for ill-conditioned least squares.
double headBytes(const HeadOptions& options, double examples, double dimension);

// Fits the head on all examples of `source` into w[d]. If the status is not kOk, or once `cancelled`, w holds
// no result. A product or factorisation under way is not interrupted.
HeadOutcome fitHead(FeatureSource& source, const HeadOptions& options, HeadWorkspace& workspace, double* w,
                    const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
