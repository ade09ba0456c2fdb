// A Gaussian matrix that is drawn only where an algorithm looks at it (theory.md §9).
//
// Z ∈ R^{N×d} has independent entries N(0, σ²): the noise of N irrelevant tokens, or of N pooled features. A
// first-order method touches it by
//
//   query(v) = Z v,    v ∈ R^d known before          scores X q, X w; V p in conjugate gradients
//   produce(c) = Zᵀc,  c ∈ R^N known before          gradients Σ c_t x_t; Vᵀr
//
// What was asked so far is kept as Z B = K for orthonormal directions B ∈ R^{d×S} and Zᵀ C = M for
// orthonormal C ∈ R^{N×S'}; vectors of R^d are coordinates in a frame of R axes (lazy_frame.h).
//
// Derivation. Let P, Q be the orthogonal projections onto span C and span B. Z = PZ + (1−P) Z Q + (1−P) Z
// (1−Q): the first two parts are known (PZ = C Mᵀ, Z Q = K Bᵀ). The third is independent of them, because a
// Gaussian matrix is independent of its other blocks in any orthonormal bases of R^N and R^d; and since B and
// C are functions of the first two parts and of the start only, whatever the algorithm decided from them, its
// law given everything seen is that of (1−P) G (1−Q) with a fresh G of independent entries N(0, σ²). Hence
//
//   query: v = B a + ρ b with b ⟂ B;     Z b = k = g + C (Mᵀb − Cᵀg),  g ~ N(0, σ² I_N);   Z v = K a + ρ k
//   produce: c = C a + ρ r with r ⟂ C;   Zᵀr = m = h + B (Kᵀr − Bᵀh),  h ~ N(0, σ² I_d);   Zᵀc = M a + ρ m
//
// and (b, k), (r, m) join what is known. h has R normals along the axes; what it has outside them is
// isotropic and independent of everything before, so its direction becomes axis R + 1 with the coordinate σ
// χ_{d−R}. That is exact in distribution for every adaptive algorithm and any N, d ≥ 1; nothing is
// asymptotic. Once R = d no axis is opened any more, and once S = d all of Z is known (Z = K Bᵀ) and nothing
// is drawn. As soon as S' = d the missing queries are made up, so neither K nor C ever has more than d
// columns.
//
// Several vectors at once share the passes over K and C: that is all that makes them cheaper.
//
// complete: queries along the R axes make Z known on them; what products have outside is 0, so the other
// columns of Z are (1−P) G with fresh G. Whoever gives an algorithm up that has looked at Z must go on with
// this Z: new noise would replace just the matrices that the algorithm does not get along with.
//
// Numerics. B and C are orthonormal to working precision (Gram–Schmidt, twice). A part ρ below kSpanTolerance
// of its vector is dropped: the answer is then wrong by that share. Vectors with NaN or infinite entries give
// NaN. Cost per query 3 products with columns of length N, per product 4 (2 N S operations each); N normals,
// or R normals and a norm. Memory: bytes(). Failure: std::bad_alloc.
#pragma once

#include <span>
#include <vector>

#include "core/lazy/column_store.h"
#include "core/lazy/lazy_frame.h"

namespace prompt_attention {

// Most vectors in one call.
constexpr int kLazyVectors = 2;

class LazyNoise {
 public:
  // A new Z of `rows` rows over the frame, of standard deviation σ; nothing of it is known. The frame must
  // outlive it and have room for one axis per product asked for.
  void begin(LazyFrame& frame, int rows, double deviation);

  // out_i[N] = Z v_i; v_i[capacity] in the frame.
  void query(std::span<const double* const> v, std::span<double* const> out);
  // out_i[capacity] = Zᵀc_i in the frame; c_i[N] is overwritten.
  void produce(std::span<double* const> c, std::span<double* const> out);

  // Draws all that is not known yet. Z[N×d] in the axes of the frame and, after those, axes outside it; rows
  // `stride` ≥ d apart. Takes memory for all that is kept once more, and for kColumnsAtOnce·N numbers.
  void complete(double* Z, size_t stride);
  static constexpr int kColumnsAtOnce = 256;

  // Bytes kept between trials, and giving them back.
  size_t heldBytes() const {
    return K_.bytes() + C_.bytes() + (B_.capacity() + M_.capacity()) * sizeof(double);
  }
  void release();

  // Most bytes needed for so many rows, dimensions, axes, queries and products.
  static double bytes(double rows, double dimension, double axes, double queries, double products);

 private:
  int capacity() const { return frame_->capacity(); }
  const double* direction(int j) const { return B_.data() + static_cast<size_t>(j) * capacity(); }
  bool isKnown() const { return K_.columns() == frame_->dimension(); }
  // Splits v into coefficients[S + 1] along the queried directions and a rest, which becomes direction S + 1
  // if it counts.
  void addDirection(const double* v, double* coefficients);
  void drawColumns();
  void queryAll();
  // Z on the axes.
  void copyInside(double* Z, size_t stride);
  // The count columns of Z[N×…] ← (1−P) σ N(0, I); C[S'×N] row-major.
  void drawOutside(const double* C, int count, double* Z, size_t stride);
  void removeProduced(std::span<double* const> c, std::span<double* const> coefficients);
  void drawRows();
  void produceKnown(std::span<double* const> c, std::span<double* const> out);

  LazyFrame* frame_ = nullptr;
  double deviation_ = 0.0;
  int directions_ = 0;     // S; ahead of the columns of K within a query
  ColumnStore K_;          // Z B, [N×S]
  ColumnStore C_;          // [N×S']
  std::vector<double> B_;  // [S×capacity], a direction per row
  std::vector<double> M_;  // [S'×capacity], Zᵀ of a column of C per row
  std::vector<double> coefficients_;
  std::vector<double> correction_;
  std::vector<double> rest_;
  std::vector<double> part_;
};

}  // namespace prompt_attention
