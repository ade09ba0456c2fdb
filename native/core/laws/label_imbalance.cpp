#include "core/laws/label_imbalance.h"

#include <algorithm>
#include <cmath>

namespace prompt_attention {

namespace {

constexpr int kNodes = 5;
constexpr double kReach = 6.5;          // standard deviations
constexpr double kLargestStride = 0.4;  // of one
constexpr int kBisections = 100;
// Of the error, that a turn between two neighbours may hide, and of the errors there, below which it is none.
constexpr double kMostUnresolved = 2e-4;
constexpr double kSharpTurn = 0.02;
constexpr double kStrideBesideJumps = 0.08;  // standard deviations
constexpr double kAccuracyBesideJumps = 1e-3;

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

// Counts of positive labels on which errors are averaged.
class ShareNodes {
 public:
  ShareNodes(double examples, double positiveRate, const LabelErrorsOf& errorsOf)
      : examples_(examples), positiveRate_(positiveRate), errorsOf_(errorsOf) {}

  // Every stride-th count.
  void place(double stride) {
    stride_ = stride;
    nodes_.clear();
    error_ = 0.0;
    const double deviation = std::sqrt(examples_ * positiveRate_ * (1.0 - positiveRate_));
    const double mean = std::round(examples_ * positiveRate_);
    // The binomial distribution of a small mean reaches further than the normal one.
    const int reach = static_cast<int>(std::ceil((kReach * deviation + 4.0) / stride));
    for (int step = -reach; step <= reach; ++step) {
      const double count = mean + step * stride;
      if (count < 0.0 || count > examples_) continue;
      nodes_.push_back(nodeAt(count));
      error_ += stride * nodes_.back().probability * sizeOf(nodes_.back().errors);
    }
  }

  // Adds counts where the errors of the labels turn between two nodes, halving by halving; false if they do
  // so nowhere. What is smooth the rule averages exactly.
  bool refine() {
    std::vector<Node> finer;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      finer.push_back(nodes_[i]);
      if (i + 1 < nodes_.size()) addBetween(nodes_[i], nodes_[i + 1], finer);
    }
    const bool isFiner = finer.size() > nodes_.size();
    nodes_ = std::move(finer);
    return isFiner;
  }

  // The trapezoidal rule on the nodes; where every count is one, the sum itself.
  std::vector<LabelShare> shares() const {
    std::vector<LabelShare> shares;
    double total = 0.0;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const double below = i > 0 ? nodes_[i].count - nodes_[i - 1].count : stride_;
      const double above = i + 1 < nodes_.size() ? nodes_[i + 1].count - nodes_[i].count : stride_;
      shares.push_back({nodes_[i].count / examples_, 0.5 * (below + above) * nodes_[i].probability});
      total += shares.back().probability;
    }
    for (LabelShare& share : shares) share.probability /= total;
    return shares;
  }

 private:
  struct Node {
    double count;
    double probability;
    LabelErrors errors;
  };

  Node nodeAt(double count) const {
    const double logarithm = std::lgamma(examples_ + 1.0) - std::lgamma(count + 1.0) -
                             std::lgamma(examples_ - count + 1.0) + count * std::log(positiveRate_) +
                             (examples_ - count) * std::log1p(-positiveRate_);
    return {count, std::exp(logarithm), errorsOf_(count / examples_)};
  }

  double sizeOf(const LabelErrors& errors) const {
    return positiveRate_ * std::abs(errors[0]) + (1.0 - positiveRate_) * std::abs(errors[1]);
  }

  // Whether a change of the errors between two nodes is a share of them, and counts in the whole.
  bool matters(const Node& a, const Node& b, const LabelErrors& change, double share) const {
    const double size = sizeOf(change);
    return size > share * std::max(sizeOf(a.errors), sizeOf(b.errors)) &&
           (b.count - a.count) * std::max(a.probability, b.probability) * size > kMostUnresolved * error_;
  }

  // By the middle, if the nodes differ at all.
  void addBetween(const Node& a, const Node& b, std::vector<Node>& out) const {
    if (b.count - a.count < 2.0) return;
    if (!matters(a, b, {a.errors[0] - b.errors[0], a.errors[1] - b.errors[1]}, 2.0 * kSharpTurn)) return;
    const Node middle = nodeAt(std::floor(0.5 * (a.count + b.count)));
    const LabelErrors turn{middle.errors[0] - 0.5 * (a.errors[0] + b.errors[0]),
                           middle.errors[1] - 0.5 * (a.errors[1] + b.errors[1])};
    if (!matters(a, b, turn, kSharpTurn)) return;
    addBetween(a, middle, out);
    out.push_back(middle);
    addBetween(middle, b, out);
  }

  const double examples_;
  const double positiveRate_;
  const LabelErrorsOf& errorsOf_;
  double stride_ = 1.0;
  double error_ = 0.0;  // of the nodes that were placed
  std::vector<Node> nodes_;
};

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

LabelShares labelShares(double examples, double positiveRate, const LabelErrorsOf& errorsOf) {
  const double deviation = std::sqrt(examples * positiveRate * (1.0 - positiveRate));
  ShareNodes nodes(examples, positiveRate, errorsOf);
  nodes.place(std::max(1.0, std::floor(kLargestStride * deviation)));
  const bool jumps = nodes.refine();
  if (jumps) {
    // Beside a jump the rule is of second order only.
    nodes.place(std::max(1.0, std::floor(kStrideBesideJumps * deviation)));
    nodes.refine();
  }
  return {nodes.shares(), jumps ? kAccuracyBesideJumps : 0.0};
}

std::array<WrongShare, 2> wrongShares(double examples, double labelNoise) {
  const double deviation = std::sqrt(labelNoise * (1.0 - labelNoise) / examples);
  const double skewness = (1.0 - 2.0 * labelNoise) / (examples * deviation);
  const double root = std::hypot(1.0, 0.5 * skewness);
  const double more = 0.5 * (1.0 - 0.5 * skewness / root);
  return {{{std::max(0.0, labelNoise + deviation * (0.5 * skewness - root)), 1.0 - more},
           {std::min(1.0, labelNoise + deviation * (0.5 * skewness + root)), more}}};
}

std::vector<double> lagrangeWeights(const std::vector<double>& nodes, double x) {
  std::vector<double> weights(nodes.size(), 1.0);
  for (size_t i = 0; i < nodes.size(); ++i)
    for (size_t j = 0; j < nodes.size(); ++j)
      if (j != i) weights[i] *= (x - nodes[j]) / (nodes[i] - nodes[j]);
  return weights;
}

}  // namespace prompt_attention
