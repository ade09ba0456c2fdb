// Vectors of the three-step trajectory in its frame e1 … e5 (three_step_projected.h).
#pragma once

#include <array>
#include <cmath>

#include "core/mixture/mixture.h"

namespace prompt_attention {

constexpr int kFrameAxes = 5;
using FrameVector = std::array<double, kFrameAxes>;

inline double dot(const FrameVector& a, const FrameVector& b) {
  double sum = 0.0;
  for (int j = 0; j < kFrameAxes; ++j) sum += a[j] * b[j];
  return sum;
}

inline PlaneVector planeOf(const FrameVector& v) {
  return {v[0], v[1]};
}

inline void add(double scale, const FrameVector& v, FrameVector& sum) {
  for (int j = 0; j < kFrameAxes; ++j) sum[j] += scale * v[j];
}

inline void add(PlaneVector v, FrameVector& sum) {
  sum[0] += v.e1;
  sum[1] += v.e2;
}

// v/‖v‖, or 0.
inline FrameVector unitVector(const FrameVector& v) {
  FrameVector unit{};
  const double norm = std::sqrt(dot(v, v));
  if (norm > 0.0) add(1.0 / norm, v, unit);
  return unit;
}

inline void removeAlong(const FrameVector& unit, FrameVector& v) {
  add(-dot(unit, v), unit, v);
}

// The part of v orthogonal to `unit`. Removed twice: where v is almost parallel to it, the first pass leaves
// rounding of the size of what is left.
inline FrameVector orthogonalPart(const FrameVector& unit, FrameVector v) {
  removeAlong(unit, v);
  removeAlong(unit, v);
  return v;
}

}  // namespace prompt_attention
