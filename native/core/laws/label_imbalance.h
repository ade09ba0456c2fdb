// The O(1/n) term that label imbalance leaves in every head (theory.md §10, "Laws").
//
// With n examples the share of observed positive labels is N₊/n, N₊ binomial, not π (its rate here): the head
// has a component of order Q/√n along q⋆, which the limit n → ∞ forgets. Conditional on N₊ the law of
// theory.md §6 holds with N₊/n in place of π in the training means and π in the test error; what is wanted is
// its mean over N₊.
//
// The head is smooth in the share, but the error can be a step of it (Q² ≫ W²√n), where few nodes return
// their own weights. So heads are solved at the few nodes of labelNodes and interpolated by polynomials, and
// errors are averaged over the many of labelShares.
//
// labelNodes: Gauss quadrature of the binomial distribution, min(5, n + 1) nodes, all in [0, n]: eigenvalues
// of the Jacobi matrix with diagonal π(n − j) + j(1 − π) and off-diagonal √(j π(1 − π)(n − j + 1)).
// labelShares: the binomial probabilities of every stride-th N₊ within 6.5 standard deviations, the stride at
// most 0.4 of one; where the errors of the labels turn between two of them, at most 0.08, and between
// neighbours that differ the others too, halving by halving: Q² ≫ W²√n can leave a single N₊ without error.
// What is left was at most a thousandth of the error. Shares of confusion atoms within a label stay what they
// are in the limit.
#pragma once

#include <array>
#include <functional>
#include <vector>

namespace prompt_attention {

struct LabelShare {
  double positive;     // N₊/n
  double probability;  // of the node
};

struct LabelShares {
  std::vector<LabelShare> nodes;
  double accuracy;  // of the average, relative
};

// Test errors of examples with label +1 and −1 of the head that is learned at a share of positive labels,
// near enough to see where they change.
using LabelErrors = std::array<double, 2>;
using LabelErrorsOf = std::function<LabelErrors(double positive)>;

// n ≥ 1, 0 < π < 1; in increasing order.
std::vector<double> labelNodes(double examples, double positiveRate);
LabelShares labelShares(double examples, double positiveRate, const LabelErrorsOf& errorsOf);

// Two shares of n labels that are wrong, each with probability ε, 0 < ε < 1, and how likely they are: Gauss
// quadrature of the binomial distribution. The margins of a head are proportional to 1 − 2 times the share,
// so that small errors depend on it exponentially, and no few shares tell their mean.
struct WrongShare {
  double share;
  double probability;
};
std::array<WrongShare, 2> wrongShares(double examples, double labelNoise);

// What the values at the nodes are multiplied by to interpolate them at x.
std::vector<double> lagrangeWeights(const std::vector<double>& nodes, double x);

}  // namespace prompt_attention
