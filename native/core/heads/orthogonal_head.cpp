#include "core/heads/orthogonal_head.h"

#include <algorithm>
#include <cmath>

namespace prompt_attention {

namespace {

constexpr int kRowsPerBlock = 256;

// [Vᵀ; √p I], n columns, or [V; √p I], d columns; column-major. Labels into y[n].
std::vector<double> augmentedFeatures(FeatureSource& source, double penalty, std::vector<double>& y,
                                      const std::atomic<bool>& cancelled) {
  const int n = source.examples();
  const int d = source.dimension();
  const int k = std::min(n, d);
  const size_t m = static_cast<size_t>(std::max(n, d)) + (penalty > 0.0 ? k : 0);
  std::vector<double> A(m * k, 0.0);
  y.resize(n);
  if (n <= d && penalty == 0.0) {
    source.rows(0, n, A.data(), y.data());
    return A;
  }
  std::vector<double> block(static_cast<size_t>(std::min(n, kRowsPerBlock)) * d);
  for (int first = 0, count; first < n && !cancelled; first += count) {
    count = std::min(kRowsPerBlock, n - first);
    source.rows(first, count, block.data(), y.data() + first);
    for (int i = 0; i < count; ++i) {
      const double* v = block.data() + static_cast<size_t>(i) * d;
      if (n <= d) {
        std::copy_n(v, d, A.data() + (first + i) * m);
      } else {
        for (int j = 0; j < d; ++j) A[j * m + first + i] = v[j];
      }
    }
  }
  const double root = std::sqrt(penalty);
  if (penalty > 0.0)
    for (int j = 0; j < k; ++j) A[j * m + std::max(n, d) + j] = root;
  return A;
}

}  // namespace

double orthogonalBytes(double examples, double dimension, double ridge) {
  const double k = std::min(examples, dimension);
  const double m = std::max(examples, dimension) + (ridge > 0.0 ? k : 0.0);
  // The matrix, and the factor in double-double.
  return 3.0 * sizeof(double) * m * k;
}

OrthogonalOutcome fitOrthogonally(FeatureSource& source, double penalty, double* w,
                                  const std::atomic<bool>& cancelled) {
  const int n = source.examples();
  const int d = source.dimension();
  const int k = std::min(n, d);
  const int m = std::max(n, d) + (penalty > 0.0 ? k : 0);
  std::vector<double> y;
  std::vector<double> A = augmentedFeatures(source, penalty, y, cancelled);
  AugmentedSystem system(std::move(A), m, k, cancelled);
  const bool isWide = n <= d;
  std::vector<double> s(m);
  std::vector<double> t(k);
  y.resize(isWide ? k : m, 0.0);
  const auto finish = [&](TrialStatus status, Factorisation factorisation) {
    if (status == TrialStatus::kOk) std::copy_n(isWide ? s.data() : t.data(), d, w);
    return OrthogonalOutcome{status, factorisation};
  };
  const AugmentedAttempt found =
      attempt(system, {Factorisation::kGram, Factorisation::kOrthogonal, Factorisation::kExtended}, [&] {
        return isWide ? system.solve(nullptr, y.data(), AugmentedSystem::Target::kS, s.data(), t.data())
                      : system.solve(y.data(), nullptr, AugmentedSystem::Target::kT, s.data(), t.data());
      });
  if (cancelled) return finish(TrialStatus::kNotConverged, found.factorisation);
  if (found.isSolved) return finish(TrialStatus::kOk, found.factorisation);
  // With a penalty columns are never dependent.
  const bool isDeficient = found.isDeficient && penalty == 0.0;
  const bool isRight = isDeficient && (isWide ? system.solveDeficientTransposed(y.data(), s.data())
                                              : system.solveDeficient(y.data(), t.data()));
  return finish(isRight ? TrialStatus::kOk : TrialStatus::kSingular, Factorisation::kExtended);
}

}  // namespace prompt_attention
