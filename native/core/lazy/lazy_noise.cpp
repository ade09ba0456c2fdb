#include "core/lazy/lazy_noise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/base/blas.h"

namespace prompt_attention {

namespace {

// What is left of a vector in the span by rounding is smaller.
constexpr double kSpanTolerance = 1e-14;
// A vector that keeps less than this of its length has lost digits of its orthogonality: Gram–Schmidt again,
// at least twice and at most kMostPasses times.
constexpr double kLossOfLength = 0.1;
constexpr int kMostPasses = 5;

double norm(const double* x, int n) {
  return std::sqrt(dot(x, x, n));
}

// Aᵀ[columns×rows], row-major.
std::vector<double> transposed(ColumnStore& A) {
  const size_t rows = A.rows();
  std::vector<double> copy(A.columns() * rows);
  for (int j = 0; j < A.columns(); ++j) std::copy_n(A.column(j), rows, copy.data() + j * rows);
  return copy;
}

// Pointers to the rows of a row-major matrix.
template <class Pointer>
std::array<Pointer, kLazyVectors> rowsOf(Pointer matrix, size_t stride) {
  std::array<Pointer, kLazyVectors> rows;
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = matrix + i * stride;
  return rows;
}

}  // namespace

double LazyNoise::bytes(double rows, double dimension, double axes, double queries, double products) {
  // Two more than d: a call may ask for several vectors before the missing queries are made up.
  const double most = std::min(dimension, axes + products) + kLazyVectors;
  const double K = std::min(products < dimension ? queries : dimension, most);
  const double C = std::min({products, rows, most});
  const auto columns = [](double count) {
    return std::ceil(count / ColumnStore::kColumnsPerGroup) * ColumnStore::kColumnsPerGroup;
  };
  return sizeof(double) * (rows * (columns(K) + columns(C)) + most * (K + C));
}

void LazyNoise::begin(LazyFrame& frame, int rows, double deviation) {
  frame_ = &frame;
  deviation_ = deviation;
  directions_ = 0;
  K_.begin(rows);
  C_.begin(rows);
  B_.clear();
  M_.clear();
}

void LazyNoise::release() {
  K_.release();
  C_.release();
  B_ = {};
  M_ = {};
}

void LazyNoise::addDirection(const double* v, double* coefficients) {
  const int R = frame_->axes();
  std::fill_n(coefficients, directions_ + 1, 0.0);
  rest_.assign(v, v + R);
  part_.resize(directions_);
  const double length = norm(v, R);
  for (int pass = 0; pass < kMostPasses && directions_ > 0; ++pass) {
    multiplyVector(false, 1.0, B_.data(), directions_, R, capacity(), rest_.data(), 0.0, part_.data());
    multiplyVector(true, -1.0, B_.data(), directions_, R, capacity(), part_.data(), 1.0, rest_.data());
    addScaled(1.0, part_.data(), directions_, coefficients);
    if (pass > 0 && !(norm(part_.data(), directions_) > kLossOfLength * norm(rest_.data(), R))) break;
  }
  const double remaining = norm(rest_.data(), R);
  if (directions_ == frame_->dimension() || !(remaining > kSpanTolerance * length)) return;
  B_.resize(static_cast<size_t>(directions_ + 1) * capacity(), 0.0);
  double* b = B_.data() + static_cast<size_t>(directions_) * capacity();
  for (int j = 0; j < R; ++j) b[j] = rest_[j] / remaining;
  coefficients[directions_++] = remaining;
}

// The columns of K that are missing: Z b for the last directions.
void LazyNoise::drawColumns() {
  std::array<double*, kLazyVectors> columns{};
  const int first = K_.columns();
  const size_t count = directions_ - first;
  if (count == 0) return;
  const int products = C_.columns();
  const size_t stride = std::max(products, 1);
  correction_.resize(2 * size_t{kLazyVectors} * stride);
  const auto ofColumn = rowsOf(correction_.data(), stride);
  for (size_t i = 0; i < count; ++i) {
    columns[i] = K_.append();
    frame_->draws().queryNormals(K_.rows(), columns[i]);
    for (int t = 0; t < K_.rows(); ++t) columns[i][t] *= deviation_;
  }
  if (products == 0) return;
  const std::span newColumns(columns.data(), count);
  const std::span corrections(ofColumn.data(), count);
  C_.products(newColumns, corrections);
  for (size_t i = 0; i < count; ++i)
    multiplyVector(false, 1.0, M_.data(), products, frame_->axes(), capacity(),
                   direction(first + static_cast<int>(i)), -1.0, corrections[i]);
  C_.addCombinations(1.0, corrections, newColumns);
}

void LazyNoise::query(std::span<const double* const> v, std::span<double* const> out) {
  const size_t stride = directions_ + v.size() + 1;
  coefficients_.assign(kLazyVectors * stride, 0.0);
  const auto coefficients = rowsOf(coefficients_.data(), stride);
  for (size_t i = 0; i < v.size(); ++i) addDirection(v[i], coefficients[i]);
  drawColumns();
  for (double* values : out) std::fill_n(values, K_.rows(), 0.0);
  K_.addCombinations(1.0, std::span(coefficients.data(), v.size()), out);
}

void LazyNoise::queryAll() {
  std::vector<double> axis(capacity());
  for (int j = 0; j < frame_->axes() && !isKnown(); ++j) {
    coefficients_.resize(directions_ + 1);
    axis[j] = 1.0;
    addDirection(axis.data(), coefficients_.data());
    drawColumns();
    axis[j] = 0.0;
  }
}

void LazyNoise::copyInside(double* Z, size_t stride) {
  const int N = K_.rows();
  const int R = frame_->axes();
  std::vector<double> B(static_cast<size_t>(directions_) * R);
  for (int s = 0; s < directions_; ++s) std::copy_n(direction(s), R, B.data() + static_cast<size_t>(s) * R);
  std::vector<double> inside(static_cast<size_t>(N) * R);
  multiply(true, false, N, R, directions_, 1.0, transposed(K_).data(), B.data(), 0.0, inside.data());
  for (int t = 0; t < N; ++t) std::copy_n(inside.data() + static_cast<size_t>(t) * R, R, Z + t * stride);
}

void LazyNoise::drawOutside(const double* C, int count, double* Z, size_t stride) {
  const int N = K_.rows();
  const int products = C_.columns();
  std::vector<double> G(static_cast<size_t>(count) * N);  // a column per row
  frame_->draws().queryNormals(G.size(), G.data());
  for (double& value : G) value *= deviation_;
  if (products > 0) {
    std::vector<double> along(static_cast<size_t>(count) * products);
    multiply(false, true, count, products, N, 1.0, G.data(), C, 0.0, along.data());
    multiply(false, false, count, N, products, -1.0, along.data(), C, 1.0, G.data());
  }
  for (int t = 0; t < N; ++t)
    for (int j = 0; j < count; ++j) Z[t * stride + j] = G[static_cast<size_t>(j) * N + t];
}

void LazyNoise::complete(double* Z, size_t stride) {
  const int d = static_cast<int>(frame_->dimension());
  queryAll();
  copyInside(Z, stride);
  const std::vector<double> C = transposed(C_);
  for (int first = frame_->axes(); first < d; first += kColumnsAtOnce)
    drawOutside(C.data(), std::min(kColumnsAtOnce, d - first), Z + first, stride);
}

// c_i ← its part orthogonal to C; coefficients_i[columns of C] += those of the rest.
void LazyNoise::removeProduced(std::span<double* const> c, std::span<double* const> coefficients) {
  const int products = C_.columns();
  if (products == 0) return;
  correction_.resize(2 * size_t{kLazyVectors} * products);
  const auto first = rowsOf(correction_.data(), products);
  const auto second = rowsOf(correction_.data() + size_t{kLazyVectors} * products, products);
  const std::span firstPass(first.data(), c.size());
  const std::span secondPass(second.data(), c.size());
  C_.products(c, firstPass);
  C_.addCombinationsThenProducts(-1.0, firstPass, c, secondPass);
  C_.addCombinations(-1.0, secondPass, c);
  for (size_t i = 0; i < c.size(); ++i) {
    addScaled(1.0, first[i], products, coefficients[i]);
    addScaled(1.0, second[i], products, coefficients[i]);
    // Where little is left, what the second pass leaves of C is that of C's own rounding.
    for (int pass = 2; pass < kMostPasses; ++pass) {
      if (!(norm(second[i], products) > kLossOfLength * norm(c[i], C_.rows()))) break;
      C_.products(c.subspan(i, 1), secondPass.subspan(i, 1));
      C_.addCombinations(-1.0, secondPass.subspan(i, 1), c.subspan(i, 1));
      addScaled(1.0, second[i], products, coefficients[i]);
    }
  }
}

// Rows of M for the columns of C that lack them.
void LazyNoise::drawRows() {
  std::array<double*, kLazyVectors> columns{};
  const int first = static_cast<int>(M_.size() / std::max(capacity(), 1));
  const size_t count = C_.columns() - first;
  if (count == 0) return;
  for (size_t i = 0; i < count; ++i) columns[i] = C_.column(first + static_cast<int>(i));
  const size_t stride = std::max(directions_, 1);
  correction_.resize(kLazyVectors * stride);
  const auto corrections = rowsOf(correction_.data(), stride);
  K_.products(std::span(columns.data(), count), std::span(corrections.data(), count));
  M_.resize(static_cast<size_t>(C_.columns()) * capacity());
  for (size_t i = 0; i < count; ++i) {
    double* m = M_.data() + (first + i) * capacity();
    const int R = frame_->axes();
    frame_->gaussian(deviation_, m);
    if (directions_ == 0) continue;
    multiplyVector(false, -1.0, B_.data(), directions_, R, capacity(), m, 1.0, corrections[i]);
    multiplyVector(true, 1.0, B_.data(), directions_, R, capacity(), corrections[i], 1.0, m);
  }
}

void LazyNoise::produceKnown(std::span<double* const> c, std::span<double* const> out) {
  const size_t stride = std::max(directions_, 1);
  coefficients_.resize(kLazyVectors * stride);
  const auto coefficients = rowsOf(coefficients_.data(), stride);
  K_.products(c, std::span(coefficients.data(), c.size()));
  for (size_t i = 0; i < c.size(); ++i)
    multiplyVector(true, 1.0, B_.data(), directions_, frame_->axes(), capacity(), coefficients[i], 0.0,
                   out[i]);
}

void LazyNoise::produce(std::span<double* const> c, std::span<double* const> out) {
  for (double* values : out) std::fill_n(values, capacity(), 0.0);
  const int64_t d = frame_->dimension();
  const bool isFull = frame_->axes() == d && C_.columns() + static_cast<int64_t>(c.size()) > d;
  if (!isKnown() && isFull) queryAll();
  if (isKnown()) {
    produceKnown(c, out);
    return;
  }
  const int N = C_.rows();
  const size_t stride = C_.columns() + c.size();
  coefficients_.assign(kLazyVectors * stride, 0.0);
  const auto coefficients = rowsOf(coefficients_.data(), stride);
  std::array<double, kLazyVectors> lengths{};
  for (size_t i = 0; i < c.size(); ++i) lengths[i] = norm(c[i], N);
  removeProduced(c, std::span(coefficients.data(), c.size()));
  const int before = C_.columns();
  for (size_t i = 0; i < c.size(); ++i) {
    double remaining = norm(c[i], N);
    if (C_.columns() > before) {
      const double* earlier = C_.column(before);
      const double along = dot(earlier, c[i], N);
      addScaled(-along, earlier, N, c[i]);
      coefficients[i][before] += along;
      const double length = std::exchange(remaining, norm(c[i], N));
      if (remaining < kLossOfLength * length) {
        removeProduced(c.subspan(i, 1), std::span(coefficients.data() + i, 1));
        remaining = norm(c[i], N);
      }
    }
    if (C_.columns() == N || !(remaining > kSpanTolerance * lengths[i])) continue;
    double* r = C_.append();
    for (int t = 0; t < N; ++t) r[t] = c[i][t] / remaining;
    coefficients[i][C_.columns() - 1] += remaining;
  }
  drawRows();
  if (C_.columns() == 0) return;
  for (size_t i = 0; i < c.size(); ++i)
    multiplyVector(true, 1.0, M_.data(), C_.columns(), frame_->axes(), capacity(), coefficients[i], 0.0,
                   out[i]);
}

}  // namespace prompt_attention
