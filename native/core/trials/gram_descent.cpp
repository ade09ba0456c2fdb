#include "core/trials/gram_descent.h"

#include <algorithm>
#include <cmath>

#include "core/attention/attention.h"
#include "core/base/blas.h"
#include "core/lazy/token_gram.h"

namespace prompt_attention {

namespace {

constexpr size_t kBlockNumbers = size_t{1} << 21;  // of products of a block of examples

double examplesOf(const DescentSpec& spec) {
  return static_cast<double>(spec.examples) * (spec.freshExamples ? spec.steps + 1.0 : 1.0);
}

// What attention makes of an example.
struct Forward {
  double f;
  double relevant;  // mean over tokens of the mass on relevant ones
};

class GramTrial {
 public:
  GramTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled)
      : spec_(spec),
        cancelled_(cancelled),
        examples_(static_cast<int>(examplesOf(spec))),
        width_(TokenGram::tokensPerExample(spec.mixture)),
        size_(static_cast<size_t>(width_) * width_),
        gram_(spec.mixture, spec.key, trial, examples_, cancelled),
        optimizer_(ruleOf(spec), headAt(examples_)),
        theta_(headAt(examples_)),
        gradient_(headAt(examples_)),
        share_(width_),
        logMultiplicity_(width_),
        scores_(size_),
        values_(width_),
        attention_(size_),
        outputs_(width_) {
    for (int s = 0; s < width_; ++s) {
      share_[s] = gram_.multiplicity(s) / spec.mixture.tokens;
      logMultiplicity_[s] = std::log(gram_.multiplicity(s));
    }
  }

  // Loss at the current parameters over the examples of `step`; with `wantsGradient` also what moves them.
  Evaluation evaluate(int step, bool wantsGradient) {
    first_ = spec_.freshExamples ? step * spec_.examples : 0;
    trained_ = spec_.freshExamples ? first_ : spec_.examples;
    std::fill(gradient_.begin(), gradient_.end(), 0.0);
    LossSums sums;
    forTraining(first_, batchEnd(), theta_.data(), 0, trained_, [&](int i, const double* S) {
      const Forward forward = attend(gram_.row(i * width_), S);
      double g;
      addLoss(spec_.loss, 1, &forward.f, gram_.label(i).observed, sums, &g);
      if (wantsGradient) setGradient(i, g / spec_.examples);
    });
    return {sums.loss / spec_.examples, sums.errors / spec_.examples, 0.0};
  }

  void move() {
    double promptStep = spec_.promptStep;
    double headStep = spec_.headStep;
    if (spec_.optimizer.kind == OptimizerKind::kNormalized) {
      scaleToUnit(gradient_.data(), gradient_.data() + headAt(0));
      scaleToUnit(gradient_.data() + headAt(0), gradient_.data() + gradient_.size());
      promptStep = stepOf(promptStep, weightNorm(gradient_.data(), first_, batchEnd()));
      headStep = stepOf(headStep, headNorm(gradient_.data(), first_, batchEnd()));
    }
    optimizer_.beginStep();
    optimizer_.update(0, headAt(0), promptStep, gradient_.data(), theta_.data());
    optimizer_.update(headAt(0), theta_.size(), headStep, gradient_.data(), theta_.data());
  }

  bool isFinite() const { return indexOfNonFinite(theta_.data(), theta_.size()) < 0; }

  DescentMetrics record(const Evaluation& training) {
    PlaneVector head{0.0, 0.0};
    for (int row = 0; row < trained_ * width_; ++row)
      head = head + theta_[headAt(0) + row] * gram_.plane(row);
    const TestError test = testError();
    DescentMetrics metrics{};
    metrics.error = test.error;
    metrics.test = test.accuracy();
    metrics.trainingLoss = training.loss;
    metrics.trainingError = training.error;
    metrics.relevantAttention = test.relevantAttention;
    metrics.headNorm = headNorm(theta_.data(), 0, trained_);
    metrics.headContextOverlap = dot(head, spec_.mixture.contextVector());
    metrics.headSignalOverlap = dot(head, spec_.mixture.signalVector());
    metrics.weightNorm = weightNorm(theta_.data(), 0, trained_);
    return metrics;
  }

 private:
  // The rule on coefficients, to which move() gives the norms of the normalized one.
  static OptimizerOptions ruleOf(const DescentSpec& spec) {
    OptimizerOptions options = spec.optimizer;
    if (options.kind == OptimizerKind::kNormalized) options.kind = OptimizerKind::kGradientDescent;
    return options;
  }

  // To a largest coefficient of 1, so that squares neither overflow nor vanish.
  static void scaleToUnit(double* begin, double* end) {
    double largest = 0.0;
    for (const double* g = begin; g < end; ++g) largest = std::max(largest, std::abs(*g));
    if (largest > 0.0) std::transform(begin, end, begin, [largest](double g) { return g / largest; });
  }
  static double stepOf(double rate, double norm) { return norm == 0.0 ? 0.0 : rate / norm; }

  int batchEnd() const { return first_ + spec_.examples; }
  // θ: M[T'×T'] of all examples, then c[T'].
  size_t weightsAt(int i) const { return i * size_; }
  size_t headAt(int i) const { return weightsAt(examples_) + static_cast<size_t>(i) * width_; }
  int examplesPerBlock() const {
    return static_cast<int>(
        std::max(kBlockNumbers / (static_cast<size_t>(width_) * gram_.rows()), size_t{1}));
  }

  // visit(e, S_e[T'×T']) for `count` examples with products K[count·T'×rows]: S_e = Σ_j K_ej M_j K_ejᵀ over
  // j = from … to−1 with the M_j of theta.
  template <class Visit>
  void forScores(const double* K, int count, const double* theta, int from, int to, Visit visit) {
    const int rows = gram_.rows();
    const int columns = (to - from) * width_;
    const double* sources = K + static_cast<size_t>(from) * width_;
    weighted_.resize(static_cast<size_t>(count) * width_ * columns);
    for (int j = from; j < to; ++j)
      multiplyStrided(false, count * width_, width_, width_, K + static_cast<size_t>(j) * width_, rows,
                      theta + weightsAt(j), width_, weighted_.data() + static_cast<size_t>(j - from) * width_,
                      columns);
    for (int e = 0; e < count; ++e) {
      multiplyStrided(true, width_, width_, columns,
                      weighted_.data() + static_cast<size_t>(e) * width_ * columns, columns,
                      sources + static_cast<size_t>(e) * width_ * rows, rows, scores_.data(), width_);
      visit(e, scores_.data());
    }
  }

  // The same for training examples first … end−1.
  template <class Visit>
  void forTraining(int first, int end, const double* theta, int from, int to, Visit visit) {
    for (int count; first < end && !cancelled_; first += count) {
      count = std::min(examplesPerBlock(), end - first);
      forScores(gram_.row(first * width_), count, theta, from, to,
                [&](int e, const double* S) { visit(first + e, S); });
    }
  }

  // ‖Σ X_jᵀ M_j X_j‖ and ‖Σ X_jᵀ c_j‖ over examples from … to−1.
  double weightNorm(const double* theta, int from, int to) {
    double square = 0.0;
    forTraining(from, to, theta, from, to, [&](int i, const double* S) {
      square += dot(theta + weightsAt(i), S, static_cast<int>(size_));
    });
    return std::sqrt(std::max(square, 0.0));
  }
  double headNorm(const double* theta, int from, int to) const {
    const int count = (to - from) * width_;
    const double* c = theta + headAt(from);
    double square = 0.0;
    for (int row = 0; row < count; ++row)
      square += c[row] * dot(gram_.row(from * width_ + row) + static_cast<size_t>(from) * width_, c, count);
    return std::sqrt(std::max(square, 0.0));
  }

  // Of an example with products K[T'×rows] and scores S; its a, Φ and Φa stay.
  Forward attend(const double* K, const double* S) {
    multiplyVector(false, 1.0, K, width_, trained_ * width_, gram_.rows(), theta_.data() + headAt(0), 0.0,
                   values_.data());
    for (int s = 0; s < width_; ++s)
      for (int t = 0; t < width_; ++t) attention_[s * width_ + t] = S[s * width_ + t] + logMultiplicity_[t];
    softmaxRows(attention_.data(), width_, width_);
    Forward forward{0.0, 0.0};
    for (int s = 0; s < width_; ++s) {
      const double* phi = attention_.data() + static_cast<size_t>(s) * width_;
      outputs_[s] = dot(phi, values_.data(), width_);
      forward.f += share_[s] * outputs_[s];
      if (gram_.hasRelevant()) forward.relevant += share_[s] * phi[0];
    }
    return forward;
  }

  // g ∂f/∂(M_i, c_i) of the example that was attended to last.
  void setGradient(int i, double g) {
    double* weights = gradient_.data() + weightsAt(i);
    double* head = gradient_.data() + headAt(i);
    for (int s = 0; s < width_; ++s)
      for (int t = 0; t < width_; ++t) {
        const double mass = g * share_[s] * attention_[s * width_ + t];
        weights[s * width_ + t] = mass * (values_[t] - outputs_[s]);
        head[t] += mass;
      }
  }

  TestError testError() {
    const int most = std::min(examplesPerBlock(), spec_.testDraws);
    labels_.resize(most);
    products_.resize(static_cast<size_t>(most) * width_ * gram_.rows());
    LossSums sums;
    for (int first = 0, count; first < spec_.testDraws && !cancelled_; first += count) {
      count = std::min(most, spec_.testDraws - first);
      gram_.drawTest(first, count, labels_.data(), products_.data());
      forScores(products_.data(), count, theta_.data(), 0, trained_, [&](int e, const double* S) {
        const Forward forward = attend(products_.data() + static_cast<size_t>(e) * width_ * gram_.rows(), S);
        double g;
        addLoss(spec_.loss, 1, &forward.f, labels_[e].y, sums, &g);
        sums.relevant += forward.relevant;
      });
    }
    return countedShare(sums.errors, spec_.testDraws, sums.relevant / spec_.testDraws);
  }

  const DescentSpec& spec_;
  const std::atomic<bool>& cancelled_;
  const int examples_;  // of all steps
  const int width_;     // T'
  const size_t size_;   // T'²
  TokenGram gram_;
  Optimizer optimizer_;
  std::vector<double> theta_;
  std::vector<double> gradient_;
  std::vector<double> share_;            // κ/T, [T']
  std::vector<double> logMultiplicity_;  // log κ, [T']
  std::vector<double> weighted_;         // K M, [count·T'×columns]
  std::vector<double> scores_;           // [T'×T']
  std::vector<double> values_;           // a, [T']
  std::vector<double> attention_;        // Φ, [T'×T']
  std::vector<double> outputs_;          // Φa, [T']
  std::vector<ExampleLabel> labels_;     // of a block of the test
  std::vector<double> products_;         // [count·T'×rows] of it
  int first_ = 0;                        // example of the step
  int trained_ = 0;                      // examples that parameters are made of
};

}  // namespace

double gramDescentTokens(const DescentSpec& spec) {
  return examplesOf(spec) * TokenGram::tokensPerExample(spec.mixture);
}

double gramDescentBytes(const DescentSpec& spec) {
  const double tokens = gramDescentTokens(spec);
  const double width = TokenGram::tokensPerExample(spec.mixture);
  const double blocks = 3.0 * std::max<double>(kBlockNumbers, width * tokens);
  const double parameters = 3.0 * tokens * (width + 1.0);
  return TokenGram::bytes(spec.mixture, examplesOf(spec)) + sizeof(double) * (blocks + parameters);
}

TrialStatus runGramDescentTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                                DescentMetrics* records) {
  GramTrial descent(spec, trial, cancelled);
  int recorded = 0;
  for (int step = 0; step <= spec.steps && !cancelled; ++step) {
    const bool moves = step < spec.steps;
    const Evaluation training = descent.evaluate(step, moves);
    if (!std::isfinite(training.loss)) break;
    if (isRecorded(spec, step)) {
      if (!descent.isFinite()) break;
      records[recorded++] = descent.record(training);
    }
    if (moves) descent.move();
  }
  return finishRecords(spec, recorded, records);
}

}  // namespace prompt_attention
