// The test and training error of a head's limit where few draws carry them (theory.md §10).
//
// The state of risk.h is an average that ordinary draws tell; the errors Φ(−a/t), Φ(−(a + e₀χs²)/t) at that
// state may come from draws that no lattice holds. A pilot asks whether they do; then both errors are
// averages over the ladder of score_ladder.h, with their derivatives by the state, so that what is not known
// of the state enters their standard errors. Draws are the same for every state up to the ladder's choice.
// Where label imbalance makes one of several heads (label_imbalance.h), the ladder is chosen for the average
// over them, and every draw serves them all.
// Cost: that of the ladder's draws, some ten times as much a draw as the lattice; a normal tail a draw, head
// and (y, δ).
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "core/laws/risk_sums.h"
#include "core/mixture/pooling.h"

namespace prompt_attention {

// Derivatives of an error by w1, w2, R, χ and the intercept.
using StateSlopes = std::array<double, 5>;

// A mean, and how far it can be trusted.
struct TailMean {
  double mean;
  double standardError;  // of the draws; not of the states
  double effectiveDraws;
  std::vector<StateSlopes> by;  // of the mean, by the state of each head
};

struct RiskTail {
  TailMean test;
  TailMean training;
};

// A head and how likely it is.
struct TailHead {
  double probability;
  RiskState state;
  double slopeAtZero;  // e₀ of errorSums
  LabelRates rates;
};

struct RiskTailSpec {
  const Mixture& mixture;
  double inverseTemperature;
  const RiskPoints& points;
  std::vector<TailHead> heads;
  StreamKey key;
  int draws;
};

// What as many plain draws as the spec has most likely miss of the error, of which they have `error`, with
// squares of the mean `squares`.
struct Missed {
  double error;
  bool matters;
};
Missed missedTail(const RiskTailSpec& spec, double error, double squares, PoolingWorkspace& workspace,
                  const std::atomic<bool>& cancelled);

// By the ladder, for relevant tokens without noise, of spec.draws draws, or as many as its pilot wants up to
// kMostTailFactor times as many; on to those while fewer than kLeastEffectiveDraws of them are effective.
constexpr int kMostTailFactor = 16;
RiskTail riskTail(const RiskTailSpec& spec, PoolingWorkspace& workspace, const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
