// Steps of the three-step trajectory on samples too large to draw (theory.md §7), and in the limit n, d → ∞.
// Gaussian noise.
//
// A step is a function of the mean over its sample of a few statistics of an example, of Gaussian noise with
// a covariance known given those means, and of χ norms (three_step_projected.h; noise and norms are drawn
// here as there, from the same streams). For a large sample the mean is normal with covariance/n, at the
// values of the earlier steps:
//
//   S1: y u in e1, e2 (a finite sum over labels and atoms)
//   S2: e (Σ_R c r + Σ_irr c μ + σ Σ_irr c g ŵ1) in e1 … e3 and V = e² Σ_irr c². They depend on the m scores
//       through their sum √m x, x ~ N(0, 1), and their squares about the mean S ~ χ²_{m−1} only; V is linear
//       in S and of degree 4 in x, so that five nodes for x and two for S give all second moments exactly.
//   S3: p v in e1 … e4, p²s², v in e1 … e4, p s², s²: averages over draws of the m scores.
//
// Averages over draws of S3 are noisy themselves, and noise in a mean acts like more fluctuation, that is
// like fewer examples. Trajectories of one batch share a base: `draws` draws at the trajectory without
// fluctuations, whose own noise of covariance/draws counts as a part of covariance/n3. Away from the base,
// kInnerDraws draws common to base and trajectory give the difference, which is as small as the trajectory's
// distance from the base. What noise is left (of the difference; of the base if draws < n3) is known, and
// SecondHead holds a second head with as much noise again: the distance of their errors is the bias.
//
// Cost of a head: kInnerDraws·m normals and exponentials. Failure: non-normal means (few examples of a kind
// that matters) are not seen; three_step_law.h takes samples that are small enough as they are.
#pragma once

#include "core/base/joint_moments.h"
#include "core/mixture/frame.h"
#include "core/trials/three_step.h"

namespace prompt_attention {

constexpr int kInnerDraws = 1024;  // a multiple of kPooledBlock

struct LargeSampleSpec {
  Mixture mixture;
  std::array<int, 3> examples;
  ThreeStepOptions options;
  bool fluctuations;  // false: the limit
  StreamKey key;
};

struct SecondHead {
  FrameVector w2;
  double intercept;
};

class LargeSampleSteps {
 public:
  // p v in e1 … e4, p²s², v in e1 … e4, p s², s².
  static constexpr int kStatistics = 11;
  using Statistics = JointMoments<kStatistics>::Vector;

  LargeSampleSteps(const LargeSampleSpec& spec, const std::atomic<bool>& cancelled)
      : spec_(spec),
        mixture_(spec.mixture),
        cancelled_(cancelled),
        terms_(trainingTerms(spec.mixture)),
        k_(spec.mixture.relevantTokens),
        m_(spec.mixture.irrelevantTokens()),
        T_(spec.mixture.tokens) {}

  FrameVector firstHead(uint64_t trial) const { return firstHead(trial, spec_.fluctuations); }
  FrameVector firstPrompt(uint64_t trial, const FrameVector& w1) const {
    return firstPrompt(trial, w1, spec_.fluctuations);
  }
  // The base of a batch, from draws of its own.
  void startBatch(uint64_t batch, int draws);
  // Two heads: the second has the noise of the moments twice.
  std::array<SecondHead, 2> secondHeads(uint64_t trial, const FrameVector& w1, const FrameVector& q1);
  // Means of the batch's base, and the head that they lead to in the limit.
  const Statistics& baseMeans() const { return base_.mean(); }
  SecondHead headAt(const FrameVector& w1, const FrameVector& q1, const Statistics& means) const {
    return headFrom(0, pointAt(w1, q1), means);
  }

 private:
  using ThirdMoments = JointMoments<kStatistics>;
  static constexpr int kNodes = 3;
  // Where the statistics of S3 are taken.
  struct Point {
    FrameVector w1, q1, promptUnit, headUnit;
    double acrossPrompt;
  };

  FrameVector firstHead(uint64_t trial, bool fluctuates) const;
  FrameVector firstPrompt(uint64_t trial, const FrameVector& w1, bool fluctuates) const;
  Stream summary(Sample sample, uint64_t trial) const {
    return Stream(spec_.key, sample, Field::kSummary, trial);
  }
  double remainderNorm(Sample sample, int j, uint64_t trial, bool fluctuates) const;
  Point pointAt(const FrameVector& w1, const FrameVector& q1) const;
  int nodes() const { return spec_.options.head == ThreeStepHead::kFresh ? 1 : kNodes; }
  Statistics statistics(const Point& point, const LabelTerm& term, const Pooled& pooled, int i,
                        int node) const;
  template <class Visit>
  void forEachDraw(const Point& point, int draws, Visit visit);
  SecondHead headFrom(uint64_t trial, const Point& point, const Statistics& mean) const;

  const LargeSampleSpec& spec_;
  const Mixture& mixture_;
  const std::atomic<bool>& cancelled_;
  const std::vector<LabelTerm> terms_;
  const int k_, m_, T_;
  uint64_t batch_ = 0;
  int draws_ = 0;
  ThirdMoments base_;               // of all draws of the batch
  std::vector<Statistics> common_;  // of its first kInnerDraws, draw by draw
  PoolingWorkspace workspace_;
};

}  // namespace prompt_attention
