#include "core/heads/head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/base/blas.h"
#include "core/heads/hinge_head.h"
#include "core/heads/hinge_polish.h"
#include "core/heads/intercept.h"
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

HeadOutcome fitByIteration(FeatureSource& source, const HeadOptions& options, HeadWorkspace& workspace,
                           double* w, const std::atomic<bool>& cancelled) {
  const int n = source.examples();
  const int d = source.dimension();
  workspace.rows.resize(static_cast<size_t>(n) * d);
  workspace.labels.resize(n);
  double* V = workspace.rows.data();
  double* y = workspace.labels.data();
  source.rows(0, n, V, y);
  if (cancelled) return {TrialStatus::kNotConverged, HeadSolver::kDirect};
  const LinearHeadResult result = fitMarginHead(V, y, n, d, options, w, cancelled);
  return {trialStatusOf(result.status), HeadSolver::kDirect, result.intercept};
}

// Least squares; `options.intercept` is not read.
HeadOutcome fitLeastSquares(FeatureSource& source, const HeadOptions& options, HeadWorkspace& workspace,
                            double* w, const std::atomic<bool>& cancelled) {
  const TrialStatus status = source.examples() >= source.dimension()
                                 ? fitPrimal(source, options.ridge, cancelled, workspace, w)
                                 : fitDual(source, options.ridge, cancelled, workspace, w);
  if (status != TrialStatus::kSingular) return {status, HeadSolver::kDirect};
  return fitOrthogonally(source, options, workspace, w, cancelled);
}

HeadOutcome fitLeastSquaresFreely(FeatureSource& source, HeadOptions options, HeadWorkspace& workspace,
                                  double* w, const std::atomic<bool>& cancelled) {
  const int n = source.examples();
  const int d = source.dimension();
  FeatureMeans means(d);
  forEachBlock(source, cancelled, workspace,
               [&](const double* V, const double* y, int count) { means.add(V, y, count); });
  std::fill(w, w + d, 0.0);
  if (n == 1) return {TrialStatus::kOk, HeadSolver::kDirect, means.interceptOf(w)};
  ContrastFeatures contrasts(source, means);
  options.ridge *= n / (n - 1.0);
  HeadOutcome outcome = fitLeastSquares(contrasts, options, workspace, w, cancelled);
  outcome.intercept = means.interceptOf(w);
  return outcome;
}

// Logistic or hinge head on V[n×d], which is destroyed; with a free intercept w[d + 1] ends with −b.
LinearHeadResult fitColumns(double* V, const double* y, int n, int d, const HeadOptions& options, double* w,
                            const std::atomic<bool>& cancelled) {
  const bool isHinge = options.kind == HeadKind::kHinge;
  const int free = options.intercept ? 1 : 0;
  std::vector<double> multipliers(isHinge ? n : 0);
  const auto fit = [&](const double* columns, int dimension) -> LinearHeadResult {
    const HeadFeatures features{columns, y, n, dimension + free, free};
    switch (options.kind) {
      case HeadKind::kHinge:
        return fitHingeHead(features, nullptr, options.ridge, w, cancelled, multipliers.data());
      case HeadKind::kLogistic:
        return fitLogisticHead(features, options.ridge, w, cancelled);
      case HeadKind::kAveraging:
      case HeadKind::kWeightedAveraging:
      case HeadKind::kLeastSquares:
        break;
    }
    return {LinearHeadStatus::kNotConverged, 0, 1.0};
  };
  const auto polish = [&](const LinearHeadResult& result, const double* columns) {
    if (!isHinge) return result;
    return polishHingeHead(result, {columns, y, n, d + free, free}, options.ridge, multipliers, w, cancelled);
  };
  if (n >= d) {
    const std::vector<double> extended = options.intercept ? withOnes(V, n, d) : std::vector<double>();
    const double* columns = options.intercept ? extended.data() : V;
    return polish(fit(columns, d), columns);
  }
  // The features themselves: rounding would tell examples apart that are the same.
  std::vector<double> given;
  if (isHinge && options.intercept) given = withOnes(V, n, d);
  if (isHinge && !options.intercept) given.assign(V, V + static_cast<size_t>(n) * d);
  std::vector<double> tau(n);
  plainQr(V, d, n, tau.data());
  const size_t width = n + free;
  std::vector<double> reduced(n * width, 0.0);
  for (int i = 0; i < n; ++i) {
    std::copy_n(V + static_cast<size_t>(i) * d, i + 1, reduced.data() + i * width);
    if (options.intercept) reduced[i * width + n] = 1.0;
  }
  std::fill(w, w + d + free, 0.0);
  if (cancelled) return {LinearHeadStatus::kNotConverged, 0, 1.0};
  const LinearHeadResult result = fit(reduced.data(), n);
  if (options.intercept) w[d] = std::exchange(w[n], 0.0);
  applyQ(false, V, d, n, tau.data(), w);
  return polish(result, given.data());
}

}  // namespace

MemoryHold::MemoryHold(MemoryShare* share, double bytes) : fits_(share == nullptr || bytes <= share->all) {
  if (fits_ && share != nullptr && bytes > share->freely) lock_ = std::unique_lock(share->oneAtATime);
}

LinearHeadResult fitMarginHead(double* V, const double* y, int n, int d, const HeadOptions& options,
                               double* w, const std::atomic<bool>& cancelled) {
  if (!options.intercept) return fitColumns(V, y, n, d, options, w, cancelled);
  if (std::all_of(y, y + n, [&](double label) { return label == y[0]; })) {
    std::fill(w, w + d, 0.0);
    const bool exists = options.kind == HeadKind::kHinge;
    return {exists ? LinearHeadStatus::kOk : LinearHeadStatus::kSeparable, 0, 0.0, -y[0]};
  }
  // Without a ridge columns that depend on the ones must not share their coefficient, for w to be of least
  // norm.
  FeatureMeans means(d);
  means.add(V, y, n);
  if (options.ridge == 0.0) means.takeFrom(V, n);
  std::vector<double> all(d + 1);
  LinearHeadResult result = fitColumns(V, y, n, d, options, all.data(), cancelled);
  std::copy_n(all.data(), d, w);
  result.intercept = (options.ridge == 0.0 ? means.scoreOf(w) : 0.0) - all[d];
  return result;
}

bool needsDirect(const HeadOptions& options) {
  if (options.intercept) return true;
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

double headBytes(const HeadOptions& options, double n, double d) {
  const double block = std::min<double>(kRowsPerBlock, n) * d;
  const double smaller = std::min(n, d);
  switch (traitsOf(options.kind).form) {
    case HeadForm::kAveraging:
    case HeadForm::kWeightedAveraging:
      return sizeof(double) * block;
    case HeadForm::kLeastSquares:
      return sizeof(double) * (n >= d ? block + d * d : n * d + n * n);
    case HeadForm::kMargin:
      break;
  }
  // The features, twice with n < d, with ones and as differences with an intercept, a block of them weighted,
  // and the matrix of the Newton step.
  const double copies = (n < d ? 2.0 : 1.0) + (options.intercept ? 2.0 : 0.0);
  return sizeof(double) * (copies * n * d + block + 3.0 * smaller * smaller);
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
      return fitByIteration(source, options, workspace, w, cancelled);
    case HeadForm::kLeastSquares:
      break;
  }
  return options.intercept ? fitLeastSquaresFreely(source, options, workspace, w, cancelled)
                           : fitLeastSquares(source, options, workspace, w, cancelled);
}

}  // namespace prompt_attention
