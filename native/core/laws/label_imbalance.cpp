#include "core/laws/label_imbalance.h"

#include <algorithm>
#include <cmath>

namespace prompt_attention {

namespace {

constexpr int kNodes = 5;
constexpr double kReach = 6.5;          // standard deviations
constexpr double kLargestStride = 0.4;  // of one
constexpr int kBisections = 100;
// Of the error, between two neighbours that are not halved, and how many times as fast errors change there as
// beside it; how often they are halved.
constexpr double kMostUnresolved = 5e-3;
constexpr double kSharpestTurn = 4.0;
constexpr int kMostHalvings = 12;

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

std::vector<LabelShare> labelShares(double examples, double positiveRate, const LabelErrorsOf& errorsOf) {
  const double deviation = std::sqrt(examples * positiveRate * (1.0 - positiveRate));
  const double stride = std::max(1.0, std::floor(kLargestStride * deviation));
  const double mean = std::round(examples * positiveRate);
  // The binomial distribution of a small mean reaches further than the normal one.
  const int reach = static_cast<int>(std::ceil((kReach * deviation + 4.0) / stride));
  const auto probabilityOf = [&](double count) {
    return std::exp(std::lgamma(examples + 1.0) - std::lgamma(count + 1.0) -
                    std::lgamma(examples - count + 1.0) + count * std::log(positiveRate) +
                    (examples - count) * std::log1p(-positiveRate));
  };
  struct Node {
    double count;
    double probability;
    LabelErrors errors;
  };
  const auto nodeAt = [&](double count) {
    return Node{count, probabilityOf(count), errorsOf(count / examples)};
  };
  std::vector<Node> nodes;
  double error = 0.0;
  for (int step = -reach; step <= reach; ++step) {
    const double count = mean + step * stride;
    if (count < 0.0 || count > examples) continue;
    nodes.push_back(nodeAt(count));
    const LabelErrors& at = nodes.back().errors;
    error += stride * nodes.back().probability * (positiveRate * at[0] + (1.0 - positiveRate) * at[1]);
  }
  const auto jump = [&](size_t i) {
    const LabelErrors& a = nodes[i].errors;
    const LabelErrors& b = nodes[i + 1].errors;
    return positiveRate * std::abs(a[0] - b[0]) + (1.0 - positiveRate) * std::abs(a[1] - b[1]);
  };
  const auto length = [&](size_t i) { return nodes[i + 1].count - nodes[i].count; };
  // The rule is exact for what is smooth: whether the errors turn between node i and the next one, and how
  // much of the whole that is.
  const auto isResolved = [&](size_t i) {
    const double most = std::max(nodes[i].probability, nodes[i + 1].probability);
    if (length(i) < 2.0 || length(i) * most * jump(i) <= kMostUnresolved * error) return true;
    double least = jump(i) / length(i);
    if (i > 0) least = std::min(least, jump(i - 1) / length(i - 1));
    if (i + 2 < nodes.size()) least = std::min(least, jump(i + 1) / length(i + 1));
    return jump(i) / length(i) <= kSharpestTurn * least;
  };
  for (int halving = 0; halving < kMostHalvings; ++halving) {
    std::vector<Node> finer;
    for (size_t i = 0; i < nodes.size(); ++i) {
      finer.push_back(nodes[i]);
      if (i + 1 < nodes.size() && !isResolved(i))
        finer.push_back(nodeAt(std::floor(0.5 * (nodes[i].count + nodes[i + 1].count))));
    }
    if (finer.size() == nodes.size()) break;
    nodes = std::move(finer);
  }
  // The trapezoidal rule on the nodes; where every count is one, the sum itself.
  std::vector<LabelShare> shares;
  double total = 0.0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const double below = i > 0 ? nodes[i].count - nodes[i - 1].count : stride;
    const double above = i + 1 < nodes.size() ? nodes[i + 1].count - nodes[i].count : stride;
    shares.push_back({nodes[i].count / examples, 0.5 * (below + above) * nodes[i].probability});
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
