#include "core/mixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/blas.h"

namespace prompt_attention {

PlaneVector Mixture::signalVector() const {
  return {signalNorm * correlation, signalNorm * std::sqrt((1.0 - correlation) * (1.0 + correlation))};
}

PlaneVector Mixture::relevantMean(double y) const {
  return contextVector() + y * signalVector();
}

PlaneVector Mixture::irrelevantMean(double y, const ConfusionAtom& atom) const {
  return -atom.deltaQ * contextVector() + (-atom.deltaW * y) * signalVector();
}

std::vector<LabelTerm> labelTerms(const Mixture& mixture) {
  std::vector<LabelTerm> terms;
  for (const double y : {1.0, -1.0}) {
    const double rate = y > 0 ? mixture.positiveRate : 1.0 - mixture.positiveRate;
    for (const ConfusionAtom& atom : mixture.confusion)
      if (rate * atom.probability > 0.0)
        terms.push_back(
            {y, rate * atom.probability, mixture.relevantMean(y), mixture.irrelevantMean(y, atom)});
  }
  return terms;
}

LabelSampler::LabelSampler(const Mixture& mixture, StreamKey key, Sample sample, uint64_t trial)
    : mixture_(mixture),
      labels_(key, sample, Field::kLabel, trial),
      confusion_(key, sample, Field::kConfusion, trial) {}

void LabelSampler::draw(uint64_t first, size_t count, ExampleLabel* out) {
  uniforms_.resize(count);
  labels_.uniforms(first, count, uniforms_.data());
  for (size_t i = 0; i < count; ++i) out[i] = {uniforms_[i] < mixture_.positiveRate ? 1.0 : -1.0, 0};
  if (mixture_.confusion.size() == 1) return;
  confusion_.uniforms(first, count, uniforms_.data());
  for (size_t i = 0; i < count; ++i) {
    // The last atom takes what rounding leaves of the total probability.
    const int last = static_cast<int>(mixture_.confusion.size()) - 1;
    double remaining = uniforms_[i];
    int atom = 0;
    while (atom < last && remaining >= mixture_.confusion[atom].probability) {
      remaining -= mixture_.confusion[atom].probability;
      ++atom;
    }
    out[i].atom = atom;
  }
}

TokenSampler::TokenSampler(const Mixture& mixture, const TokenFrame& frame, StreamKey key, Sample sample,
                           uint64_t trial)
    : mixture_(mixture),
      frame_(frame),
      relevance_(key, sample, Field::kRelevance, trial),
      noise_(key, sample, Field::kNoise, trial),
      relevantMean_(mixture.dimension),
      irrelevantMean_(mixture.dimension),
      irrelevantNoise_(static_cast<size_t>(mixture.irrelevantTokens()) * mixture.dimension),
      uniforms_(mixture.relevantTokens),
      positions_(mixture.tokens) {}

void TokenSampler::drawMask(uint64_t example, uint8_t* mask) {
  const int k = mixture_.relevantTokens;
  const int T = mixture_.tokens;
  if (!mixture_.randomRelevance) {
    for (int t = 0; t < T; ++t) mask[t] = t < k;
    return;
  }
  // First k steps of a Fisher–Yates shuffle of the positions.
  relevance_.uniforms(example * k, k, uniforms_.data());
  for (int t = 0; t < T; ++t) positions_[t] = t;
  std::memset(mask, 0, T);
  for (int j = 0; j < k; ++j) {
    const int pick = j + std::min(static_cast<int>(uniforms_[j] * (T - j)), T - j - 1);
    std::swap(positions_[j], positions_[pick]);
    mask[positions_[j]] = 1;
  }
}

void TokenSampler::drawNoise(uint64_t first, size_t count, double* out) const {
  const double sigma = frame_.noiseFactor.empty() ? mixture_.noiseLevel : 1.0;
  switch (mixture_.noise) {
    case NoiseKind::kGaussian:
      noise_.normals(first, count, out);
      for (size_t i = 0; i < count; ++i) out[i] *= sigma;
      return;
    case NoiseKind::kRademacher:
      noise_.signs(first, count, out);
      for (size_t i = 0; i < count; ++i) out[i] *= sigma;
      return;
    case NoiseKind::kUniform:
      noise_.uniforms(first, count, out);
      for (size_t i = 0; i < count; ++i) out[i] = sigma * std::sqrt(3.0) * (2.0 * out[i] - 1.0);
      return;
  }
}

void TokenSampler::draw(uint64_t example, ExampleLabel label, const uint8_t* givenMask, double* X,
                        uint8_t* mask) {
  const int T = mixture_.tokens;
  const int d = mixture_.dimension;
  const size_t irrelevant = mixture_.irrelevantTokens();
  const ConfusionAtom& atom = mixture_.confusion[label.atom];
  if (givenMask != nullptr)
    std::memcpy(mask, givenMask, T);
  else
    drawMask(example, mask);

  if (frame_.contextVector.empty()) {
    const PlaneVector r = mixture_.relevantMean(label.y);
    const PlaneVector mu = mixture_.irrelevantMean(label.y, atom);
    relevantMean_[0] = r.e1;
    irrelevantMean_[0] = mu.e1;
    if (d > 1) {
      relevantMean_[1] = r.e2;
      irrelevantMean_[1] = mu.e2;
    }
  } else {
    for (int j = 0; j < d; ++j) {
      const double q = frame_.contextVector[j];
      const double yw = label.y * frame_.signalVector[j];
      relevantMean_[j] = q + yw;
      irrelevantMean_[j] = -atom.deltaQ * q - atom.deltaW * yw;
    }
  }

  drawNoise(example * irrelevant * d, irrelevant * d, irrelevantNoise_.data());
  if (!frame_.noiseFactor.empty())
    multiplyRowsByLower(frame_.noiseFactor.data(), d, irrelevantNoise_.data(), static_cast<int>(irrelevant));

  const double* z = irrelevantNoise_.data();
  for (int t = 0; t < T; ++t) {
    double* x = X + static_cast<size_t>(t) * d;
    if (mask[t]) {
      std::copy(relevantMean_.begin(), relevantMean_.end(), x);
    } else {
      for (int j = 0; j < d; ++j) x[j] = irrelevantMean_[j] + z[j];
      z += d;
    }
  }
}

}  // namespace prompt_attention
