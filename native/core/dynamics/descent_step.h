// One joint step of gradient descent on fresh examples in the few directions that matter (theory.md §13).
//
// A point holds q, w and, with momentum, their velocities, in an orthonormal frame of e1, e2 and one axis for
// each of these vectors. With b1, b2 an orthonormal basis of span(q, w), the step's gradients are
//
//   on e1, e2     −E[e Σ u_t m_t]              m_t the means of the tokens, e = −∂ℓ/∂f
//   on b1, b2     −σ E[e Σ u_t ⟨z_t, b_j⟩]
//   elsewhere     Gaussian, independent between directions, covariance (σ²/n) E[e² Σ u_t u_tᵀ]
//
// with u_t the weights of the head's and the prompt's gradient:
//
//   prompt attention   (φ_t, φ_t (a_t − f))      linear attention   (s_t, a_t)/T      mean pooling   (1/T, 0)
//
// With the normalized rule the head's and the prompt's gradients, mean and noise together, are divided by
// their norms.
#pragma once

#include <array>

#include "core/dynamics/descent_sums.h"
#include "core/mixture/mixture.h"
#include "core/models/models.h"
#include "core/trials/descent.h"

namespace prompt_attention {

constexpr int kMostFrame = 6;  // e1, e2, and an axis for q, w and their velocities
using FrameCoordinates = std::array<double, kMostFrame + 2>;

enum DescentVector { kPromptVector, kHeadVector, kPromptVelocity, kHeadVelocity, kDescentVectors };

struct DescentPoint {
  std::array<FrameCoordinates, kDescentVectors> vectors{};
};

// Means over examples at a point.
struct StepMeans {
  PlaneVector head{0.0, 0.0};  // E[e Σ u m] of the head, and of the prompt
  PlaneVector prompt{0.0, 0.0};
  std::array<double, 2> headAlong{};  // σ E[e Σ u g_j]
  std::array<double, 2> promptAlong{};
  double headSquares = 0.0;  // σ² E[e² Σ u uᵀ]
  double cross = 0.0;
  double promptSquares = 0.0;
  double loss = 0.0;

  void add(double weight, const StepMeans& other);
};

// What the examples are seen as from a point.
class StepView {
 public:
  StepView(const DescentSpec& spec, const DescentPoint& point);
  // c of the token sums.
  double scoreScale() const { return scoreScale_; }
  // Adds weight times what example i of the sums, with this label, contributes.
  void add(const LabelTerm& term, const TokenSums& sums, int i, double weight, StepMeans& means) const;
  const FrameCoordinates& basis(int j) const { return basis_[j]; }

 private:
  const DescentSpec& spec_;
  std::array<FrameCoordinates, 2> basis_{};
  PlaneVector prompt_;
  PlaneVector head_;
  double promptScale_;               // σ⟨q, b1⟩
  double scoreScale_;                // the same for softmax, else 0
  std::array<double, 2> headScale_;  // σ⟨w, b_j⟩
};

// Gaussian noise of a step's gradients outside of span(q, w).
struct StepNoise {
  // Of the axes of the frame: two standard normals each, times `deviation`; of what is beyond them: the rows
  // of a lower triangular matrix.
  std::array<std::array<double, 2>, kMostFrame> axes{};
  double deviation = 0.0;
  std::array<double, 3> beyond{};  // (1,1), (2,1), (2,2)
};

// Moves the point by the means, and turns its frame.
void moveAlong(const DescentSpec& spec, const StepMeans& means, const StepView& view, const StepNoise& noise,
               double promptStep, double headStep, DescentPoint& point);

// Axes of the frame that a point uses.
int frameSize(const DescentSpec& spec);

}  // namespace prompt_attention
