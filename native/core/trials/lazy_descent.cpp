#include "core/trials/lazy_descent.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/blas.h"

namespace prompt_attention {

namespace {

// Smaller weights are 0: what is made of them would be subnormal, and slow.
constexpr double kLeastExponent = -300.0;
constexpr size_t kBytesKept = size_t{256} << 20;  // larger noise is given back after the trial

double movingParameters(const DescentSpec& spec) {
  return (spec.model.traits().hasPrompt && spec.promptStep > 0.0 ? 1.0 : 0.0) +
         (spec.headStep > 0.0 ? 1.0 : 0.0);
}

double startAxes(const DescentSpec& spec) {
  return spec.initialScale > 0.0 ? 4.0 : 2.0;
}

class LazyTrial {
 public:
  LazyTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
            DescentWorkspace& workspace)
      : spec_(spec),
        mixture_(spec.mixture),
        trial_(trial),
        cancelled_(cancelled),
        workspace_(workspace),
        lazy_(workspace.lazy),
        labels_(spec.mixture, spec.key, Sample::kTraining, trial),
        hasPrompt_(spec.model.traits().hasPrompt),
        isSoftmax_(spec.model.traits().descent == DescentForm::kSoftmax),
        k_(mixture_.relevantTokens),
        m_(mixture_.irrelevantTokens()),
        T_(mixture_.tokens),
        rows_(static_cast<int>(lazyDescentRows(spec))),
        capacity_(static_cast<int>(
            std::min<double>(mixture_.dimension, startAxes(spec) + movingParameters(spec) * spec.steps))),
        frame_(mixture_.dimension, std::min(mixture_.dimension, 2), capacity_,
               LazyDraws(spec.key, Field::kScore, trial)),
        gradient_(2 * static_cast<size_t>(capacity_)) {
    workspace_.theta.assign(gradient_.size(), 0.0);
    if (spec.initialScale > 0.0) {
      frame_.gaussian(spec.initialScale, head());
      if (hasPrompt_) frame_.gaussian(spec.initialScale, prompt());
    }
    lazy_.labels.resize(spec.examples);
    if (hasPrompt_) lazy_.prompt.resize(rows_);
    lazy_.head.resize(rows_);
  }

  // New examples, of which nothing is known.
  void begin(int block) {
    labels_.draw(static_cast<uint64_t>(block) * spec_.examples, spec_.examples, lazy_.labels.data());
    const double scale = hasPrompt_ ? 1.0 : std::sqrt(static_cast<double>(m_)) / T_;
    lazy_.noise.begin(frame_, rows_, scale * mixture_.noiseLevel);
  }

  // Loss at the current parameters; with `wantsGradient` also what moves them.
  Evaluation evaluate(bool wantsGradient) {
    ask();
    LossSums sums;
    inPrompt_ = inHead_ = {0.0, 0.0};
    for (int i = 0; i < spec_.examples; ++i) addExample(i, sums);
    if (wantsGradient) produce();
    return {sums.loss / spec_.examples, sums.errors / spec_.examples, 0.0};
  }

  void move(Optimizer& optimizer) {
    optimizer.beginStep();
    optimizer.update(0, capacity_, spec_.promptStep, gradient_.data(), workspace_.theta.data());
    optimizer.update(capacity_, gradient_.size(), spec_.headStep, gradient_.data(), workspace_.theta.data());
  }

  DescentMetrics record(const Evaluation& training) {
    return gaussianMetrics(spec_, trial_, hasPrompt_ ? prompt() : nullptr, head(), frame_.axes(), training,
                           cancelled_, workspace_.pooling);
  }

  size_t parameters() const { return gradient_.size(); }

 private:
  double* prompt() { return workspace_.theta.data(); }
  double* head() { return workspace_.theta.data() + capacity_; }
  PlaneVector planeOf(const double* v) const { return {v[0], capacity_ > 1 ? v[1] : 0.0}; }
  void addPlane(PlaneVector p, double* v) const {
    v[0] += p.e1;
    if (capacity_ > 1) v[1] += p.e2;
  }

  // Noise of the scores: Zq and Zw.
  void ask() {
    if (rows_ == 0) return;
    const double* vectors[] = {head(), prompt()};
    double* answers[] = {lazy_.head.data(), lazy_.prompt.data()};
    const size_t count = hasPrompt_ ? 2 : 1;
    lazy_.noise.query(std::span(vectors, count), std::span(answers, count));
  }

  // Loss and gradient of one example: its part of the plane is added up, the coefficients of its noise
  // replace the noise of its scores.
  void addExample(int i, LossSums& sums) {
    const ExampleLabel label = lazy_.labels[i];
    const PlaneVector r = mixture_.relevantMean(label.y);
    const PlaneVector mu = mixture_.irrelevantMean(label.y, mixture_.confusion[label.atom]);
    const PlaneVector w = planeOf(head());
    const double relevantHead = dot(r, w);
    const double irrelevantHead = dot(mu, w);
    double g;
    if (!hasPrompt_) {
      const double noise = rows_ > 0 ? lazy_.head[i] : 0.0;
      const double f = (k_ * relevantHead + m_ * irrelevantHead) / T_ + noise;
      addLoss(spec_.loss, 1, &f, label.observed, sums, &g);
      if (rows_ > 0) lazy_.head[i] = g;
      inHead_ = inHead_ + (g * k_ / T_) * r + (g * m_ / T_) * mu;
      return;
    }
    const PlaneVector q = planeOf(prompt());
    const double relevantScore = dot(r, q);
    const double irrelevantScore = dot(mu, q);
    // Without noise every irrelevant token is the same: one stands for all.
    const int tokens = rows_ > 0 ? m_ : std::min(m_, 1);
    const double each = rows_ > 0 || m_ == 0 ? 1.0 : m_;
    double still[2] = {0.0, 0.0};
    double* a = rows_ > 0 ? lazy_.head.data() + static_cast<size_t>(i) * m_ : &still[0];
    double* c = rows_ > 0 ? lazy_.prompt.data() + static_cast<size_t>(i) * m_ : &still[1];
    // a: x_tᵀw, c: weights
    for (int t = 0; t < tokens; ++t) a[t] += irrelevantHead;
    const double relevantWeight = isSoftmax_ ? softmax(relevantScore, irrelevantScore, tokens, each, c)
                                             : linear(relevantScore, irrelevantScore, tokens, c);
    double f = k_ * relevantWeight * relevantHead;
    for (int t = 0; t < tokens; ++t) f += each * c[t] * a[t];
    addLoss(spec_.loss, 1, &f, label.observed, sums, &g);
    // a becomes the coefficients of ∂/∂w, c those of ∂/∂q.
    double headSum = 0.0;
    double promptSum = 0.0;
    for (int t = 0; t < tokens; ++t) {
      const double weight = c[t];
      c[t] = isSoftmax_ ? g * weight * (a[t] - f) : g * a[t] / T_;
      a[t] = g * weight;
      headSum += each * a[t];
      promptSum += each * c[t];
    }
    const double relevantPrompt =
        isSoftmax_ ? g * relevantWeight * (relevantHead - f) : g * relevantHead / T_;
    inHead_ = inHead_ + (k_ * g * relevantWeight) * r + headSum * mu;
    inPrompt_ = inPrompt_ + (k_ * relevantPrompt) * r + promptSum * mu;
  }

  // Weights from the noise of the scores c[tokens], each standing for `each` tokens; the weight of a relevant
  // token is returned (of no meaning if there is none).
  double softmax(double relevantScore, double irrelevantScore, int tokens, double each, double* c) const {
    double shift = k_ > 0 ? relevantScore : -std::numeric_limits<double>::infinity();
    for (int t = 0; t < tokens; ++t) shift = std::max(shift, irrelevantScore + c[t]);
    const double relevant = k_ > 0 ? std::exp(relevantScore - shift) : 0.0;
    double total = k_ * relevant;
    for (int t = 0; t < tokens; ++t) {
      const double exponent = irrelevantScore + c[t] - shift;
      c[t] = exponent < kLeastExponent ? 0.0 : std::exp(exponent);
      total += each * c[t];
    }
    for (int t = 0; t < tokens; ++t) c[t] /= total;
    return relevant / total;
  }
  double linear(double relevantScore, double irrelevantScore, int tokens, double* c) const {
    for (int t = 0; t < tokens; ++t) c[t] = (irrelevantScore + c[t]) / T_;
    return relevantScore / T_;
  }

  void produce() {
    const double scale = 1.0 / spec_.examples;
    double* ofPrompt = gradient_.data();
    double* ofHead = gradient_.data() + capacity_;
    std::fill(gradient_.begin(), gradient_.end(), 0.0);
    double* coefficients[2];
    double* gradients[2];
    size_t count = 0;
    if (spec_.headStep > 0.0) {
      coefficients[count] = lazy_.head.data();
      gradients[count++] = ofHead;
    }
    if (spec_.promptStep > 0.0 && hasPrompt_) {
      coefficients[count] = lazy_.prompt.data();
      gradients[count++] = ofPrompt;
    }
    if (rows_ > 0 && count > 0)
      lazy_.noise.produce(std::span(coefficients, count), std::span(gradients, count));
    if (spec_.headStep > 0.0) addPlane(inHead_, ofHead);
    if (spec_.promptStep > 0.0) addPlane(inPrompt_, ofPrompt);
    for (double& g : gradient_) g *= scale;
  }

  const DescentSpec& spec_;
  const Mixture& mixture_;
  const uint64_t trial_;
  const std::atomic<bool>& cancelled_;
  DescentWorkspace& workspace_;
  LazyDescentWorkspace& lazy_;
  LabelSampler labels_;
  const bool hasPrompt_;
  const bool isSoftmax_;  // else linear, if there is a prompt
  const int k_;
  const int m_;
  const int T_;
  const int rows_;
  const int capacity_;
  LazyFrame frame_;
  std::vector<double> gradient_;  // of q[capacity], w[capacity]
  PlaneVector inPrompt_{0.0, 0.0};
  PlaneVector inHead_{0.0, 0.0};
};

}  // namespace

double lazyDescentRows(const DescentSpec& spec) {
  if (spec.mixture.isNoiseless()) return 0.0;
  const int perExample = spec.model.traits().hasPrompt ? spec.mixture.irrelevantTokens() : 1;
  return static_cast<double>(spec.examples) * perExample;
}

double lazyDescentBytes(const DescentSpec& spec) {
  const double rows = lazyDescentRows(spec);
  const double moving = movingParameters(spec);
  const double steps = spec.freshExamples ? 1.0 : spec.steps;
  const double axes = startAxes(spec) + (spec.freshExamples ? moving * (spec.steps - 1.0) : 0.0);
  const double queries = spec.freshExamples ? 2.0 : 2.0 + moving * steps;
  return LazyNoise::bytes(rows, spec.mixture.dimension, axes, queries, moving * steps) +
         sizeof(double) * 2.0 * rows + sizeof(ExampleLabel) * static_cast<double>(spec.examples);
}

TrialStatus runLazyDescentTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                                DescentWorkspace& workspace, DescentMetrics* records) {
  LazyTrial descent(spec, trial, cancelled, workspace);
  Optimizer optimizer(spec.optimizer, descent.parameters());
  int recorded = 0;
  for (int step = 0; step <= spec.steps && !cancelled; ++step) {
    if (step == 0 || spec.freshExamples) descent.begin(step);
    const Evaluation training = descent.evaluate(step < spec.steps);
    if (!std::isfinite(training.loss)) break;
    if (isRecorded(spec, step)) {
      if (indexOfNonFinite(workspace.theta.data(), workspace.theta.size()) >= 0) break;
      records[recorded++] = descent.record(training);
    }
    if (step < spec.steps) descent.move(optimizer);
  }
  if (workspace.lazy.noise.heldBytes() > kBytesKept) workspace.lazy.noise.release();
  return finishRecords(spec, recorded, records);
}

}  // namespace prompt_attention
