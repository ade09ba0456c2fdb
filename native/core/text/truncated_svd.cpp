#include "core/text/truncated_svd.h"

#include <algorithm>
#include <cmath>

#include "core/base/blas.h"
#include "core/base/convergence_failure.h"

namespace prompt_attention {

namespace {

constexpr int kBlock = 16;
constexpr int kMostRestarts = 300;
constexpr double kTolerance = 1e-8;
constexpr double kNegligible = 1e-7;  // of σ_1
// What is left of a vector below this share of it is rounding.
constexpr double kDependent = 1e-12;

// to[columns×rows] = from[rows×columns]ᵀ, both row-major.
void transposeInto(const double* from, int rows, int columns, double* to) {
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j)
      to[static_cast<size_t>(j) * rows + i] = from[static_cast<size_t>(i) * columns + j];
}

// Eigenvalues of G[size×size] (lower triangle, destroyed), descending, and eigenvectors, one per row.
void eigenDescending(std::vector<double>& G, int size, std::vector<double>& values,
                     std::vector<double>& vectors) {
  values.resize(size);
  vectors.resize(static_cast<size_t>(size) * size);
  if (!symmetricEigen(G.data(), size, values.data(), vectors.data()))
    throw ConvergenceFailure("the eigenvalues of a projected matrix did not converge");
  std::reverse(values.begin(), values.end());
  for (int row = 0; row < size / 2; ++row)
    std::swap_ranges(vectors.begin() + static_cast<ptrdiff_t>(row) * size,
                     vectors.begin() + static_cast<ptrdiff_t>(row + 1) * size,
                     vectors.begin() + static_cast<ptrdiff_t>(size - 1 - row) * size);
}

// The result from θ[≥ d] and rows[≥ d×n], which are scaled to unit length.
TruncatedSvd resultOf(const std::vector<double>& theta, const double* rows, int d, int n) {
  TruncatedSvd result{std::vector<double>(d), std::vector<double>(static_cast<size_t>(d) * n)};
  const double negligible = kNegligible * std::sqrt(std::max(theta[0], 0.0));
  for (int i = 0; i < d; ++i) {
    const double sigma = std::sqrt(std::max(theta[i], 0.0));
    if (!(sigma > negligible)) continue;
    result.values[i] = sigma;
    const double* row = rows + static_cast<size_t>(i) * n;
    const double largest =
        *std::max_element(row, row + n, [](double a, double b) { return std::abs(a) < std::abs(b); });
    addScaled(std::copysign(1.0 / std::sqrt(dot(row, row, n)), largest), row, n,
              result.left.data() + static_cast<size_t>(i) * n);
  }
  return result;
}

TruncatedSvd denseSvd(const SparseRows& M, int d) {
  const int n = M.rows();
  std::vector<double> dense(static_cast<size_t>(n) * n);
  for (int i = 0; i < n; ++i)
    for (size_t e = M.first[i]; e < M.first[i + 1]; ++e)
      dense[static_cast<size_t>(i) * n + M.column[e]] = M.value[e];
  std::vector<double> gram(dense.size());
  outerGram(dense.data(), n, n, n, gram.data());
  std::vector<double> theta;
  std::vector<double> vectors;
  eigenDescending(gram, n, theta, vectors);
  return resultOf(theta, vectors.data(), d, n);
}

// Vectors are rows of n numbers here, so that the leading ones of a basis are contiguous.
class Lanczos {
 public:
  static int capacity(int d) { return d + std::max(d, 4 * kBlock); }

  Lanczos(const SparseRows& M, int d, const StreamKey& key, PartRunner& runner)
      : M_(M),
        transpose_(transposed(M)),
        n_(M.rows()),
        d_(d),
        kept_(d + kBlock),
        capacity_(capacity(d)),
        random_(key, Sample::kTraining, Field::kSubspace, 0),
        runner_(runner),
        basis_(static_cast<size_t>(capacity_ + kBlock) * n_),
        images_(static_cast<size_t>(capacity_) * n_),
        block_(static_cast<size_t>(n_) * kBlock),
        imageBlock_(block_.size()),
        overlap_(static_cast<size_t>(capacity_) * kBlock),
        cut_(static_cast<size_t>(kBlock) * kBlock) {}

  TruncatedSvd run(const std::atomic<bool>& cancelled) {
    random_.normals(0, static_cast<size_t>(kBlock) * n_, basis_.data());
    drawn_ = static_cast<uint64_t>(kBlock) * n_;
    orthonormaliseNext();
    for (int restarts = 0; restarts <= kMostRestarts; ++restarts) {
      while (size_ + kBlock <= capacity_ && !cancelled) extend();
      if (cancelled) return {};
      rotate();
      if (largestResidual() <= kTolerance * theta_[0]) return resultOf(theta_, images_.data(), d_, n_);
    }
    throw ConvergenceFailure("the singular vectors did not converge");
  }

 private:
  double* row(int i) { return basis_.data() + static_cast<size_t>(i) * n_; }

  // Takes the next block into the basis, and makes the one after it.
  void extend() {
    transposeInto(row(size_), kBlock, n_, block_.data());
    multiplyBlock(M_, block_.data(), kBlock, imageBlock_.data(), runner_);
    transposeInto(imageBlock_.data(), n_, kBlock, images_.data() + static_cast<size_t>(size_) * n_);
    multiplyBlock(transpose_, imageBlock_.data(), kBlock, block_.data(), runner_);
    size_ += kBlock;
    transposeInto(block_.data(), n_, kBlock, row(size_));
    orthonormaliseNext();
  }

  // Makes the block behind the basis orthonormal, and orthogonal to the basis: apart from the basis, it was
  // cut_ᵀ times what it becomes.
  void orthonormaliseNext() {
    double lengths[kBlock];
    for (int j = 0; j < kBlock; ++j) lengths[j] = std::sqrt(dot(row(size_ + j), row(size_ + j), n_));
    std::fill(cut_.begin(), cut_.end(), 0.0);
    // Twice is enough, and once more for what was replaced.
    for (int pass = 0, passes = 2; pass < passes; ++pass) {
      projectOutBasis();
      for (int j = 0; j < kBlock; ++j) {
        double* x = row(size_ + j);
        for (int i = 0; i < j; ++i) {
          const double overlap = dot(row(size_ + i), x, n_);
          addScaled(-overlap, row(size_ + i), n_, x);
          if (pass == 0) cut_[i * kBlock + j] = overlap;
        }
        const double length = std::sqrt(dot(x, x, n_));
        if (length > kDependent * lengths[j]) {
          if (pass == 0) cut_[j * kBlock + j] = length;
          scaleBy(1.0 / length, x);
        } else {
          replace(x);
          passes = 3;
        }
        lengths[j] = 1.0;
      }
    }
  }

  void projectOutBasis() {
    if (size_ == 0) return;
    multiply(false, true, size_, kBlock, n_, 1.0, basis_.data(), row(size_), 0.0, overlap_.data());
    multiply(true, false, kBlock, n_, size_, -1.0, overlap_.data(), basis_.data(), 1.0, row(size_));
  }

  void replace(double* x) {
    random_.normals(drawn_, n_, x);
    drawn_ += n_;
    scaleBy(1.0 / std::sqrt(dot(x, x, n_)), x);
  }

  void scaleBy(double factor, double* x) const {
    for (int i = 0; i < n_; ++i) x[i] *= factor;
  }

  // Ritz pairs in place of basis and images, of which the leading ones are kept.
  void rotate() {
    std::vector<double> gram(static_cast<size_t>(size_) * size_);
    outerGram(images_.data(), size_, n_, n_, gram.data());
    eigenDescending(gram, size_, theta_, rotation_);
    rotated_.resize(static_cast<size_t>(kept_) * n_);
    for (std::vector<double>* rows : {&basis_, &images_}) {
      multiply(false, false, kept_, n_, size_, 1.0, rotation_.data(), rows->data(), 0.0, rotated_.data());
      std::copy(rotated_.begin(), rotated_.end(), rows->begin());
    }
    lastParts_.resize(static_cast<size_t>(d_) * kBlock);
    for (int i = 0; i < d_; ++i)
      std::copy_n(rotation_.data() + static_cast<size_t>(i + 1) * size_ - kBlock, kBlock,
                  lastParts_.data() + static_cast<size_t>(i) * kBlock);
    std::copy_n(row(size_), static_cast<size_t>(kBlock) * n_, row(kept_));
    size_ = kept_;
  }

  // ‖A q − θ q‖ of the d leading pairs: what their parts in the last block put into the next one.
  double largestResidual() const {
    double largest = 0.0;
    double residual[kBlock];
    for (int i = 0; i < d_; ++i) {
      product(cut_.data(), kBlock, kBlock, lastParts_.data() + static_cast<size_t>(i) * kBlock, residual);
      largest = std::max(largest, std::sqrt(dot(residual, residual, kBlock)));
    }
    return largest;
  }

  const SparseRows& M_;
  const SparseRows transpose_;
  const int n_;
  const int d_;
  const int kept_;
  const int capacity_;
  const Stream random_;
  PartRunner& runner_;
  uint64_t drawn_ = 0;
  int size_ = 0;                    // of the basis; the next block stands behind it
  std::vector<double> basis_;       // [(capacity+kBlock)×n]
  std::vector<double> images_;      // M times each, [capacity×n]
  std::vector<double> block_;       // [n×kBlock]
  std::vector<double> imageBlock_;  // [n×kBlock]
  std::vector<double> overlap_;     // [size×kBlock]
  std::vector<double> cut_;         // [kBlock×kBlock]
  std::vector<double> theta_;       // [size before rotation]
  std::vector<double> rotation_;    // [size×size]
  std::vector<double> rotated_;     // [kept×n]
  std::vector<double> lastParts_;   // [d×kBlock]
};

}  // namespace

TruncatedSvd truncatedSvd(const SparseRows& M, int d, const StreamKey& key, PartRunner& runner,
                          const std::atomic<bool>& cancelled) {
  if (M.rows() < Lanczos::capacity(d) + 2 * kBlock) return denseSvd(M, d);
  return Lanczos(M, d, key, runner).run(cancelled);
}

}  // namespace prompt_attention
