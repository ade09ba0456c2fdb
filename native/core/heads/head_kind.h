// The heads: what each is called, what loss it minimises and what its ridge must satisfy. Everything that has
// to know which heads there are reads this list; switches over a kind or a property name all of them
// (-Werror=switch-enum).
#pragma once

#include "core/base/named.h"
#include "core/losses/margin_loss.h"

namespace prompt_attention {

enum class HeadKind { kAveraging, kWeightedAveraging, kLeastSquares, kLogistic, kHinge };

// What finds a head: a sum over examples, a Gram matrix, or fitMarginHead.
enum class HeadForm { kAveraging, kWeightedAveraging, kLeastSquares, kMargin };

// Conjugate gradients on lazily drawn noise: as what they find a head that is not a sum; kNone: not at all.
enum class Iteration { kNone, kLeastSquares, kLogistic };

// Of fitted heads; laws also know the limit λ → 0 of the hinge.
enum class RidgeRule { kNone, kNonNegative, kPositive };

struct HeadTraits {
  HeadKind kind;
  const char* name;
  MarginLoss loss;  // sums over examples, which have none, count as square
  RidgeRule ridge;
  HeadForm form;
  Iteration iteration;
};

constexpr HeadTraits kHeads[] = {
    {HeadKind::kAveraging, "averaging", MarginLoss::kSquare, RidgeRule::kNone, HeadForm::kAveraging,
     Iteration::kNone},
    {HeadKind::kWeightedAveraging, "weighted-averaging", MarginLoss::kSquare, RidgeRule::kNone,
     HeadForm::kWeightedAveraging, Iteration::kNone},
    {HeadKind::kLeastSquares, "least-squares", MarginLoss::kSquare, RidgeRule::kNonNegative,
     HeadForm::kLeastSquares, Iteration::kLeastSquares},
    {HeadKind::kLogistic, "logistic", MarginLoss::kLogistic, RidgeRule::kNonNegative, HeadForm::kMargin,
     Iteration::kLogistic},
    {HeadKind::kHinge, "hinge", MarginLoss::kHinge, RidgeRule::kPositive, HeadForm::kMargin,
     Iteration::kNone},
};
static_assert(inOrder(kHeads));

constexpr const HeadTraits& traitsOf(HeadKind kind) {
  return kHeads[static_cast<int>(kind)];
}

// Whether the head is a sum over examples: no equation to solve, no ridge.
constexpr bool isSum(HeadKind kind) {
  return traitsOf(kind).ridge == RidgeRule::kNone;
}

}  // namespace prompt_attention
