#include "core/machine/limits.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/machine/limits.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// y[count] = e^x[count]; count is a multiple of 64.
void exponentialsOf(const float* x, size_t count, float* y) {
  const hn::ScalableTag<float> floats;
  for (size_t i = 0; i < count; i += hn::Lanes(floats))
    hn::StoreU(hn::Exp(floats, hn::LoadU(floats, x + i)), floats, y + i);
}

// a[count] = b[count] + s c[count]; count is a multiple of 64.
void triadOf(double s, const double* b, const double* c, size_t count, double* a) {
  const hn::ScalableTag<double> reals;
  const auto scale = hn::Set(reals, s);
  for (size_t i = 0; i < count; i += hn::Lanes(reals))
    hn::StoreU(hn::MulAdd(scale, hn::LoadU(reals, c + i), hn::LoadU(reals, b + i)), reals, a + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "core/base/blas.h"

namespace prompt_attention {

HWY_EXPORT(exponentialsOf);
HWY_EXPORT(triadOf);

namespace {

constexpr size_t kBuffer = 2048;
constexpr size_t kBufferPasses = 512;

class StoredFeatures final : public FeatureSource {
 public:
  // V[rows×columns]
  StoredFeatures(const double* V, int rows, int columns) : V_(V), rows_(rows), columns_(columns) {}
  int examples() const override { return rows_; }
  int dimension() const override { return columns_; }
  void rows(int first, int count, double* V, double* y) override {
    const size_t width = columns_;
    std::copy_n(V_ + first * width, count * width, V);
    for (int i = 0; i < count; ++i) y[i] = (first + i) % 2 == 0 ? 1.0 : -1.0;
  }

 private:
  const double* V_;
  const int rows_;
  const int columns_;
};

size_t roundedUp(size_t count) {
  return (count + 63) / 64 * 64;
}

}  // namespace

LimitProbe::LimitProbe(const LimitSpec& spec) : spec_(spec), stream_({{1, 2}}, 0, 0) {
  const size_t rows = spec.rows;
  const size_t columns = spec.columns;
  switch (spec.kind) {
    case LimitKind::kNormals:
    case LimitKind::kExponentials:
      singles_.resize(2 * kBuffer);
      stream_.normals(0, kBuffer, singles_.data());
      return;
    case LimitKind::kProducts:
    case LimitKind::kLeastSquares:
      A_.resize(rows * columns);
      stream_.normals(0, A_.size(), A_.data());
      B_.resize(columns);
      C_.resize(columns * columns);
      return;
    case LimitKind::kTriad:
      for (std::vector<double>* array : {&A_, &B_, &C_}) array->assign(roundedUp(rows), 1.0);
      return;
  }
}

void LimitProbe::pass() {
  const int rows = spec_.rows;
  const int columns = spec_.columns;
  switch (spec_.kind) {
    case LimitKind::kNormals:
      for (size_t pass = 0; pass < kBufferPasses; ++pass, position_ += kBuffer)
        stream_.normals(position_, kBuffer, singles_.data());
      return;
    case LimitKind::kExponentials:
      for (size_t pass = 0; pass < kBufferPasses; ++pass)
        HWY_DYNAMIC_DISPATCH(exponentialsOf)(singles_.data(), kBuffer, singles_.data() + kBuffer);
      return;
    case LimitKind::kProducts:
      multiply(true, false, columns, columns, rows, 1.0, A_.data(), A_.data(), 0.0, C_.data());
      return;
    case LimitKind::kLeastSquares: {
      StoredFeatures source(A_.data(), rows, columns);
      const std::atomic<bool> never{false};
      fitHead(source, {HeadKind::kLeastSquares, 0.0}, head_, B_.data(), never);
      return;
    }
    case LimitKind::kTriad:
      HWY_DYNAMIC_DISPATCH(triadOf)(3.0, B_.data(), C_.data(), A_.size(), A_.data());
      return;
  }
}

double LimitProbe::work() const {
  const double rows = spec_.rows;
  const double columns = spec_.columns;
  switch (spec_.kind) {
    case LimitKind::kNormals:
    case LimitKind::kExponentials:
      return static_cast<double>(kBuffer * kBufferPasses);
    case LimitKind::kProducts:
      return 2.0 * rows * columns * columns;
    case LimitKind::kLeastSquares:
      return rows * columns * columns + columns * columns * columns / 3.0;
    case LimitKind::kTriad:
      return 3.0 * sizeof(double) * static_cast<double>(A_.size());
  }
  return 0.0;
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
