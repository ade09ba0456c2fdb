// What trials of every experiment kind have in common.
#pragma once

#include <cstdint>

namespace prompt_attention {

enum class Method { kProjected, kDense };

enum class TrialStatus : uint8_t {
  kOk = 0,
  kSingular = 1,     // the system of the head is singular to working precision
  kDiverged = 2,     // an iterate is not finite
  kSeparable = 3,    // a hyperplane separates the classes: a logistic head without ridge does not exist
  kNotConverged = 4  // the solver of the head did not reach its tolerance
};

}  // namespace prompt_attention
