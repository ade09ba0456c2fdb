// Thrown where equations or an eigenvalue problem could not be solved and no status can say so.
#pragma once

#include <stdexcept>

namespace prompt_attention {

class ConvergenceFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace prompt_attention
