// The heads: what each is called, what loss it minimises and what its ridge must satisfy. Everything that has
// to know which heads there are reads this list; a switch over HeadKind names them all (-Werror=switch-enum).
#pragma once

#include "core/base/named.h"
#include "core/losses/margin_loss.h"

namespace prompt_attention {

enum class HeadKind { kAveraging, kWeightedAveraging, kLeastSquares, kLogistic, kHinge };

// Of fitted heads; laws also know the limit λ → 0 of the hinge.
enum class RidgeRule { kNone, kNonNegative, kPositive };

struct HeadTraits {
  HeadKind kind;
  const char* name;
  MarginLoss loss;  // sums over examples, which have none, count as square
  RidgeRule ridge;
};

constexpr HeadTraits kHeads[] = {
    {HeadKind::kAveraging, "averaging", MarginLoss::kSquare, RidgeRule::kNone},
    {HeadKind::kWeightedAveraging, "weighted-averaging", MarginLoss::kSquare, RidgeRule::kNone},
    {HeadKind::kLeastSquares, "least-squares", MarginLoss::kSquare, RidgeRule::kNonNegative},
    {HeadKind::kLogistic, "logistic", MarginLoss::kLogistic, RidgeRule::kNonNegative},
    {HeadKind::kHinge, "hinge", MarginLoss::kHinge, RidgeRule::kPositive},
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
