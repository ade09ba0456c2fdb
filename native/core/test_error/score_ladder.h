// Importance sampling of the m scores of irrelevant tokens (theory.md §10), for averages over scores that
// rare scores carry: one token, or all of them, 4 to 8 and more standard deviations out.
//
// Defensive mixture: with probability p_j a draw's normals x_t are shifted, all by a_j and one token, chosen
// at random, by D_j more. Component 0 shifts nothing. Whatever component a draw comes from, it has the weight
//
//   1 / Σ_j p_j L_j,   L_j = e^{a_j Σx − m a_j²/2} (1/m) Σ_t e^{D_j (x_t − a_j) − D_j²/2}       (balance
//   heuristic)
//
// ≤ 1/p_0. The D_j are multiples of one step, so that the sums over t are powers of one exponential a token.
// Draw i comes from component slots[i mod 64]: every 64 draws hold each component in its exact share, which
// stratifies the average, and draw i does not depend on how many are drawn.
//
// The ladder is chosen by a pilot (buildLadder): a wide ladder is tried on draws of their own, the shares
// follow the contributions found (steps of expectation–maximisation), and what is left out keeps a coarse
// net. Whether it pays is asked before (unseen_scores.h).
//
// Cost of a draw: per token a normal and two exponentials in double precision, some five times the plain
// draw; per component an exponential. Failure: modes that no component resembles have few effective draws, or
// none: a caller checks effectiveDraws() against kLeastEffectiveDraws.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <vector>

#include "core/mixture/pooling.h"

namespace prompt_attention {

// Fewer effective draws (Σv)²/Σv² than this leave an interval that cannot be trusted. With it, and standard
// errors lengthened for skewness, intervals of 150 settings × 50 seeds at 640 draws covered 93.7 to 96.8 % in
// every decade from .1 to 1e-12 and none was marked (test/audit/test-error.ts 150 50 640 20000 2 3).
constexpr double kLeastEffectiveDraws = 100.0;
// Largest squared skewness of a mean whose interval is trusted; found by calibration
// (test/audit/test-error.ts).
constexpr double kLargestSkewness = 0.3;
// A sample that says itself whether it will do is biased, if those that will not are left out: pilots on
// draws of their own choose between plain draws and a ladder, and how many, so that by this factor more than
// enough.
constexpr double kPilotMargin = 2.0;

constexpr int kLadderPeriod = 64;

struct LadderComponent {
  double common;  // a √m
  int power;      // D in steps
  double share;   // p
};

struct ScoreLadder {
  double step = 1.0;                        // of D
  int powers = 0;                           // largest power of a component
  std::vector<LadderComponent> components;  // the first is plain
  double drawsWanted = 0.0;                 // by the pilot
  std::array<uint8_t, kLadderPeriod> slots{};
};

// Values of the draws with the given sums, into errors[kPooledBlock]: what is averaged.
using ValuesOf = std::function<void(const ScoreSums& sums, int count, double* values)>;

// Shifts of the draws of a block, padded to whole groups.
struct BlockShifts {
  double common[kPooledBlock];  // a
  double extra[kPooledBlock];   // D
  int token[kPooledBlock];      // that D moves
};

// Scratch of one thread.
struct LadderWorkspace {
  BlockShifts shifts{};
  ScoreSums sums;
  alignas(64) double weights[kPooledBlock];
  alignas(64) double values[kPooledBlock];
  std::vector<double> powerSums;  // [(1 + powers)×kPooledBlock]: Σx, then Σ e^{j·step·x}
  std::vector<double> ratios;     // [components×kPooledBlock]: p_j L_j / Σ_i p_i L_i
};

// As drawScoreSums of pooling.h, from the ladder, with the weights of the draws into weights[kPooledBlock].
// The same positions of the stream are read; the token that is shifted is chosen by Field::kShift of the same
// sample and trial.
void drawLadderSums(const Stream& stream, uint64_t first, int count, int m, double c,
                    const ScoreLadder& ladder, const std::atomic<bool>& cancelled, LadderWorkspace& workspace,
                    ScoreSums& sums, double* weights);

// The ladder for the given values. The pilot's draws are positions of the stream from 2³⁴ on.
ScoreLadder buildLadder(const Stream& stream, int m, double c, const ValuesOf& valuesOf,
                        const std::atomic<bool>& cancelled, LadderWorkspace& workspace);

// Mean of weighted values, its standard error and effective number of draws, to full relative accuracy
// however small the values are. Values are told by stratum: draw i of a ladder is of stratum slots[i mod 64].
class WeightedMean {
 public:
  explicit WeightedMean(int strata = 1) : strata_(strata) {}
  void add(int stratum, double value);
  double draws() const { return draws_; }
  double mean() const { return draws_ > 0.0 ? scale_ * sum_ / draws_ : 0.0; }
  // From the variance within strata of two draws or more.
  double standardError() const;
  // (Σv)²/Σv²; 0 if every value was 0.
  double effectiveDraws() const { return squares_ > 0.0 ? sum_ * sum_ / squares_ : 0.0; }
  // (third central moment)² / (draws · variance³): where it is large, the mean is not normal.
  double squaredSkewness() const;

 private:
  struct Stratum {
    double draws = 0.0;
    double mean = 0.0;
    double squares = 0.0;  // Σ (v − mean)²
  };
  void rescale(double value);

  std::vector<Stratum> strata_;
  double scale_ = 0.0;  // values below are relative to it: a power of two
  double draws_ = 0.0;
  double sum_ = 0.0;
  double squares_ = 0.0;
  double cubes_ = 0.0;
};

}  // namespace prompt_attention
