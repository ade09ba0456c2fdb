#include "core/lazy/noise_floor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace prompt_attention {

double unitFloor(double longer, double shorter, FloorKind kind) {
  const bool isSure = kind == FloorKind::kSure;
  longer = std::max(longer, shorter);
  const double inBulk = std::sqrt(longer) - std::sqrt(shorter) - (isSure ? 5.0 : 0.0);
  // (5ε)^(M−N+1) = 1e-9, but for a nearly square matrix.
  const double share = isSure ? std::max(1e-4, 0.2 * std::pow(1e-9, 1.0 / (longer - shorter + 1.0))) : 0.5;
  const double atEdge = share * (std::sqrt(longer) - std::sqrt(std::max(shorter - 1.0, 0.0)));
  const double least = std::max(inBulk, atEdge);
  return least * least;
}

double noiseFloor(const std::vector<double>& scales, const std::vector<double>& alongPrompt,
                  const double* weights, int dimension, FloorKind kind) {
  const int n = static_cast<int>(scales.size());
  const auto square = [&](int i) { return scales[i] * scales[i] * (weights == nullptr ? 1.0 : weights[i]); };
  if (n <= dimension) {
    double least = square(0);
    for (int i = 1; i < n; ++i) least = std::min(least, square(i));
    return least * unitFloor(dimension - 2.0, n, kind);
  }
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) { return square(a) > square(b); });
  double floor = 0.0;
  double along = 0.0;
  for (int m = 1; m <= n; ++m) {
    const int i = order[m - 1];
    if (!(square(i) > 0.0)) break;
    const double ratio = alongPrompt[i] / scales[i];
    along += ratio * ratio;
    if (m < dimension) continue;
    const double short1 = kind == FloorKind::kSure ? std::min(1.0, 0.25 * along / m) : 1.0;
    floor = std::max(floor, square(i) * short1 * unitFloor(m, dimension, kind));
  }
  return floor;
}

}  // namespace prompt_attention
