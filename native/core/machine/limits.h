// What the machine can do at most: passes of the few kinds of work that the engine's time is made of, so that
// a speed can be told as a share of its limit.
#pragma once

#include <cstddef>
#include <vector>

#include "core/base/named.h"
#include "core/heads/head.h"
#include "core/random/random.h"

namespace prompt_attention {

enum class LimitKind {
  kNormals,       // single-precision normals, into the first-level cache
  kExponentials,  // single-precision exponentials, from and to the first-level cache
  kProducts,      // C = Aᵀ A by dgemm, A[rows×columns]
  kLeastSquares,  // a least squares head on stored features [rows×columns]: BLAS, LAPACK and a copy
  kTriad          // a_i = b_i + s c_i over arrays of `rows` numbers each
};
constexpr Named<LimitKind> kLimits[] = {
    {LimitKind::kNormals, "normals"},   {LimitKind::kExponentials, "exponentials"},
    {LimitKind::kProducts, "products"}, {LimitKind::kLeastSquares, "least-squares"},
    {LimitKind::kTriad, "triad"},
};
static_assert(inOrder(kLimits));

struct LimitSpec {
  LimitKind kind;
  int rows;
  int columns;
};

class LimitProbe {
 public:
  explicit LimitProbe(const LimitSpec& spec);
  void pass();
  // Numbers made, floating-point operations done or bytes moved by a pass.
  double work() const;

 private:
  const LimitSpec spec_;
  const Stream stream_;
  uint64_t position_ = 0;
  std::vector<float> singles_;
  std::vector<double> A_, B_, C_;
  HeadWorkspace head_;
};

}  // namespace prompt_attention
