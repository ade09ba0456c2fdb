// The sets of examples that a hinge head has below, on and above the kink of its loss, and the head that
// belongs to them: what hinge_polish.h does, step by step.
#pragma once

#include <atomic>
#include <vector>

#include "core/base/augmented_system.h"
#include "core/base/double_double.h"
#include "core/heads/linear_heads.h"

namespace prompt_attention {

// Margins within this of 1 are 1.
constexpr double kSlack = 1e-9;

class HingeSets {
  enum class Side : signed char { kBelow, kAt, kAbove };

 public:
  // `mostShare`: the bound of a_i/c_i, ∞ for the hard margin.
  HingeSets(const HeadFeatures& features, double ridge, double mostShare, const std::atomic<bool>& cancelled);

  // With a free intercept, of features told from those of example `reference`.
  HingeSets(const HeadFeatures& features, double ridge, int reference, const std::atomic<bool>& cancelled);

  // From an approximate head w[d] and multipliers a[n]; true with the exact head in w.
  bool polish(double* w, const std::vector<double>& a);
  // The same from a = 0, by an active set method: one example a time joins those on the kink, and leaves them
  // where its multiplier meets a bound. Every step raises the dual objective, so sets do not return.
  bool search(double* w);
  // Whether search() ended because the dual objective has no bound: no head keeps all margins.
  bool isUnbounded() const { return isUnbounded_; }

  // ‖w − ŵ‖ by the duality gap.
  double errorBound(const double* w, const std::vector<double>& a);

 private:
  // a_r/c_r of the reference by Σ a_i y_i = 0.
  double balancingShare() const;
  bool referenceIsWithin();
  void margins(const double* w);
  // w and the multipliers on the kink for the present sides; `dependent`: also of examples on it that are.
  bool solve(std::vector<double>& head, bool dependent);
  // y_i v_i of the examples, in columns of m entries.
  std::vector<double> signedFeatures(const std::vector<int>& examples, int m) const;
  // Goes from the shares to the multipliers that were solved for, as far as the bounds let it; true if it got
  // there, else one example has left the kink.
  bool advance();
  void leaveKink(int i, bool above);
  // Where the example that enters is a combination of those on the kink, y v = Σ β_i y_i v_i, its multiplier
  // grows at the cost of theirs and w stays, until one of them meets a bound. False if it is no combination,
  // if none does, or if it has left the kink again.
  bool exchange(int entering);
  // β and what is left of the target.
  bool combine(const std::vector<int>& examples, const std::vector<double>& target, std::vector<double>& rest,
               std::vector<double>& beta) const;
  // The example furthest on the wrong side of the kink; −1 if there is none.
  int mostViolating(const double* head);
  // The same where examples on the kink are dependent: w is f and the least norm step to the kink, and of the
  // multipliers the ones next to those of the interior point are taken.
  bool solveDependent(AugmentedSystem& system, const ExtendedVector& f, std::vector<double>& s);
  // Moves the examples that are not where they should be; true if there are none.
  bool settle(const double* head);

  const double* V_;
  const double* y_;
  const int n_;
  int d_;
  const int penalised_;
  const double ridge_;
  const double mostShare_;
  const std::atomic<bool>& cancelled_;
  std::vector<Side> sides_;      // [n]
  std::vector<double> margins_;  // [n]
  std::vector<double> shares_;   // [n] a_i/c_i of the interior point
  std::vector<double> targets_;  // [n] margins on the kink
  int reference_ = -1;
  std::vector<double> differences_;  // [n×d] with a reference
  std::vector<int> at_;              // B
  Side enteringSide_ = Side::kAbove;
  bool isUnbounded_ = false;
  std::vector<double> multipliers_;  // a_i/c_i on B
};

}  // namespace prompt_attention
