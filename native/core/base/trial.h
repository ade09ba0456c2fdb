// What trials of every experiment kind have in common.
#pragma once

#include <cstdint>

#include "core/base/named.h"

namespace prompt_attention {

enum class Method { kProjected, kDense };
constexpr Named<Method> kMethods[] = {
    {Method::kProjected, "projected"},
    {Method::kDense, "dense"},
};
static_assert(inOrder(kMethods));

enum class TrialStatus : uint8_t {
  kOk = 0,
  kSingular = 1,     // the system of the head is singular to working precision
  kDiverged = 2,     // an iterate is not finite
  kSeparable = 3,    // a hyperplane separates the classes: a logistic head without ridge does not exist
  kNotConverged = 4  // the solver of the head did not reach its tolerance
};
constexpr Named<TrialStatus> kTrialStatuses[] = {
    {TrialStatus::kOk, "ok"},
    {TrialStatus::kSingular, "singular"},
    {TrialStatus::kDiverged, "diverged"},
    {TrialStatus::kSeparable, "separable"},
    {TrialStatus::kNotConverged, "notConverged"},
};
static_assert(inOrder(kTrialStatuses));

}  // namespace prompt_attention
