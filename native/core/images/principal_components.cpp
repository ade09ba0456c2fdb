#include "core/images/principal_components.h"

#include <algorithm>
#include <cmath>

#include "core/base/blas.h"
#include "core/base/convergence_failure.h"

namespace prompt_attention {

namespace {

constexpr int kBlockRows = 256;

void centredCovariance(const double* X, int n, int d, PrincipalComponents& result,
                       const std::atomic<bool>& cancelled) {
  const std::vector<double> ones(kBlockRows, 1.0);
  for (int first = 0, rows; first < n && !cancelled; first += rows) {
    rows = std::min(kBlockRows, n - first);
    addTransposedProduct(1.0 / n, X + static_cast<size_t>(first) * d, rows, d, ones.data(),
                         result.mean.data());
  }
  std::vector<double> block(static_cast<size_t>(kBlockRows) * d);
  for (int first = 0, rows; first < n && !cancelled; first += rows) {
    rows = std::min(kBlockRows, n - first);
    const double* from = X + static_cast<size_t>(first) * d;
    for (int row = 0; row < rows; ++row)
      for (int j = 0; j < d; ++j) {
        const size_t at = static_cast<size_t>(row) * d + j;
        block[at] = (from[at] - result.mean[j]) / std::sqrt(static_cast<double>(n));
      }
    addGram(block.data(), rows, d, result.covariance.data());
  }
  for (int row = 0; row < d; ++row)
    for (int column = row + 1; column < d; ++column)
      result.covariance[static_cast<size_t>(row) * d + column] =
          result.covariance[static_cast<size_t>(column) * d + row];
}

}  // namespace

PrincipalComponents principalComponents(const double* X, int n, int d, const std::atomic<bool>& cancelled) {
  const size_t square = static_cast<size_t>(d) * d;
  PrincipalComponents result{std::vector<double>(d), std::vector<double>(square), std::vector<double>(d),
                             std::vector<double>(square)};
  centredCovariance(X, n, d, result, cancelled);
  if (cancelled) return result;
  std::vector<double> scratch = result.covariance;
  if (!symmetricEigen(scratch.data(), d, result.values.data(), result.vectors.data()))
    throw ConvergenceFailure("the eigenvalues of the covariance did not converge");
  std::reverse(result.values.begin(), result.values.end());
  for (int row = 0; row < d / 2; ++row)
    std::swap_ranges(result.vectors.begin() + static_cast<ptrdiff_t>(row) * d,
                     result.vectors.begin() + static_cast<ptrdiff_t>(row + 1) * d,
                     result.vectors.begin() + static_cast<ptrdiff_t>(d - 1 - row) * d);
  for (int row = 0; row < d; ++row) {
    double* vector = result.vectors.data() + static_cast<size_t>(row) * d;
    const double largest =
        *std::max_element(vector, vector + d, [](double a, double b) { return std::abs(a) < std::abs(b); });
    if (largest < 0.0) std::transform(vector, vector + d, vector, [](double x) { return -x; });
  }
  return result;
}

}  // namespace prompt_attention
