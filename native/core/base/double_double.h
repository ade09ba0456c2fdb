// Numbers and vectors of twice the precision: unevaluated sums hi + lo of two doubles, 106 bits (Dekker
// 1971).
//
// Sums are "sloppy": their error is 2⁻¹⁰⁴ of the operands, not of the result, which is what sums of products
// and eliminations need. Products are exact before they are added, by a fused multiplication where the
// processor has one, else by splitting. Overflow to infinity from 2⁹⁹⁶ on; no relative accuracy below 2⁻⁹⁶⁹.
// Compiled without contraction of a·b + c, which would break the error terms.
#pragma once

#include <cstddef>
#include <vector>

namespace prompt_attention {

struct DoubleDouble {
  double hi;
  double lo;
};

DoubleDouble operator+(DoubleDouble a, DoubleDouble b);
DoubleDouble operator-(DoubleDouble a, DoubleDouble b);
DoubleDouble operator*(DoubleDouble a, DoubleDouble b);
DoubleDouble operator/(DoubleDouble a, DoubleDouble b);
DoubleDouble squareRoot(DoubleDouble a);

struct ExtendedVector {
  explicit ExtendedVector(size_t size = 0) : hi(size), lo(size) {}
  size_t size() const { return hi.size(); }
  DoubleDouble operator[](size_t i) const { return {hi[i], lo[i]}; }
  void set(size_t i, DoubleDouble value) {
    hi[i] = value.hi;
    lo[i] = value.lo;
  }
  std::vector<double> hi;
  std::vector<double> lo;
};

// Σ x_i y_i; null low parts are zeros.
DoubleDouble extendedDot(const double* xHi, const double* xLo, const double* yHi, const double* yLo,
                         size_t count);

// y += a x; a null low part of x is zeros.
void extendedAddScaled(DoubleDouble a, const double* xHi, const double* xLo, size_t count, double* yHi,
                       double* yLo);

}  // namespace prompt_attention
