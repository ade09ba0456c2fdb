#include "core/laws/label_imbalance.h"

#include <algorithm>
#include <cmath>

namespace prompt_attention {

namespace {

constexpr int kNodes = 5;
constexpr double kReach = 6.5;          // standard deviations
constexpr double kLargestStride = 0.4;  // of one
constexpr int kBisections = 100;

struct JacobiMatrix {
  int size;
  double diagonal[kNodes];
  double squares[kNodes];  // of the entry left of the diagonal; 0 for the first
};

// Eigenvalues below x, by the signs of Sturm's sequence.
int eigenvaluesBelow(const JacobiMatrix& matrix, double x) {
  int below = 0;
  double ratio = 1.0;
  for (int j = 0; j < matrix.size; ++j) {
    ratio = matrix.diagonal[j] - x - (j > 0 ? matrix.squares[j] / ratio : 0.0);
    if (ratio == 0.0) ratio = 1e-300;
    below += ratio < 0.0;
  }
  return below;
}

double eigenvalue(const JacobiMatrix& matrix, int index, double low, double high) {
  for (int i = 0; i < kBisections; ++i) {
    const double middle = 0.5 * (low + high);
    (eigenvaluesBelow(matrix, middle) > index ? high : low) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

std::vector<double> labelNodes(double examples, double positiveRate) {
  JacobiMatrix matrix{};
  matrix.size = static_cast<int>(std::min<double>(kNodes, examples + 1.0));
  for (int j = 0; j < matrix.size; ++j) {
    matrix.diagonal[j] = positiveRate * (examples - j) + j * (1.0 - positiveRate);
    matrix.squares[j] = j * positiveRate * (1.0 - positiveRate) * (examples - j + 1.0);
  }
  std::vector<double> nodes(matrix.size);
  for (int i = 0; i < matrix.size; ++i)
    nodes[i] = std::clamp(eigenvalue(matrix, i, -1.0, examples + 1.0) / examples, 0.0, 1.0);
  return nodes;
}

std::vector<LabelShare> labelShares(double examples, double positiveRate) {
  const double deviation = std::sqrt(examples * positiveRate * (1.0 - positiveRate));
  const double stride = std::max(1.0, std::floor(kLargestStride * deviation));
  const double mean = std::round(examples * positiveRate);
  // The binomial distribution of a small mean reaches further than the normal one.
  const int reach = static_cast<int>(std::ceil((kReach * deviation + 4.0) / stride));
  std::vector<LabelShare> shares;
  double total = 0.0;
  for (int step = -reach; step <= reach; ++step) {
    const double count = mean + step * stride;
    if (count < 0.0 || count > examples) continue;
    const double logarithm = std::lgamma(examples + 1.0) - std::lgamma(count + 1.0) -
                             std::lgamma(examples - count + 1.0) + count * std::log(positiveRate) +
                             (examples - count) * std::log1p(-positiveRate);
    shares.push_back({count / examples, std::exp(logarithm)});
    total += shares.back().probability;
  }
  for (LabelShare& share : shares) share.probability /= total;
  return shares;
}

std::vector<double> lagrangeWeights(const std::vector<double>& nodes, double x) {
  std::vector<double> weights(nodes.size(), 1.0);
  for (size_t i = 0; i < nodes.size(); ++i)
    for (size_t j = 0; j < nodes.size(); ++j)
      if (j != i) weights[i] *= (x - nodes[j]) / (nodes[i] - nodes[j]);
  return weights;
}

}  // namespace prompt_attention
