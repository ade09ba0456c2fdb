#include "core/heads/head.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/blas.h"
#include "core/heads/hinge_head.h"
#include "core/heads/hinge_polish.h"
#include "core/heads/linear_heads.h"
#include "core/heads/orthogonal_head.h"
#include "core/heads/weighted_averaging.h"

namespace prompt_attention {

namespace {

constexpr int kRowsPerBlock = 256;
// Of w, that direct solvers of least squares may leave.
constexpr double kMostRounding = 1e-9;

// Reciprocal condition number of matrix + ridge I, and the solution in place of the right-hand side.
double solve(double* matrix, int order, double ridge, double* rightHandSide, HeadWorkspace& workspace) {
  for (int i = 0; i < order; ++i) matrix[static_cast<size_t>(i) * order + i] += ridge;
  workspace.scratch.resize(3 * static_cast<size_t>(order));
  workspace.integerScratch.resize(order);
  return solvePositiveDefinite(matrix, order, rightHandSide, workspace.scratch.data(),
                               workspace.integerScratch.data());
}

// Whether w[d] has ten digits if it is made of terms of size `terms`, each known to a rounding over the
// reciprocal condition: they may cancel.
TrialStatus statusOf(double reciprocalCondition, double terms, const double* w, int d) {
  const double error = std::numeric_limits<double>::epsilon() * terms / reciprocalCondition;
  const bool isRight =
      reciprocalCondition >= kLeastReciprocalCondition && error <= kMostRounding * std::sqrt(dot(w, w, d));
  return isRight ? TrialStatus::kOk : TrialStatus::kSingular;
}

HeadOutcome fitOrthogonally(FeatureSource& source, const HeadOptions& options, HeadWorkspace& workspace,
                            double* w, const std::atomic<bool>& cancelled) {
  const double n = source.examples();
  const MemoryHold hold(options.memory, orthogonalBytes(n, source.dimension(), options.ridge));
  if (!hold) return {TrialStatus::kSingular, HeadSolver::kDirect};
  for (std::vector<double>* large : {&workspace.rows, &workspace.matrix}) *large = {};
  const OrthogonalOutcome outcome = fitOrthogonally(source, n * options.ridge, w, cancelled);
  return {outcome.status,
          outcome.factorisation == Factorisation::kGram ? HeadSolver::kDirect : HeadSolver::kOrthogonal};
}

// Streams the rows of V; visit(V, y, count) sees every block once. Stops early once `cancelled`.
template <class Visit>
void forEachBlock(FeatureSource& source, const std::atomic<bool>& cancelled, HeadWorkspace& workspace,
                  Visit visit) {
  const int n = source.examples();
  const int most = std::min(kRowsPerBlock, n);
  workspace.rows.resize(static_cast<size_t>(most) * source.dimension());
  workspace.labels.resize(most);
  for (int first = 0, count = 0; first < n && !cancelled; first += count) {
    count = std::min(most, n - first);
    source.rows(first, count, workspace.rows.data(), workspace.labels.data());
    visit(workspace.rows.data(), workspace.labels.data(), count);
  }
}

void fitAveraging(FeatureSource& source, const std::atomic<bool>& cancelled, HeadWorkspace& workspace,
                  double* w) {
  const int d = source.dimension();
  std::fill(w, w + d, 0.0);
  forEachBlock(source, cancelled, workspace, [&](const double* V, const double* y, int count) {
    addTransposedProduct(1.0 / source.examples(), V, count, d, y, w);
  });
}

void fitWeightedAveraging(FeatureSource& source, const std::atomic<bool>& cancelled, HeadWorkspace& workspace,
                          double* w) {
  const int d = source.dimension();
  std::fill(w, w + d, 0.0);
  WeightUnit unit;
  double total = 0.0;
  int first = 0;
  forEachBlock(source, cancelled, workspace, [&](const double* V, const double* y, int count) {
    std::vector<double>& omega = workspace.weights;
    omega.resize(count);
    source.weights(first, count, omega.data());
    first += count;
    const double shrunk = unit.include(*std::max_element(omega.begin(), omega.end()));
    for (int j = 0; j < d && shrunk < 1.0; ++j) w[j] *= shrunk;
    total *= shrunk;
    for (int i = 0; i < count; ++i) {
      omega[i] = unit.of(omega[i]);
      total += omega[i];
      omega[i] *= y[i];
    }
    addTransposedProduct(1.0, V, count, d, omega.data(), w);
  });
  for (int j = 0; j < d && total > 0.0; ++j) w[j] /= total;
}

// (VᵀV + nλI) w = Vᵀy
TrialStatus fitPrimal(FeatureSource& source, double ridge, const std::atomic<bool>& cancelled,
                      HeadWorkspace& workspace, double* w) {
  const int d = source.dimension();
  workspace.matrix.assign(static_cast<size_t>(d) * d, 0.0);
  std::fill(w, w + d, 0.0);
  forEachBlock(source, cancelled, workspace, [&](const double* V, const double* y, int count) {
    addGram(V, count, d, workspace.matrix.data());
    addTransposedProduct(1.0, V, count, d, y, w);
  });
  if (cancelled) return TrialStatus::kNotConverged;
  double squares = 0.0;
  double largest = 0.0;
  for (int j = 0; j < d; ++j) {
    const double square = workspace.matrix[static_cast<size_t>(j) * d + j];
    squares += square;
    largest = std::max(largest, square);
  }
  const double penalty = source.examples() * ridge;
  const double condition = solve(workspace.matrix.data(), d, penalty, w, workspace);
  // Vᵀy, over the size of the matrix.
  const double terms = std::sqrt(squares * source.examples()) / (largest + penalty);
  return statusOf(condition, terms, w, d);
}

// w = Vᵀ(VVᵀ + nλI)⁻¹ y
TrialStatus fitDual(FeatureSource& source, double ridge, const std::atomic<bool>& cancelled,
                    HeadWorkspace& workspace, double* w) {
  const int n = source.examples();
  const int d = source.dimension();
  workspace.rows.resize(static_cast<size_t>(n) * d);
  workspace.solution.resize(n);
  source.rows(0, n, workspace.rows.data(), workspace.solution.data());
  if (cancelled) return TrialStatus::kNotConverged;
  workspace.matrix.resize(static_cast<size_t>(n) * n);
  outerGram(workspace.rows.data(), n, d, d, workspace.matrix.data());
  if (cancelled) return TrialStatus::kNotConverged;
  double squares = 0.0;
  for (int i = 0; i < n; ++i) squares += workspace.matrix[static_cast<size_t>(i) * n + i];
  const double condition = solve(workspace.matrix.data(), n, n * ridge, workspace.solution.data(), workspace);
  std::fill(w, w + d, 0.0);
  addTransposedProduct(1.0, workspace.rows.data(), n, d, workspace.solution.data(), w);
  const double* a = workspace.solution.data();
  return statusOf(condition, std::sqrt(squares * dot(a, a, n)), w, d);
}

TrialStatus trialStatusOf(LinearHeadStatus status) {
  switch (status) {
    case LinearHeadStatus::kOk:
      return TrialStatus::kOk;
    case LinearHeadStatus::kSingular:
      return TrialStatus::kSingular;
    case LinearHeadStatus::kSeparable:
      return TrialStatus::kSeparable;
    case LinearHeadStatus::kNotConverged:
      break;
  }
  return TrialStatus::kNotConverged;
}

TrialStatus fitByIteration(FeatureSource& source, const HeadOptions& options, HeadWorkspace& workspace,
                           double* w, const std::atomic<bool>& cancelled) {
  const int n = source.examples();
  const int d = source.dimension();
  workspace.rows.resize(static_cast<size_t>(n) * d);
  workspace.labels.resize(n);
  double* V = workspace.rows.data();
  double* y = workspace.labels.data();
  source.rows(0, n, V, y);
  if (cancelled) return TrialStatus::kNotConverged;
  return trialStatusOf(fitMarginHead(V, y, n, d, options, w, cancelled).status);
}

}  // namespace

MemoryHold::MemoryHold(MemoryShare* share, double bytes) : fits_(share == nullptr || bytes <= share->all) {
  if (fits_ && share != nullptr && bytes > share->freely) lock_ = std::unique_lock(share->oneAtATime);
}

LinearHeadResult fitMarginHead(double* V, const double* y, int n, int d, const HeadOptions& options,
                               double* w, const std::atomic<bool>& cancelled) {
  const bool isHinge = options.kind == HeadKind::kHinge;
  std::vector<double> multipliers(isHinge ? n : 0);
  const auto fit = [&](const double* features, int dimension) -> LinearHeadResult {
    switch (options.kind) {
      case HeadKind::kHinge:
        return fitHingeHead(features, y, nullptr, n, dimension, options.ridge, w, cancelled,
                            multipliers.data());
      case HeadKind::kLogistic:
        return fitLogisticHead(features, y, n, dimension, options.ridge, w, cancelled);
      case HeadKind::kAveraging:
      case HeadKind::kWeightedAveraging:
      case HeadKind::kLeastSquares:
        break;
    }
    return {LinearHeadStatus::kNotConverged, 0, 1.0};
  };
  const auto polish = [&](const LinearHeadResult& result, const double* features) {
    return isHinge ? polishHingeHead(result, features, y, n, d, options.ridge, multipliers, w, cancelled)
                   : result;
  };
  if (n >= d) return polish(fit(V, d), V);
  // The features themselves: rounding would tell examples apart that are the same.
  const std::vector<double> given(V, isHinge ? V + static_cast<size_t>(n) * d : V);
  std::vector<double> tau(n);
  plainQr(V, d, n, tau.data());
  std::vector<double> reduced(static_cast<size_t>(n) * n, 0.0);
  for (int i = 0; i < n; ++i)
    std::copy_n(V + static_cast<size_t>(i) * d, i + 1, reduced.data() + static_cast<size_t>(i) * n);
  std::fill(w, w + d, 0.0);
  if (cancelled) return {LinearHeadStatus::kNotConverged, 0, 1.0};
  const LinearHeadResult result = fit(reduced.data(), n);
  applyQ(false, V, d, n, tau.data(), w);
  return polish(result, given.data());
}

bool needsDirect(const HeadOptions& options) {
  switch (traitsOf(options.kind).iteration) {
    case Iteration::kLeastSquares:
      return false;
    case Iteration::kLogistic:
      return options.ridge == 0.0;
    case Iteration::kNone:
      break;
  }
  return !isSum(options.kind);
}

double headBytes(HeadKind kind, double n, double d) {
  const double block = std::min<double>(kRowsPerBlock, n) * d;
  const double smaller = std::min(n, d);
  switch (traitsOf(kind).form) {
    case HeadForm::kAveraging:
    case HeadForm::kWeightedAveraging:
      return sizeof(double) * block;
    case HeadForm::kLeastSquares:
      return sizeof(double) * (n >= d ? block + d * d : n * d + n * n);
    case HeadForm::kMargin:
      break;
  }
  // The features, twice with n < d, a block of them weighted, and the matrix of the Newton step.
  return sizeof(double) * ((n < d ? 2.0 : 1.0) * n * d + block + 3.0 * smaller * smaller);
}

HeadOutcome fitHead(FeatureSource& source, const HeadOptions& options, HeadWorkspace& workspace, double* w,
                    const std::atomic<bool>& cancelled) {
  switch (traitsOf(options.kind).form) {
    case HeadForm::kAveraging:
      fitAveraging(source, cancelled, workspace, w);
      return {TrialStatus::kOk, HeadSolver::kNone};
    case HeadForm::kWeightedAveraging:
      fitWeightedAveraging(source, cancelled, workspace, w);
      return {TrialStatus::kOk, HeadSolver::kNone};
    case HeadForm::kMargin:
      return {fitByIteration(source, options, workspace, w, cancelled), HeadSolver::kDirect};
    case HeadForm::kLeastSquares:
      break;
  }
  const TrialStatus status = source.examples() >= source.dimension()
                                 ? fitPrimal(source, options.ridge, cancelled, workspace, w)
                                 : fitDual(source, options.ridge, cancelled, workspace, w);
  if (status != TrialStatus::kSingular) return {status, HeadSolver::kDirect};
  return fitOrthogonally(source, options, workspace, w, cancelled);
}

}  // namespace prompt_attention
