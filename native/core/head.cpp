#include "core/head.h"

#include <algorithm>

#include "core/blas.h"
#include "core/iterated_head.h"

namespace prompt_attention {

namespace {

constexpr int kRowsPerBlock = 256;

TrialStatus solve(double* matrix, int order, double ridge, double* rightHandSide, HeadWorkspace& workspace) {
  for (int i = 0; i < order; ++i) matrix[static_cast<size_t>(i) * order + i] += ridge;
  workspace.scratch.resize(3 * static_cast<size_t>(order));
  workspace.integerScratch.resize(order);
  const double reciprocalCondition = solvePositiveDefinite(
      matrix, order, rightHandSide, workspace.scratch.data(), workspace.integerScratch.data());
  return reciprocalCondition < kLeastReciprocalCondition ? TrialStatus::kSingular : TrialStatus::kOk;
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
  return solve(workspace.matrix.data(), d, source.examples() * ridge, w, workspace);
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
  outerGram(workspace.rows.data(), n, d, workspace.matrix.data());
  if (cancelled) return TrialStatus::kNotConverged;
  const TrialStatus status =
      solve(workspace.matrix.data(), n, n * ridge, workspace.solution.data(), workspace);
  std::fill(w, w + d, 0.0);
  addTransposedProduct(1.0, workspace.rows.data(), n, d, workspace.solution.data(), w);
  return status;
}

TrialStatus statusOf(LinearHeadStatus status) {
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
  return statusOf(fitIterated(options, V, y, n, d, w, cancelled).status);
}

}  // namespace

double headBytes(HeadKind kind, double n, double d) {
  const double block = std::min<double>(kRowsPerBlock, n) * d;
  if (kind == HeadKind::kAveraging) return sizeof(double) * block;
  // Logistic and hinge: the features, and by the smaller of n and d (iterated_head.h) a block of them
  // weighted, the matrix of the Newton step, or its square root (logistic).
  if (kind != HeadKind::kLeastSquares) {
    const double m = std::min(n, d);
    return sizeof(double) * (n * d + block + 4.0 * m * m + (kind == HeadKind::kLogistic ? n * m : 0.0));
  }
  return sizeof(double) * (n >= d ? block + d * d : n * d + n * n);
}

TrialStatus fitHead(FeatureSource& source, const HeadOptions& options, HeadWorkspace& workspace, double* w,
                    const std::atomic<bool>& cancelled) {
  switch (options.kind) {
    case HeadKind::kAveraging:
      fitAveraging(source, cancelled, workspace, w);
      return TrialStatus::kOk;
    case HeadKind::kLogistic:
    case HeadKind::kHinge:
      return fitByIteration(source, options, workspace, w, cancelled);
    case HeadKind::kLeastSquares:
      break;
  }
  return source.examples() >= source.dimension() ? fitPrimal(source, options.ridge, cancelled, workspace, w)
                                                 : fitDual(source, options.ridge, cancelled, workspace, w);
}

}  // namespace prompt_attention
