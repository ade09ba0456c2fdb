#include "core/laws/risk_tail.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/laws/risk_tail.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "core/base/normal-tail-inl.h"
#include "core/test_error/score_ladder.h"
#include "core/test_error/test_error.h"
#include "core/test_error/unseen_scores.h"

#ifndef PROMPT_ATTENTION_RISK_TAIL_MARGIN
#define PROMPT_ATTENTION_RISK_TAIL_MARGIN
namespace prompt_attention {

// The margin of a head at one (y, δ), ω ~ N(wᵀb + y b0 + e₀χs², s²R²), b = y(A r + (1 − A) μ + t̃ e1); e₀χ is
// 0 for the test error.
struct TailMargin {
  PlaneVector relevant;    // y r
  PlaneVector irrelevant;  // y μ
  double y;
  PlaneVector w;
  double intercept;  // y b0
  double R;
  double shift;        // e₀χ
  double slopeAtZero;  // e₀, or 0 for the test error
  double probability;
};

}  // namespace prompt_attention
#endif

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {

// values[i] += probability·P(ω < 0), and the derivatives of Σ weights[i]·probability·P(ω < 0) to `by`.
// `count` is a multiple of kPooledGroup.
void addTailErrorsOf(const Pooled& pooled, int count, const TailMargin& margin, const double* weights,
                     double* values, double* by) {
  const hn::CappedTag<double, kPooledGroup / 2> d;
  const size_t lanes = hn::Lanes(d);
  const auto constant = [d](double value) HWY_ATTR { return hn::Set(d, value); };
  const auto zero = hn::Zero(d);
  const auto probability = constant(margin.probability);
  auto by1 = zero;
  auto by2 = zero;
  auto byR = zero;
  auto byShift = zero;
  auto by0 = zero;
  for (size_t i = 0; i < static_cast<size_t>(count); i += lanes) {
    const auto A = hn::Load(d, pooled.relevantMass + i);
    const auto B = hn::Load(d, pooled.irrelevantMass + i);
    const auto along = hn::Mul(constant(margin.y), hn::Load(d, pooled.alongPrompt + i));
    const auto variance = hn::Load(d, pooled.variance + i);
    const auto b1 =
        hn::MulAdd(A, constant(margin.relevant.e1), hn::MulAdd(B, constant(margin.irrelevant.e1), along));
    const auto b2 = hn::MulAdd(A, constant(margin.relevant.e2), hn::Mul(B, constant(margin.irrelevant.e2)));
    const auto s = hn::Sqrt(variance);
    const auto t = hn::Mul(s, constant(margin.R));
    const auto isNoisy = hn::Gt(t, zero);
    const auto plane = hn::MulAdd(constant(margin.w.e1), b1, hn::Mul(constant(margin.w.e2), b2));
    const auto mean =
        hn::MulAdd(constant(margin.shift), variance, hn::Add(plane, constant(margin.intercept)));
    const auto certain = hn::IfThenElse(hn::Eq(mean, zero), zero, hn::CopySign(hn::Inf(d), mean));
    const auto z = hn::IfThenElse(isNoisy, hn::Div(mean, t), certain);
    const auto at = normalTailAndDensity(d, z);
    hn::Store(hn::MulAdd(probability, at.tail, hn::Load(d, values + i)), d, values + i);
    const auto weighted = hn::Mul(hn::Mul(hn::Load(d, weights + i), probability), at.density);
    const auto density = hn::IfThenElse(isNoisy, hn::Div(weighted, t), zero);
    by1 = hn::NegMulAdd(density, b1, by1);
    by2 = hn::NegMulAdd(density, b2, by2);
    byR = hn::MulAdd(hn::Mul(density, s), hn::IfThenElse(isNoisy, z, zero), byR);
    byShift = hn::NegMulAdd(density, variance, byShift);
    by0 = hn::Sub(by0, density);
  }
  by[0] += hn::GetLane(hn::SumOfLanes(d, by1));
  by[1] += hn::GetLane(hn::SumOfLanes(d, by2));
  by[2] += hn::GetLane(hn::SumOfLanes(d, byR));
  by[3] += margin.slopeAtZero * hn::GetLane(hn::SumOfLanes(d, byShift));
  by[4] += margin.y * hn::GetLane(hn::SumOfLanes(d, by0));
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace prompt_attention {

HWY_EXPORT(addTailErrorsOf);

namespace {

// Streams of the ladder and of the pilot's plain draws, apart from those of the lattice.
constexpr uint64_t kTailTrial = uint64_t{1} << 32;

Stream tailStream(const RiskTailSpec& spec) {
  return {spec.key, Sample::kRisk, Field::kScore, kTailTrial};
}

// The errors of draws, averaged over the heads of a spec, and their derivatives at the heads' states.
class StateErrors {
 public:
  StateErrors(const RiskTailSpec& spec, PoolingWorkspace& workspace)
      : spec_(spec),
        workspace_(workspace),
        prompt_(spec.inverseTemperature * spec.mixture.contextVector()),
        terms_(riskTerms(spec.mixture, spec.points.intercept)) {}

  int tokens() const { return spec_.mixture.irrelevantTokens(); }
  // The scores are c g, and t̃ is along e1: a negative τ has the sign of c.
  double scale() const { return spec_.mixture.noiseLevel * promptLength(); }
  double promptLength() const { return prompt_.e1; }

  void values(const ScoreSums& sums, const ScoreSums& relevantSums, int count, double* out) {
    std::fill_n(out, kPooledBlock, 0.0);
    forEach(sums, relevantSums, count,
            [&](const Pooled& pooled, const LabelTerm& term, const RiskSegment& segment) {
              if (segment.testProbability == 0.0) return;
              for (const TailHead& head : spec_.heads) {
                const PlaneVector w{head.state.w1, head.state.w2};
                const Margin margin{term.y,
                                    dot(term.r, w),
                                    dot(term.mu, w),
                                    w.e1,
                                    noiseNorm(spec_.points, head.state),
                                    -head.state.intercept};
                addErrors(pooled, count, margin, head.probability * segment.testProbability, out);
              }
            });
  }

  // Test and training error of each draw, and its part of their derivatives times `weights` into the sums.
  // `count` is a multiple of kPooledGroup.
  void add(const ScoreSums& sums, int count, const double* weights, double* test, double* training,
           std::vector<StateSlopes>& testBy, std::vector<StateSlopes>& trainingBy) {
    std::fill_n(test, count, 0.0);
    std::fill_n(training, count, 0.0);
    forEach(sums, workspace_.relevantSums, count,
            [&](const Pooled& pooled, const LabelTerm& term, const RiskSegment& segment) {
              for (size_t h = 0; h < spec_.heads.size(); ++h) {
                const TailHead& head = spec_.heads[h];
                TailMargin margin{.relevant = term.observed * term.r,
                                  .irrelevant = term.observed * term.mu,
                                  .y = term.observed,
                                  .w = {head.state.w1, head.state.w2},
                                  .intercept = term.observed * head.state.intercept,
                                  .R = noiseNorm(spec_.points, head.state),
                                  .shift = 0.0,
                                  .slopeAtZero = 0.0,
                                  .probability = head.probability * segment.testProbability};
                if (segment.testProbability > 0.0) HWY_DYNAMIC_DISPATCH(addTailErrorsOf)
                (pooled, count, margin, weights, test, testBy[h].data());
                margin.shift = head.slopeAtZero * head.state.chi;
                margin.slopeAtZero = head.slopeAtZero;
                margin.probability = head.probability * head.rates.of(term.observed) * segment.probability;
                HWY_DYNAMIC_DISPATCH(addTailErrorsOf)
                (pooled, count, margin, weights, training, trainingBy[h].data());
              }
            });
  }

 private:
  // visit(pooled, term, its segment) for every (y, δ, ỹ).
  template <class Visit>
  void forEach(const ScoreSums& sums, const ScoreSums& relevantSums, int count, Visit visit) {
    for (size_t j = 0; j < terms_.size(); ++j) {
      const LabelTerm& term = terms_[j];
      std::fill_n(workspace_.gaps, kPooledBlock, dot(term.mu, prompt_) - dot(term.r, prompt_));
      pool(spec_.mixture, workspace_.gaps, count, sums, relevantSums, workspace_.pooled);
      visit(workspace_.pooled, term, spec_.points.batches[0][j]);
    }
  }

  const RiskTailSpec& spec_;
  PoolingWorkspace& workspace_;
  const PlaneVector prompt_;
  const std::vector<LabelTerm> terms_;
};

TailMean tailMean(const WeightedMean& mean, std::vector<StateSlopes> by) {
  for (StateSlopes& slopes : by)
    for (double& slope : slopes) slope /= mean.draws();
  return {mean.mean(), mean.standardError(), mean.effectiveDraws(), std::move(by)};
}

}  // namespace

Missed missedTail(const RiskTailSpec& spec, double error, double squares, PoolingWorkspace& workspace,
                  const std::atomic<bool>& cancelled) {
  // What plain draws may miss of a mean, and of its variance. Where a ladder can be had it costs little to
  // take it; where not, what is missed, which enters the standard error, must be small enough for the
  // interval.
  const bool hasLadder = !spec.mixture.hasRelevantNoise();
  const double shareOfMean = hasLadder ? 1e-3 : 1e-2;
  const double shareOfSquares = hasLadder ? 0.05 : 0.5;
  StateErrors errors(spec, workspace);
  if (!(squares > 0.0) || spec.draws * error * error < 2.0 * kLeastEffectiveDraws * squares)
    return {error, true};
  const Mixture& mixture = spec.mixture;
  const double length = errors.promptLength();
  drawTokenSums(mixture, tailStream(spec), 0, kPooledBlock, length, cancelled, workspace.sums,
                workspace.relevantSums);
  const UnseenMoments unseen =
      unseenMoments(workspace.sums, irrelevantScores(mixture, length), workspace.relevantSums,
                    relevantScores(mixture, length), spec.draws, 1.0,
                    [&](const ScoreSums& sums, const ScoreSums& relevantSums, int count, double* out) {
                      errors.values(sums, relevantSums, count, out);
                    });
  // Of the whole, in which what is seen has the rest of the probability.
  const double whole = 1.0 + unseen.probability;
  const double missed = std::abs((error + unseen.power[0]) / whole - error);
  return {missed, missed > shareOfMean * error ||
                      std::abs((squares + unseen.power[1]) / whole - squares) > shareOfSquares * squares};
}

RiskTail riskTail(const RiskTailSpec& spec, PoolingWorkspace& workspace, const std::atomic<bool>& cancelled) {
  StateErrors errors(spec, workspace);
  const Stream stream = tailStream(spec);
  const int m = errors.tokens();
  const double c = errors.scale();
  LadderWorkspace scratch;
  const ScoreLadder ladder = buildLadder(
      stream, m, c,
      [&](const ScoreSums& sums, int count, double* out) {
        errors.values(sums, workspace.relevantSums, count, out);
      },
      cancelled, scratch);
  WeightedMean test(static_cast<int>(ladder.components.size()));
  WeightedMean training(static_cast<int>(ladder.components.size()));
  std::vector<StateSlopes> testBy(spec.heads.size());
  std::vector<StateSlopes> trainingBy(spec.heads.size());
  alignas(64) double trainingValues[kPooledBlock];
  const int64_t most = static_cast<int64_t>(spec.draws) * kMostTailFactor;
  int64_t first = 0;
  const double wanted = std::clamp<double>(ladder.drawsWanted, spec.draws, static_cast<double>(most));
  for (auto end = static_cast<int64_t>(wanted);; end = std::min(2 * end, most)) {
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
#endif  // HWY_ONCE
