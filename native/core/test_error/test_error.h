// Test error of given parameters (q, w), theory.md §4.
//
// Gaussian noise: conditional on label, atom and the m scores along q̂ = q/‖q‖, the score is Gaussian,
//
//   f | (y, δ, g) ~ N( A⟨r,w⟩ + (1−A)⟨μ,w⟩ + t̃⟨q̂,w⟩,  s²(‖w‖² − ⟨q̂,w⟩²) ),
//   error = E Φ(−y(mean − b)/sd)   for the prediction sign(f − b),
//
// so the error is an average of normal tail probabilities over draws of m scalars, with the sum over (y, δ)
// exact. At q = 0 the weights are 1/T and the error is closed form. Cost: m normals, m exponentials, 2·atoms
// tails per draw.
//
// Linear prompt attention f = (1/T) Σ ⟨x_t,q⟩⟨x_t,w⟩ is quadratic in the noise, but linear in what is left of
// it once the m scores along q̂ are given: with a_t = ⟨μ,q⟩ + σ‖q‖ g_t,
//
//   f | (y, δ, g) ~ N( (k/T)⟨r,q⟩⟨r,w⟩ + (1/T) Σ a_t (⟨μ,w⟩ + σ⟨q̂,w⟩ g_t),
//                      (σ²/T²)(‖w‖² − ⟨q̂,w⟩²) Σ a_t² ),
//
// whose sums over t are those of g_t and g_t²: a normal and a chi-squared number. The mean over the former
// goes by Gauss and Legendre between the points where f changes its sign, that over the latter by a
// trapezoidal rule. Cost: some 10⁴ to 10⁵ tails per (y, δ). Other noise: the share of fresh examples
// misclassified, a tie counting one half.
#pragma once

#include <limits>
#include <vector>

#include "core/mixture/mixture.h"
#include "core/mixture/pooling.h"

namespace prompt_attention {

// All that the law of f needs of q and w.
struct Readout {
  PlaneVector prompt;      // ⟨q,e1⟩, ⟨q,e2⟩
  double promptNorm;       // ‖q‖
  PlaneVector head;        // ⟨w,e1⟩, ⟨w,e2⟩
  double headAlongPrompt;  // ⟨q̂,w⟩; not read if q = 0
  double headOrthogonal;   // norm of w's part orthogonal to q̂; ‖w‖ if q = 0
  double intercept = 0.0;  // b: the prediction is sign(f − b)
  // Bound on ‖w − w'‖, w' the head of exact arithmetic: without noise a score that it leaves open is a tie.
  double headRounding = 0.0;
};

// Readout of q[d] and w[d] in the canonical frame.
Readout makeReadout(const double* q, const double* w, int d);

// How well an error is known. All numbers, so that results can be compared byte by byte.
struct TestAccuracy {
  double standardError;
  double effectiveDraws;
  double reliable;  // 1 or 0
};

struct TestError {
  double error = 0.0;
  double standardError = 0.0;
  double relevantAttention = 0.0;  // E[A] over labels, atoms and draws
  double effectiveDraws = std::numeric_limits<double>::infinity();
  bool reliable = true;  // error ± 1.96 standardError can be trusted

  TestAccuracy accuracy() const { return {standardError, effectiveDraws, reliable ? 1.0 : 0.0}; }
};

// Draws of a ladder are up to this many times those asked for, and up to this many.
constexpr int kMostDrawsMore = 64;
constexpr int kMostLadderDraws = 1 << 20;
// Smaller errors, where there is noise, may have underflowed: they are not reliable.
constexpr double kLeastError = 1e-290;
// A count of fewer errors than this has no interval that can be trusted.
constexpr double kLeastErrorsSeen = 10.0;

// Φ(−margin) for a Gaussian margin of the given mean and standard deviation; 0, ½ or 1 by the sign if it has
// none.
double misclassification(double marginMean, double marginDeviation);

// Gaussian noise only. Draw j has the scores of example j of the stream (pooling.h); a pilot looks at others
// of the stream and chooses between plain draws, `draws` or more, and a ladder of them. Where relevant tokens
// have noise there is no ladder, and an error that needs one is not reliable. These return early, with a
// useless result, once `cancelled`.
TestError gaussianTestError(const Mixture& mixture, const Readout& readout, const Stream& scores, int draws,
                            const std::atomic<bool>& cancelled, PoolingWorkspace& workspace);

// The same for linear prompt attention, by quadrature over Σ g_t and Σ g_t²: the standard error is the change
// when the step was halved last. relevantAttention is 0.
TestError gaussianLinearTestError(const Mixture& mixture, const Readout& readout,
                                  const std::atomic<bool>& cancelled, PoolingWorkspace& workspace);

// `errors` of `draws` fresh examples misclassified, a tie counted as one half. effectiveDraws is their
// number. With fewer errors, or fewer right predictions, than kLeastErrorsSeen the error is not reliable, and
// its standard error that of the share (errors + 2)/(draws + 4) (Agresti and Coull 1998), so that 0 is not
// told as 0 ± 0.
TestError countedShare(double errors, double draws, double relevantAttention);

// Scratch of countedTestError.
struct DenseExample {
  std::vector<double> X;        // [T×d]
  std::vector<double> phi;      // [T]
  std::vector<uint8_t> mask;    // [T]
  std::vector<double> feature;  // [d]
  TokenScratch scratch;
  void resize(const Mixture& mixture);
  // Bytes of one of the mixture's sizes, to leading order.
  static double bytes(const Mixture& mixture);
};

// Any noise: misclassified share of `draws` fresh examples of the canonical frame, prompt q[d], head w[d],
// intercept b.
TestError countedTestError(const Mixture& mixture, const double* q, const double* w, double intercept,
                           StreamKey key, uint64_t trial, int draws, const std::atomic<bool>& cancelled,
                           DenseExample& example);

}  // namespace prompt_attention
