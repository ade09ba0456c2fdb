#include "core/mixture/mixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/blas.h"

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

void labelTable(const Mixture& mixture, std::vector<LabelTerm>& table) {
  table.clear();
  for (const double y : {1.0, -1.0}) {
    const double rate = y > 0 ? mixture.positiveRate : 1.0 - mixture.positiveRate;
    for (const ConfusionAtom& atom : mixture.confusion)
      table.push_back(
          {y, y, rate * atom.probability, mixture.relevantMean(y), mixture.irrelevantMean(y, atom)});
  }
}

void trainingTable(const Mixture& mixture, std::vector<LabelTerm>& table) {
  labelTable(mixture, table);
  if (mixture.labelNoise == 0.0) return;
  const size_t count = table.size();
  for (size_t i = 0; i < count; ++i) {
    LabelTerm flipped = table[i];
    flipped.observed = -flipped.y;
    flipped.probability *= mixture.labelNoise;
    table[i].probability *= 1.0 - mixture.labelNoise;
    table.push_back(flipped);
  }
}

namespace {

std::vector<LabelTerm> possible(std::vector<LabelTerm> terms) {
  std::erase_if(terms, [](const LabelTerm& term) { return !(term.probability > 0.0); });
  return terms;
}

}  // namespace

std::vector<LabelTerm> labelTerms(const Mixture& mixture) {
  std::vector<LabelTerm> terms;
  labelTable(mixture, terms);
  return possible(std::move(terms));
}

std::vector<LabelTerm> trainingTerms(const Mixture& mixture) {
  std::vector<LabelTerm> terms;
  trainingTable(mixture, terms);
  return possible(std::move(terms));
}

LabelSampler::LabelSampler(const Mixture& mixture, StreamKey key, Sample sample, uint64_t trial)
    : mixture_(mixture),
      labels_(key, sample, Field::kLabel, trial),
      confusion_(key, sample, Field::kConfusion, trial),
      flips_(key, besides(sample), Field::kLabel, trial) {}

void LabelSampler::draw(uint64_t first, size_t count, ExampleLabel* out) const {
  constexpr size_t kGroup = 256;
  double uniforms[kGroup];
  // The last atom takes what rounding leaves of the total probability.
  const int last = static_cast<int>(mixture_.confusion.size()) - 1;
  for (; count > 0; first += kGroup, out += kGroup, count -= std::min(kGroup, count)) {
    const size_t size = std::min(kGroup, count);
    labels_.uniforms(first, size, uniforms);
    for (size_t i = 0; i < size; ++i) {
      // Without a branch: nothing could predict it.
      const int negative = static_cast<int>(!(uniforms[i] < mixture_.positiveRate));
      const double y = 1.0 - 2.0 * negative;
      out[i] = {y, y, 0, negative * (last + 1)};
    }
    if (last > 0) {
      confusion_.uniforms(first, size, uniforms);
      for (size_t i = 0; i < size; ++i) {
        double remaining = uniforms[i];
        int atom = 0;
        while (atom < last && remaining >= mixture_.confusion[atom].probability) {
          remaining -= mixture_.confusion[atom].probability;
          ++atom;
        }
        out[i].atom = atom;
        out[i].term += atom;
      }
    }
    if (mixture_.labelNoise == 0.0) continue;
    flips_.uniforms(first, size, uniforms);
    for (size_t i = 0; i < size; ++i) {
      if (!(uniforms[i] < mixture_.labelNoise)) continue;
      out[i].observed = -out[i].y;
      out[i].term += 2 * (last + 1);
    }
  }
}

TokenSampler::TokenSampler(const Mixture& mixture, const TokenFrame& frame, StreamKey key, Sample sample,
                           uint64_t trial, TokenScratch& scratch)
    : mixture_(mixture),
      frame_(frame),
      relevance_(key, sample, Field::kRelevance, trial),
      noise_(key, sample, Field::kNoise, trial),
      relevantNoise_(key, besides(sample), Field::kNoise, trial),
      scratch_(scratch) {
  scratch_.relevantMean.assign(mixture.dimension, 0.0);
  scratch_.irrelevantMean.assign(mixture.dimension, 0.0);
  scratch_.uniforms.resize(mixture.relevantTokens);
  scratch_.positions.resize(mixture.tokens);
}

void TokenSampler::drawMask(uint64_t example, uint8_t* mask) {
  const int k = mixture_.relevantTokens;
  const int T = mixture_.tokens;
  if (!mixture_.randomRelevance) {
    for (int t = 0; t < T; ++t) mask[t] = t < k;
    return;
  }
  // First k steps of a Fisher–Yates shuffle of the positions.
  std::vector<int>& positions = scratch_.positions;
  relevance_.uniforms(example * k, k, scratch_.uniforms.data());
  for (int t = 0; t < T; ++t) positions[t] = t;
  std::memset(mask, 0, T);
  for (int j = 0; j < k; ++j) {
    const int pick = j + std::min(static_cast<int>(scratch_.uniforms[j] * (T - j)), T - j - 1);
    std::swap(positions[j], positions[pick]);
    mask[positions[j]] = 1;
  }
}

void TokenSampler::setMeans(ExampleLabel label) {
  const ConfusionAtom& atom = mixture_.confusion[label.atom];
  double* relevant = scratch_.relevantMean.data();
  double* irrelevant = scratch_.irrelevantMean.data();
  if (frame_.contextVector.empty()) {
    const PlaneVector r = mixture_.relevantMean(label.y);
    const PlaneVector mu = mixture_.irrelevantMean(label.y, atom);
    relevant[0] = r.e1;
    irrelevant[0] = mu.e1;
    if (mixture_.dimension > 1) {
      relevant[1] = r.e2;
      irrelevant[1] = mu.e2;
    }
    return;
  }
  for (int j = 0; j < mixture_.dimension; ++j) {
    const double q = frame_.contextVector[j];
    const double yw = label.y * frame_.signalVector[j];
    relevant[j] = q + yw;
    irrelevant[j] = -atom.deltaQ * q - atom.deltaW * yw;
  }
}

void TokenSampler::drawNoise(const Stream& stream, double sigma, uint64_t first, size_t count) {
  scratch_.noise.resize(count);
  double* noise = scratch_.noise.data();
  switch (mixture_.noise) {
    case NoiseKind::kGaussian:
      scratch_.normals.resize(count);
      stream.normals(first, count, scratch_.normals.data());
      for (size_t i = 0; i < count; ++i) noise[i] = sigma * scratch_.normals[i];
      break;
    case NoiseKind::kRademacher:
      stream.signs(first, count, noise);
      for (size_t i = 0; i < count; ++i) noise[i] *= sigma;
      break;
    case NoiseKind::kUniform:
      stream.uniforms(first, count, noise);
      for (size_t i = 0; i < count; ++i) noise[i] = sigma * std::sqrt(3.0) * (2.0 * noise[i] - 1.0);
      break;
  }
}

void TokenSampler::addRelevantNoise(uint64_t example, const uint8_t* mask, double* X) {
  const size_t d = mixture_.dimension;
  const size_t count = mixture_.relevantTokens * d;
  drawNoise(relevantNoise_, mixture_.relevantNoiseLevel, example * count, count);
  const double* noise = scratch_.noise.data();
  for (int t = 0; t < mixture_.tokens; ++t) {
    if (mask[t] == 0) continue;
    for (size_t j = 0; j < d; ++j) X[t * d + j] += noise[j];
    noise += d;
  }
}

template <class Number>
void TokenSampler::addMeans(const uint8_t* mask, double scale, const Number* noise, double* X) const {
  const int d = mixture_.dimension;
  const double* irrelevant = scratch_.irrelevantMean.data();
  for (int t = 0; t < mixture_.tokens; ++t) {
    double* x = X + static_cast<size_t>(t) * d;
    if (mask[t]) {
      std::copy_n(scratch_.relevantMean.data(), d, x);
    } else {
      for (int j = 0; j < d; ++j) x[j] = irrelevant[j] + scale * noise[j];
      noise += d;
    }
  }
}

void TokenSampler::draw(uint64_t example, ExampleLabel label, const uint8_t* givenMask, double* X,
                        uint8_t* mask) {
  const int T = mixture_.tokens;
  const size_t count = static_cast<size_t>(mixture_.irrelevantTokens()) * mixture_.dimension;
  const uint64_t first = example * count;
  if (givenMask != nullptr)
    std::memcpy(mask, givenMask, T);
  else
    drawMask(example, mask);
  setMeans(label);
  if (mixture_.noise == NoiseKind::kGaussian && frame_.noiseFactor.empty()) {
    scratch_.normals.resize(count);
    noise_.normals(first, count, scratch_.normals.data());
    addMeans(mask, mixture_.noiseLevel, scratch_.normals.data(), X);
  } else {
    const bool isotropic = frame_.noiseFactor.empty();
    drawNoise(noise_, isotropic ? mixture_.noiseLevel : 1.0, first, count);
    if (!isotropic)
      multiplyRowsByLower(frame_.noiseFactor.data(), mixture_.dimension, scratch_.noise.data(),
                          mixture_.irrelevantTokens());
    addMeans(mask, 1.0, scratch_.noise.data(), X);
  }
  if (mixture_.hasRelevantNoise()) addRelevantNoise(example, mask, X);
}

}  // namespace prompt_attention
