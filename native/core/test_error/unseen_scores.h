// What a sample of scores most likely did not see of an average (theory.md §10): the sample that is suspected
// cannot tell. One score, or all of them, further out than any of the draws are put in place of those of a
// few draws, and what values they have is weighed with how likely they are.
#pragma once

#include <functional>
#include <vector>

#include "core/mixture/pooling.h"

namespace prompt_attention {

// Values of the draws with the given sums of irrelevant and relevant tokens, into values[kPooledBlock].
using TokenValuesOf =
    std::function<void(const ScoreSums& sums, const ScoreSums& relevantSums, int count, double* values)>;

// A population of tokens whose scores are noisy: their number and the scale of their scores.
struct NoisyScores {
  int tokens;
  double scale;  // its sign as in drawScoreSums
};
// Those of a mixture under a prompt of this length; its sign as in drawTokenSums.
inline NoisyScores irrelevantScores(const Mixture& mixture, double length) {
  return {mixture.irrelevantTokens(), mixture.noiseLevel * length};
}
// Of no tokens where relevant ones have no noise.
inline NoisyScores relevantScores(const Mixture& mixture, double length) {
  return {mixture.hasRelevantNoise() ? mixture.relevantTokens : 0, mixture.relevantNoiseLevel * length};
}

// Σ over what `draws` plain draws most likely did not see of P·E[value^k], k = 1 … 4.
struct UnseenMoments {
  double probability;
  double power[4];  // of values relative to `scale`
  double scale;     // no value that was found is above it
  // The mean value `from` out, or a step further, along one direction of several, one after the other for
  // each kind of direction.
  struct Step {
    double count;  // of such directions
    double from;
    double value;
  };
  std::vector<Step> steps;

  // What draws further out than any of `draws` plain ones, no fewer than those of the moments, change in a
  // mean at most: part of its standard error where the values seen are too alike to tell.
  double missedOf(double mean, double draws) const;
};

// From the sums of a few plain draws; cost: some hundred values. `scale`: of the moments, or less than some
// value that is found. Where relevant tokens have no noise their sums are not read, and have 0 tokens.
UnseenMoments unseenMoments(const ScoreSums& plain, NoisyScores irrelevant, const ScoreSums& plainRelevant,
                            NoisyScores relevant, double draws, double scale, const TokenValuesOf& valuesOf);

}  // namespace prompt_attention
