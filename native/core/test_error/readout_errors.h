// Test errors of many readouts whose rare scores are alike: the trajectories of one law (theory.md §4, §10).
//
// Error given the m scores, summed over labels and atoms; and how scores are drawn: plainly, or by one ladder
// for all readouts, chosen for the one that is most like their mean (score_ladder.h). Values carry the
// weights of their draws, so that any readout may be averaged over them. Cost of a choice: 256 plain draws
// and some hundred values a pilot, and the ladder's own pilot if rare scores add more than a thousandth.
#pragma once

#include <functional>
#include <vector>

#include "core/test_error/score_ladder.h"
#include "core/test_error/test_error.h"

namespace prompt_attention {

class ReadoutErrors {
 public:
  ReadoutErrors(const Mixture& mixture, const std::atomic<bool>& cancelled);

  // Chooses the ladder by pilots; `scores` is read where draw() does not read it for fewer than 2³⁴ draws if
  // it is a stream of their own.
  void choose(const std::vector<Readout>& pilots, const Stream& scores);

  // Draws first … first+count−1 of the stream at ‖q‖ = promptNorm, count ≤ kPooledBlock; first is a multiple
  // of kLadderPeriod.
  void draw(const Stream& scores, int first, int count, double promptNorm);
  // Weights of the draws.
  const double* weights() const { return ladderWorkspace_.weights; }
  // Errors given those draws, not weighted, into errors[kPooledBlock].
  void errors(const Readout& readout, int count, double* errors);
  // Σ A over plain draws first … first+count−1 of the stream: attention has no rare draws that carry it, and
  // a ratio of weighted sums would be biased.
  double relevantMass(const Readout& readout, const Stream& scores, int first, int count);

 private:
  // visit(term) with the pooled draws in pooling_.pooled, for every (y, δ).
  template <class Visit>
  void forEachTerm(const Readout& readout, const ScoreSums& sums, int count, Visit visit);
  void conditional(const Readout& readout, const ScoreSums& sums, int count, double* errors);

  const Mixture& mixture_;
  const std::atomic<bool>& cancelled_;
  const std::vector<LabelTerm> terms_;
  ScoreLadder ladder_;
  LadderWorkspace ladderWorkspace_;
  PoolingWorkspace pooling_;
  ScoreSums plain_;
};

}  // namespace prompt_attention
