#include "core/laws/risk_tail.h"

#include <algorithm>
#include <cmath>

#include "core/test_error/score_ladder.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

namespace {

// Streams of the ladder and of the pilot's plain draws, apart from those of the lattice.
constexpr uint64_t kTailTrial = uint64_t{1} << 32;

Stream tailStream(const RiskTailSpec& spec) {
  return {spec.key, Sample::kRisk, Field::kScore, kTailTrial};
}

// The errors of draws and their derivatives at the state of a spec.
class StateErrors {
 public:
  StateErrors(const RiskTailSpec& spec, PoolingWorkspace& workspace)
      : spec_(spec),
        workspace_(workspace),
        prompt_(spec.inverseTemperature * spec.mixture.contextVector()),
        w_{spec.state.w1, spec.state.w2},
        R_(noiseNorm(spec.points, spec.state)),
        terms_(labelTerms(spec.mixture)) {}

  int tokens() const { return spec_.mixture.irrelevantTokens(); }
  // The scores are c g, and t̃ is along e1: a negative τ has the sign of c.
  double scale() const { return spec_.mixture.noiseLevel * prompt_.e1; }

  // visit(i, probability, a, t, b, shift) for every draw and (y, δ); `rates` of the training labels or of
  // those to come. shift is e₀χs².
  template <class Visit>
  void forEach(const ScoreSums& sums, int count, Visit visit) const {
    for (size_t j = 0; j < terms_.size(); ++j) {
      const LabelTerm& term = terms_[j];
      if (term.probability == 0.0) continue;
      std::fill_n(workspace_.gaps, kPooledBlock, dot(term.mu, prompt_) - dot(term.r, prompt_));
      pool(spec_.mixture, workspace_.gaps, count, sums, workspace_.pooled);
      const Pooled& pooled = workspace_.pooled;
      const double training = spec_.points.batches[0][j].probability;
      for (int i = 0; i < count; ++i) {
        const PlaneVector u = pooled.relevantMass[i] * term.r + pooled.irrelevantMass[i] * term.mu +
                              PlaneVector{pooled.alongPrompt[i], 0.0};
        const PlaneVector b = term.y * u;
        visit(i, term.probability, training, b, pooled.variance[i]);
      }
    }
  }

  void values(const ScoreSums& sums, int count, double* out) const {
    std::fill_n(out, kPooledBlock, 0.0);
    forEach(sums, count, [&](int i, double probability, double, PlaneVector b, double variance) {
      out[i] += probability * misclassification(dot(w_, b), std::sqrt(variance) * R_);
    });
  }

  // Test and training error of each draw, and its part of their derivatives times `weights` into the sums.
  void add(const ScoreSums& sums, int count, const double* weights, double* test, double* training,
           std::array<double, 4>& testBy, std::array<double, 4>& trainingBy) const {
    std::fill_n(test, count, 0.0);
    std::fill_n(training, count, 0.0);
    const double shift = spec_.slopeAtZero * spec_.state.chi;
    forEach(sums, count, [&](int i, double probability, double rate, PlaneVector b, double variance) {
      const double s = std::sqrt(variance);
      const double t = s * R_;
      const double a = dot(w_, b);
      // `byChi` is the derivative of the margin by χ.
      const auto addTo = [&](double margin, double byChi, double p, double& value,
                             std::array<double, 4>& by) {
        value += p * misclassification(margin, t);
        if (!(t > 0.0)) return;
        const double z = margin / t;
        const double density = weights[i] * p * std::exp(-0.5 * z * z) * (0.5 * M_2_SQRTPI * M_SQRT1_2) / t;
        by[0] -= density * b.e1;
        by[1] -= density * b.e2;
        by[2] += density * s * z;
        by[3] -= density * byChi;
      };
      addTo(a, 0.0, probability, test[i], testBy);
      addTo(a + shift * variance, spec_.slopeAtZero * variance, rate, training[i], trainingBy);
    });
  }

 private:
  const RiskTailSpec& spec_;
  PoolingWorkspace& workspace_;
  const PlaneVector prompt_;
  const PlaneVector w_;
  const double R_;
  const std::vector<LabelTerm> terms_;
};

TailMean tailMean(const WeightedMean& mean, const std::array<double, 4>& by) {
  const double draws = mean.draws();
  return {mean.mean(),   mean.standardError(), mean.effectiveDraws(), by[0] / draws,
          by[1] / draws, by[2] / draws,        by[3] / draws};
}

}  // namespace

bool missesTail(const RiskTailSpec& spec, double error, double squares, PoolingWorkspace& workspace,
                const std::atomic<bool>& cancelled) {
  // What plain draws miss of a mean, and of its variance, before the interval is no longer right.
  constexpr double kShareOfMean = 1e-3;
  constexpr double kShareOfSquares = 0.05;
  const StateErrors errors(spec, workspace);
  if (spec.draws * error * error < 2.0 * kLeastEffectiveDraws * squares) return true;
  drawScoreSums(tailStream(spec), 0, kPooledBlock, errors.tokens(), errors.scale(), cancelled,
                workspace.sums);
  LadderWorkspace scratch;
  const UnseenMoments unseen = unseenMoments(
      workspace.sums, spec.draws, errors.tokens(), errors.scale(),
      [&](const ScoreSums& sums, int count, double* out) { errors.values(sums, count, out); }, scratch);
  // Of the whole, in which what is seen has the rest of the probability.
  const double whole = 1.0 + unseen.probability;
  return std::abs((error + unseen.power[0]) / whole - error) > kShareOfMean * error ||
         std::abs((squares + unseen.power[1]) / whole - squares) > kShareOfSquares * squares;
}

RiskTail riskTail(const RiskTailSpec& spec, PoolingWorkspace& workspace, const std::atomic<bool>& cancelled) {
  const StateErrors errors(spec, workspace);
  const Stream stream = tailStream(spec);
  const int m = errors.tokens();
  const double c = errors.scale();
  LadderWorkspace scratch;
  const ScoreLadder ladder = buildLadder(
      stream, m, c, [&](const ScoreSums& sums, int count, double* out) { errors.values(sums, count, out); },
      cancelled, scratch);
  WeightedMean test(static_cast<int>(ladder.components.size()));
  WeightedMean training(static_cast<int>(ladder.components.size()));
  std::array<double, 4> testBy{};
  std::array<double, 4> trainingBy{};
  double trainingValues[kPooledBlock];
  const int64_t most = static_cast<int64_t>(spec.draws) * kMostTailFactor;
  int64_t first = 0;
  for (int64_t end = spec.draws;; end = std::min(2 * end, most)) {
    while (first < end && !cancelled) {
      // Whole periods: every component has its exact share.
      const int64_t left = (end - first + kLadderPeriod - 1) / kLadderPeriod * kLadderPeriod;
      const int count = static_cast<int>(std::min<int64_t>(kPooledBlock, left));
      drawLadderSums(stream, first, count, m, c, ladder, cancelled, scratch, workspace.sums, scratch.weights);
      errors.add(workspace.sums, count, scratch.weights, workspace.values, trainingValues, testBy,
                 trainingBy);
      for (int i = 0; i < count; ++i) {
        const int stratum = ladder.slots[(first + i) % kLadderPeriod];
        test.add(stratum, scratch.weights[i] * workspace.values[i]);
        training.add(stratum, scratch.weights[i] * trainingValues[i]);
      }
      first += count;
    }
    const double effective = test.effectiveDraws();
    if (effective >= kLeastEffectiveDraws || effective == 0.0 || end == most || cancelled)
      return {tailMean(test, testBy), tailMean(training, trainingBy)};
  }
}

}  // namespace prompt_attention
