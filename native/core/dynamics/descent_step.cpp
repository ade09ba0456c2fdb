#include "core/dynamics/descent_step.h"

#include <algorithm>
#include <cmath>

namespace prompt_attention {

namespace {

double dotOf(const FrameCoordinates& a, const FrameCoordinates& b) {
  double sum = 0.0;
  for (size_t j = 0; j < a.size(); ++j) sum += a[j] * b[j];
  return sum;
}

void addTo(FrameCoordinates& a, double factor, const FrameCoordinates& b) {
  for (size_t j = 0; j < a.size(); ++j) a[j] += factor * b[j];
}

PlaneVector planeOf(const FrameCoordinates& a) {
  return {a[0], a[1]};
}

int vectorCount(const DescentSpec& spec) {
  return spec.optimizer.kind == OptimizerKind::kMomentum ? kDescentVectors : 2;
}

// Turns the axes behind e2 so that the first of them span the vectors; what lies beyond the frame is then 0.
void turn(int count, DescentPoint& point) {
  std::array<FrameCoordinates, kDescentVectors> axes{};
  std::array<FrameCoordinates, kDescentVectors> turned{};
  int used = 0;
  for (int v = 0; v < count; ++v) {
    FrameCoordinates rest = point.vectors[v];
    turned[v][0] = rest[0];
    turned[v][1] = rest[1];
    rest[0] = rest[1] = 0.0;
    const double size = std::sqrt(dotOf(rest, rest));
    for (int pass = 0; pass < 2; ++pass)
      for (int j = 0; j < used; ++j) {
        const double along = dotOf(axes[j], rest);
        turned[v][2 + j] += along;
        addTo(rest, -along, axes[j]);
      }
    const double left = std::sqrt(dotOf(rest, rest));
    if (!(left > 1e-14 * size)) continue;
    for (double& x : rest) x /= left;
    turned[v][2 + used] = left;
    axes[used++] = rest;
  }
  point.vectors = turned;
}

}  // namespace

int frameSize(const DescentSpec& spec) {
  return 2 + vectorCount(spec);
}

void StepMeans::add(double weight, const StepMeans& other) {
  head = head + weight * other.head;
  prompt = prompt + weight * other.prompt;
  for (int j = 0; j < 2; ++j) {
    headAlong[j] += weight * other.headAlong[j];
    promptAlong[j] += weight * other.promptAlong[j];
  }
  headSquares += weight * other.headSquares;
  cross += weight * other.cross;
  promptSquares += weight * other.promptSquares;
  loss += weight * other.loss;
}

StepView::StepView(const DescentSpec& spec, const DescentPoint& point) : spec_(spec) {
  const FrameCoordinates& q = point.vectors[kPromptVector];
  const FrameCoordinates& w = point.vectors[kHeadVector];
  prompt_ = planeOf(q);
  head_ = planeOf(w);
  const double sigma = spec.mixture.noiseLevel;
  const double promptNorm = std::sqrt(dotOf(q, q));
  if (promptNorm > 0.0) addTo(basis_[0], 1.0 / promptNorm, q);
  FrameCoordinates rest = w;
  for (int pass = 0; pass < 2; ++pass) addTo(rest, -dotOf(basis_[0], rest), basis_[0]);
  const double headNorm = std::sqrt(dotOf(w, w));
  const double left = std::sqrt(dotOf(rest, rest));
  if (left > 1e-14 * headNorm) addTo(basis_[1], 1.0 / left, rest);
  promptScale_ = sigma * promptNorm;
  scoreScale_ = spec.model.traits().descent == DescentForm::kSoftmax ? promptScale_ : 0.0;
  headScale_ = {sigma * dotOf(basis_[0], w), sigma * dotOf(basis_[1], w)};
}

void StepView::add(const LabelTerm& term, const TokenSums& sums, int i, double weight,
                   StepMeans& means) const {
  const Mixture& mixture = spec_.mixture;
  const double k = mixture.relevantTokens;
  const double T = mixture.tokens;
  const double relevantScore = dot(term.r, prompt_);
  const double irrelevantScore = dot(term.mu, prompt_);
  const double relevantHead = dot(term.r, head_);
  const double a0 = dot(term.mu, head_);
  const double a1 = headScale_[0];
  const double a2 = headScale_[1];
  const auto E = [&](int j) { return sums.weighted[j][i]; };
  const auto D = [&](int j) { return sums.squared[j][i]; };
  // Σ (p0 + p1 g1 + p2 g2) over the weights of the moments, and the same times g1, g2.
  const auto linear = [](const auto& moment, double p0, double p1, double p2) {
    return p0 * moment(0) + p1 * moment(1) + p2 * moment(2);
  };
  const auto along = [](const auto& moment, double p0, double p1, double p2) {
    return std::array<double, 2>{p0 * moment(1) + p1 * moment(3) + p2 * moment(4),
                                 p0 * moment(2) + p1 * moment(4) + p2 * moment(5)};
  };
  const auto product = [](const auto& moment, const std::array<double, 3>& p,
                          const std::array<double, 3>& r) {
    return p[0] * r[0] * moment(0) + (p[0] * r[1] + p[1] * r[0]) * moment(1) +
           (p[0] * r[2] + p[2] * r[0]) * moment(2) + p[1] * r[1] * moment(3) +
           (p[1] * r[2] + p[2] * r[1]) * moment(4) + p[2] * r[2] * moment(5);
  };
  // Weights of irrelevant tokens: scale · (coefficients on 1, g1, g2) in the moments; of a relevant one.
  double scale = 1.0 / T;
  double relevantWeight = 1.0 / T;
  double relevantPrompt = 0.0;
  std::array<double, 3> ofHead{1.0, 0.0, 0.0};
  std::array<double, 3> ofPrompt{0.0, 0.0, 0.0};
  double f = 0.0;
  switch (spec_.model.traits().descent) {
    case DescentForm::kSoftmax: {
      const double irrelevant = irrelevantScore + sums.shift[i];
      const bool both = k > 0.0 && k < T;
      const double shift = both ? std::max(relevantScore, irrelevant) : k > 0.0 ? relevantScore : irrelevant;
      const double relevant = k > 0.0 ? std::exp(relevantScore - shift) : 0.0;
      const double other = k < T ? std::exp(irrelevant - shift) : 0.0;
      const double total = k * relevant + other * E(0);
      relevantWeight = relevant / total;
      scale = other / total;
      f = k * relevantWeight * relevantHead + scale * linear(E, a0, a1, a2);
      // One token, or relevant ones alone, have all the same value.
      if (k == T || T == 1.0) break;
      relevantPrompt = relevantWeight * (relevantHead - f);
      ofPrompt = {a0 - f, a1, a2};
      break;
    }
    case DescentForm::kLinear:
      relevantWeight = relevantScore / T;
      relevantPrompt = relevantHead / T;
      ofHead = {irrelevantScore, promptScale_, 0.0};
      ofPrompt = {a0, a1, a2};
      f = k * relevantWeight * relevantHead + scale * product(E, ofHead, ofPrompt);
      break;
    case DescentForm::kMean:
      f = k * relevantWeight * relevantHead + scale * linear(E, a0, a1, a2);
      break;
    case DescentForm::kNone:
      return;
  }
  double slope;
  LossSums loss;
  addLoss(spec_.loss, 1, &f, term.observed, loss, &slope);
  const double e = -slope;
  const double sigma = mixture.noiseLevel;
  const double mass = scale * linear(E, ofHead[0], ofHead[1], ofHead[2]);
  const double promptMass = scale * linear(E, ofPrompt[0], ofPrompt[1], ofPrompt[2]);
  const auto headAlong = along(E, ofHead[0], ofHead[1], ofHead[2]);
  const auto promptAlong = along(E, ofPrompt[0], ofPrompt[1], ofPrompt[2]);
  means.head = means.head + (weight * e * k * relevantWeight) * term.r + (weight * e * mass) * term.mu;
  means.prompt =
      means.prompt + (weight * e * k * relevantPrompt) * term.r + (weight * e * promptMass) * term.mu;
  for (int j = 0; j < 2; ++j) {
    means.headAlong[j] += weight * e * sigma * scale * headAlong[j];
    means.promptAlong[j] += weight * e * sigma * scale * promptAlong[j];
  }
  const double squares = weight * e * e * sigma * sigma * scale * scale;
  means.headSquares += squares * product(D, ofHead, ofHead);
  means.cross += squares * product(D, ofHead, ofPrompt);
  means.promptSquares += squares * product(D, ofPrompt, ofPrompt);
  means.loss += weight * loss.loss;
}

void moveAlong(const DescentSpec& spec, const StepMeans& means, const StepView& view, const StepNoise& noise,
               double promptStep, double headStep, DescentPoint& point) {
  const int frame = frameSize(spec);
  // Cholesky factor of the covariance of (head, prompt).
  const double l11 = std::sqrt(std::max(means.headSquares, 0.0));
  const double l21 = l11 > 0.0 ? means.cross / l11 : 0.0;
  const double l22 = std::sqrt(std::max(means.promptSquares - l21 * l21, 0.0));
  FrameCoordinates head{};
  FrameCoordinates prompt{};
  for (int j = 0; j < frame; ++j) {
    const auto& [first, second] = noise.axes[j];
    head[j] = noise.deviation * l11 * first;
    prompt[j] = noise.deviation * (l21 * first + l22 * second);
  }
  for (FrameCoordinates* v : {&head, &prompt}) {
    const std::array<double, 2> inside{dotOf(view.basis(0), *v), dotOf(view.basis(1), *v)};
    for (int j = 0; j < 2; ++j) addTo(*v, -inside[j], view.basis(j));
  }
  head[frame] = l11 * noise.beyond[0];
  prompt[frame] = l21 * noise.beyond[0] + l22 * noise.beyond[1];
  prompt[frame + 1] = l22 * noise.beyond[2];
  head[0] += means.head.e1;
  head[1] += means.head.e2;
  prompt[0] += means.prompt.e1;
  prompt[1] += means.prompt.e2;
  for (int j = 0; j < 2; ++j) {
    addTo(head, means.headAlong[j], view.basis(j));
    addTo(prompt, means.promptAlong[j], view.basis(j));
  }
  auto& [q, w, promptVelocity, headVelocity] = point.vectors;
  if (spec.optimizer.kind == OptimizerKind::kMomentum) {
    for (size_t j = 0; j < head.size(); ++j) {
      promptVelocity[j] = spec.optimizer.momentum * promptVelocity[j] + prompt[j];
      headVelocity[j] = spec.optimizer.momentum * headVelocity[j] + head[j];
    }
    prompt = promptVelocity;
    head = headVelocity;
  }
  if (spec.optimizer.kind == OptimizerKind::kNormalized)
    for (FrameCoordinates* v : {&head, &prompt}) {
      const double norm = std::sqrt(dotOf(*v, *v));
      if (norm > 0.0)
        for (double& x : *v) x /= norm;
    }
  addTo(w, headStep, head);
  if (spec.model.traits().hasPrompt) addTo(q, promptStep, prompt);
  turn(vectorCount(spec), point);
}

}  // namespace prompt_attention
