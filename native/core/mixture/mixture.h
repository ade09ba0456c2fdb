// The contextual mixture model (theory.md §1): labels, means in the plane of q⋆ and w⋆, and dense tokens.
//
// Canonical frame: e1 = q⋆/Q, e2 completes w⋆ = W(ρ e1 + √(1−ρ²) e2); every token mean lies in the plane of
// e1, e2.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/named.h"
#include "core/random/random.h"

namespace prompt_attention {

enum class NoiseKind { kGaussian, kRademacher, kUniform };
constexpr Named<NoiseKind> kNoises[] = {
    {NoiseKind::kGaussian, "gaussian"},
    {NoiseKind::kRademacher, "rademacher"},
    {NoiseKind::kUniform, "uniform"},
};
static_assert(inOrder(kNoises));

struct ConfusionAtom {
  double deltaQ;
  double deltaW;
  double probability;
};

// Coordinates along e1 and e2.
struct PlaneVector {
  double e1;
  double e2;
};

inline double dot(PlaneVector a, PlaneVector b) {
  return a.e1 * b.e1 + a.e2 * b.e2;
}
inline PlaneVector operator+(PlaneVector a, PlaneVector b) {
  return {a.e1 + b.e1, a.e2 + b.e2};
}
inline PlaneVector operator*(double scale, PlaneVector a) {
  return {scale * a.e1, scale * a.e2};
}

struct Mixture {
  int tokens;                 // T ≥ 1
  int relevantTokens;         // k in [0, T]
  int dimension;              // d ≥ 1
  double contextNorm;         // Q
  double signalNorm;          // W
  double correlation;         // ρ
  double noiseLevel;          // σ
  double relevantNoiseLevel;  // σ_R, the same of relevant tokens
  NoiseKind noise;
  double positiveRate;  // π
  double labelNoise;    // ε, probability that a training label is flipped
  std::vector<ConfusionAtom> confusion;
  bool randomRelevance;

  int irrelevantTokens() const { return tokens - relevantTokens; }
  bool hasRelevantNoise() const { return relevantTokens > 0 && relevantNoiseLevel > 0.0; }
  // No token has noise: features are points of the plane.
  bool isNoiseless() const { return (irrelevantTokens() == 0 || noiseLevel == 0.0) && !hasRelevantNoise(); }
  // Along a direction the noise is one Gaussian number a token, and independent across it: what exact test
  // errors, projected trials and laws are made for.
  bool isGaussian() const { return noise == NoiseKind::kGaussian; }
  // The same, and irrelevant tokens alone have noise.
  bool hasScalarNoise() const { return isGaussian() && !hasRelevantNoise(); }
  PlaneVector contextVector() const { return {contextNorm, 0.0}; }
  PlaneVector signalVector() const;
  // r = q⋆ + y w⋆
  PlaneVector relevantMean(double y) const;
  // μ = −δq q⋆ − δw y w⋆
  PlaneVector irrelevantMean(double y, const ConfusionAtom& atom) const;
  // P(ỹ = +1) of the labels that training sees where this share of them is wrong.
  double observedPositiveRate(double wrongShare) const {
    return positiveRate * (1.0 - wrongShare) + (1.0 - positiveRate) * wrongShare;
  }
};

// One value of (y, δ), or of (y, δ, ỹ), and the token means it leads to.
struct LabelTerm {
  double y;
  double observed;  // ỹ, what training sees of y
  double probability;
  PlaneVector r;
  PlaneVector mu;
};

// Every (y, δ) of positive probability, with ỹ = y: of examples to come.
std::vector<LabelTerm> labelTerms(const Mixture& mixture);
// Every (y, δ, ỹ) of positive probability: of training examples.
std::vector<LabelTerm> trainingTerms(const Mixture& mixture);

// What an example draws before any noise.
struct ExampleLabel {
  double y;         // ±1
  double observed;  // ỹ
  int atom;         // index into Mixture::confusion
  int term;         // index into trainingTable
};

// Every (y, δ), also those of probability 0: y = +1 with each atom, then y = −1.
void labelTable(const Mixture& mixture, std::vector<LabelTerm>& table);
// With label noise every (y, δ) once more behind them, with ỹ = −y.
void trainingTable(const Mixture& mixture, std::vector<LabelTerm>& table);

// Labels of the examples of one sample of one trial, true and observed ones; example i does not depend on how
// many there are.
class LabelSampler {
 public:
  LabelSampler(const Mixture& mixture, StreamKey key, Sample sample, uint64_t trial);
  // Examples first … first+count−1 into out[count].
  void draw(uint64_t first, size_t count, ExampleLabel* out) const;

 private:
  const Mixture& mixture_;
  Stream labels_;
  Stream confusion_;
  Stream flips_;
};

// Vectors that replace the canonical frame and the isotropic noise; an empty one is not used.
struct TokenFrame {
  std::vector<double> contextVector;  // q⋆ [d]
  std::vector<double> signalVector;   // w⋆ [d]
  std::vector<double> noiseFactor;    // L [d×d], lower triangular: the noise is L times unit-variance noise
};

// Scratch of a TokenSampler, kept over trials.
struct TokenScratch {
  std::vector<double> relevantMean;    // [d]
  std::vector<double> irrelevantMean;  // [d]
  std::vector<float> normals;          // [m×d]
  std::vector<double> noise;           // [m×d] or [k×d]
  std::vector<double> uniforms;        // [k]
  std::vector<int> positions;          // [T]
};

// Dense tokens of the examples of one sample of one trial. Gaussian noise has single-precision normals.
class TokenSampler {
 public:
  TokenSampler(const Mixture& mixture, const TokenFrame& frame, StreamKey key, Sample sample, uint64_t trial,
               TokenScratch& scratch);
  // Tokens of example i into X[T×d], its relevance mask (1 = relevant) into mask[T]. A given mask[T] of k
  // ones is used in place of the mixture's own relevance.
  void draw(uint64_t example, ExampleLabel label, const uint8_t* givenMask, double* X, uint8_t* mask);

 private:
  void drawMask(uint64_t example, uint8_t* mask);
  void setMeans(ExampleLabel label);
  // Numbers first … first+count−1 of the stream, of standard deviation sigma, into scratch_.noise.
  void drawNoise(const Stream& stream, double sigma, uint64_t first, size_t count);
  void addRelevantNoise(uint64_t example, const uint8_t* mask, double* X);
  // Tokens X[T×d]: the means, plus scale·noise[m×d] at the irrelevant ones.
  template <class Number>
  void addMeans(const uint8_t* mask, double scale, const Number* noise, double* X) const;

  const Mixture& mixture_;
  const TokenFrame& frame_;
  Stream relevance_;
  Stream noise_;
  Stream relevantNoise_;
  TokenScratch& scratch_;
};

}  // namespace prompt_attention
