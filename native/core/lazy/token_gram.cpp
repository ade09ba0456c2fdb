#include "core/lazy/token_gram.h"

#include <algorithm>

#include "core/base/blas.h"
#include "core/lazy/lazy_frame.h"

namespace prompt_attention {

namespace {

constexpr size_t kBlockNumbers = size_t{1} << 21;

int relevantRows(const Mixture& mixture) {
  return mixture.relevantTokens > 0 ? 1 : 0;
}
int irrelevantRows(const Mixture& mixture) {
  return mixture.isNoiseless() ? std::min(mixture.irrelevantTokens(), 1) : mixture.irrelevantTokens();
}
// Directions of the plane, and off it.
int planeAxes(const Mixture& mixture) {
  return std::min(mixture.dimension, 2);
}
int offPlane(const Mixture& mixture) {
  return mixture.dimension - planeAxes(mixture);
}
double noiseRowsOf(const Mixture& mixture, double examples) {
  return mixture.isNoiseless() ? 0.0 : examples * irrelevantRows(mixture);
}

}  // namespace

int TokenGram::tokensPerExample(const Mixture& mixture) {
  return relevantRows(mixture) + irrelevantRows(mixture);
}

double TokenGram::bytes(const Mixture& mixture, double examples) {
  const double rows = examples * tokensPerExample(mixture);
  const double noiseRows = noiseRowsOf(mixture, examples);
  const double factor = noiseRows * std::min<double>(noiseRows, offPlane(mixture));
  return sizeof(double) * (rows * rows + factor + std::max<double>(kBlockNumbers, rows) + 2.0 * rows) +
         sizeof(ExampleLabel) * examples;
}

TokenGram::TokenGram(const Mixture& mixture, StreamKey key, uint64_t trial, int examples,
                     const std::atomic<bool>& cancelled)
    : mixture_(mixture),
      key_(key),
      trial_(trial),
      cancelled_(cancelled),
      relevant_(relevantRows(mixture)),
      irrelevant_(irrelevantRows(mixture)),
      relevantTokens_(mixture.relevantTokens),
      irrelevantEach_(mixture.isNoiseless() ? mixture.irrelevantTokens() : 1.0),
      rows_(examples * (relevant_ + irrelevant_)),
      noiseRows_(static_cast<int>(noiseRowsOf(mixture, examples))),
      axes_(std::min(noiseRows_, offPlane(mixture))),
      labels_(examples),
      plane_(rows_),
      factor_(static_cast<size_t>(noiseRows_) * axes_),
      gram_(static_cast<size_t>(rows_) * rows_) {
  LabelSampler(mixture, key, Sample::kTraining, trial).draw(0, examples, labels_.data());
  placeAll(Stream(key, Sample::kTraining, Field::kScore, trial), 0, examples, labels_.data(), plane_.data());
  drawFactor();
  makeGram();
}

// Tokens of one example in the plane, given the noise of the irrelevant ones there, if they have any.
void TokenGram::place(const ExampleLabel& label, const double* noise, PlaneVector* out) const {
  const PlaneVector mu = mixture_.irrelevantMean(label.y, mixture_.confusion[label.atom]);
  if (relevant_ > 0) *out++ = mixture_.relevantMean(label.y);
  const int axes = planeAxes(mixture_);
  for (int t = 0; t < irrelevant_; ++t) {
    const double* z = noise + static_cast<size_t>(t) * axes;
    const PlaneVector off = noiseRows_ == 0 ? PlaneVector{0.0, 0.0}
                            : axes > 1      ? PlaneVector{z[0], z[1]}
                                            : PlaneVector{z[0], 0.0};
    *out++ = mu + mixture_.noiseLevel * off;
  }
}

void TokenGram::placeAll(const Stream& stream, int first, int count, const ExampleLabel* labels,
                         PlaneVector* out) const {
  const size_t each = noiseRows_ == 0 ? 0 : static_cast<size_t>(irrelevant_) * planeAxes(mixture_);
  std::vector<double> noise(count * each);
  stream.normals(first * each, noise.size(), noise.data());
  for (int i = 0; i < count; ++i)
    place(labels[i], noise.data() + i * each, out + static_cast<size_t>(i) * (relevant_ + irrelevant_));
}

void TokenGram::drawFactor() {
  const Stream normals(key_, Sample::kTraining, Field::kSummary, trial_);
  LazyDraws draws(key_, Field::kScore, trial_);
  for (int i = 0; i < noiseRows_ && !cancelled_; ++i) {
    double* row = factor_.data() + static_cast<size_t>(i) * axes_;
    normals.normals(static_cast<uint64_t>(i) * axes_, std::min(i, axes_), row);
    if (i < axes_) row[i] = draws.norm(offPlane(mixture_) - i);
    for (int j = 0; j <= std::min(i, axes_ - 1); ++j) row[j] *= mixture_.noiseLevel;
  }
}

void TokenGram::makeGram() {
  for (int a = 0; a < rows_ && !cancelled_; ++a)
    for (int b = 0; b < rows_; ++b) gram_[static_cast<size_t>(a) * rows_ + b] = dot(plane_[a], plane_[b]);
  if (axes_ == 0) return;
  const int most = std::clamp(static_cast<int>(kBlockNumbers / noiseRows_), 1, noiseRows_);
  block_.resize(static_cast<size_t>(most) * noiseRows_);
  for (int first = 0, count; first < noiseRows_ && !cancelled_; first += count) {
    count = std::min(most, noiseRows_ - first);
    const int end = first + count;  // what is right of the diagonal comes from below it
    multiply(false, true, count, end, axes_, 1.0, factor_.data() + static_cast<size_t>(first) * axes_,
             factor_.data(), 0.0, block_.data());
    for (int a = 0; a < count; ++a) {
      const size_t row = rowOfNoise(first + a);
      for (int b = 0; b <= first + a; ++b) {
        const size_t column = rowOfNoise(b);
        const double product = block_[static_cast<size_t>(a) * end + b];
        gram_[row * rows_ + column] += product;
        if (row != column) gram_[column * rows_ + row] += product;
      }
    }
  }
}

void TokenGram::drawTest(int first, int count, ExampleLabel* labels, double* products) {
  LabelSampler(mixture_, key_, Sample::kTest, trial_).draw(first, count, labels);
  const size_t tokens = static_cast<size_t>(count) * (relevant_ + irrelevant_);
  std::vector<PlaneVector> plane(tokens);
  placeAll(Stream(key_, Sample::kTest, Field::kScore, trial_), first, count, labels, plane.data());
  for (size_t a = 0; a < tokens; ++a)
    for (int b = 0; b < rows_; ++b) products[a * rows_ + b] = dot(plane[a], plane_[b]);
  if (axes_ == 0) return;
  const int noisy = count * irrelevant_;
  std::vector<double> normals(static_cast<size_t>(noisy) * axes_);
  Stream(key_, Sample::kTest, Field::kSummary, trial_)
      .normals(static_cast<uint64_t>(first) * irrelevant_ * axes_, normals.size(), normals.data());
  block_.resize(static_cast<size_t>(noisy) * noiseRows_);
  multiply(false, true, noisy, noiseRows_, axes_, mixture_.noiseLevel, normals.data(), factor_.data(), 0.0,
           block_.data());
  for (int a = 0; a < noisy; ++a) {
    double* row = products + static_cast<size_t>(rowOfNoise(a)) * rows_;
    for (int b = 0; b < noiseRows_; ++b)
      row[rowOfNoise(b)] += block_[static_cast<size_t>(a) * noiseRows_ + b];
  }
}

}  // namespace prompt_attention
