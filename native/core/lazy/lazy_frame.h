// The orthonormal frame in which lazily drawn noise keeps vectors of R^d (lazy_noise.h), and where its random
// numbers come from.
#pragma once

#include <cstdint>

#include "core/random/random.h"

namespace prompt_attention {

// Normals and norms for the noise of one trial, each kind read in the order in which the algorithm asks.
class LazyDraws {
 public:
  // Queries read the normals of `queryField`.
  LazyDraws(StreamKey key, Field queryField, uint64_t trial)
      : queries_(key, Sample::kTraining, queryField, trial),
        products_(key, Sample::kTraining, Field::kSummary, trial),
        normNormals_(key, Sample::kTraining, Field::kSummaryNorm, trial),
        normUniforms_(key, Sample::kTraining, Field::kSummaryUniform, trial) {}

  void queryNormals(size_t count, double* out) { take(queries_, nextQuery_, count, out); }
  void productNormals(size_t count, double* out) { take(products_, nextProduct_, count, out); }
  // The norm of `degrees` independent standard normals.
  double norm(int64_t degrees) {
    return drawChi(degrees, normNormals_, normUniforms_, kPositionsPerNorm * nextNorm_++);
  }

 private:
  // Positions that one norm may use: an attempt fails with probability 0.05 at most.
  static constexpr uint64_t kPositionsPerNorm = 256;

  static void take(const Stream& stream, uint64_t& next, size_t count, double* out) {
    stream.normals(next, count, out);
    next += count;
  }

  Stream queries_;
  Stream products_;
  Stream normNormals_;
  Stream normUniforms_;
  uint64_t nextQuery_ = 0;
  uint64_t nextProduct_ = 0;
  uint64_t nextNorm_ = 0;
};

// R orthonormal axes of R^d. Only how many there are matters: an axis is opened in the direction of what a
// Gaussian vector has outside the axes so far, and what is not yet looked at is isotropic. Vectors are arrays
// of `capacity` coordinates, zero beyond the axes.
class LazyFrame {
 public:
  LazyFrame(int64_t dimension, int axes, int capacity, const LazyDraws& draws)
      : dimension_(dimension), capacity_(capacity), axes_(axes), draws_(draws) {}

  int64_t dimension() const { return dimension_; }  // d ≥ 0
  int capacity() const { return capacity_; }        // at least the axes that there will ever be
  int axes() const { return axes_; }                // R ≤ d
  LazyDraws& draws() { return draws_; }

  // v ← deviation · N(0, I_d), v[capacity]: normals along the axes, and unless R = d a new axis in the
  // direction of the rest, whose norm is that of d − R normals.
  void gaussian(double deviation, double* v) {
    draws_.productNormals(axes_, v);
    for (int j = 0; j < axes_; ++j) v[j] *= deviation;
    for (int j = axes_; j < capacity_; ++j) v[j] = 0.0;
    if (axes_ == dimension_) return;
    v[axes_] = deviation * draws_.norm(dimension_ - axes_);
    ++axes_;
  }

 private:
  int64_t dimension_;
  int capacity_;
  int axes_;
  LazyDraws draws_;
};

}  // namespace prompt_attention
