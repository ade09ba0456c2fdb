#include "core/test_error/readout_errors.h"

#include <algorithm>
#include <cmath>

#include "core/test_error/unseen_scores.h"

namespace prompt_attention {

namespace {

// Share of the error, or of its square, that scores not seen by a pilot may carry.
constexpr double kUnseenShare = 1e-3;
// Squares below it have lost their relative accuracy.
constexpr double kLeastSquare = 1e-280;

}  // namespace

ReadoutErrors::ReadoutErrors(const Mixture& mixture, const std::atomic<bool>& cancelled)
    : mixture_(mixture), cancelled_(cancelled), terms_(labelTerms(mixture)) {}

void ReadoutErrors::choose(const std::vector<Readout>& pilots, const Stream& scores) {
  if (mixture_.isNoiseless()) return;
  const int m = mixture_.irrelevantTokens();
  const auto scaleOf = [this](const Readout& readout) { return mixture_.noiseLevel * readout.promptNorm; };
  const auto valuesOf = [this](const Readout& readout) -> ValuesOf {
    return [this, readout](const ScoreSums& sums, int count, double* values) {
      conditional(readout, sums, count, values);
    };
  };
  LadderWorkspace scratch;
  std::vector<double> errors;
  std::vector<const Readout*> readouts;
  double seen = 0.0;
  double seenSquares = 0.0;
  double unseen = 0.0;
  double unseenSquares = 0.0;
  for (const Readout& readout : pilots) {
    if (readout.promptNorm == 0.0 || !std::isfinite(readout.promptNorm + readout.headOrthogonal)) continue;
    drawScoreSums(scores, 0, kPooledBlock, m, scaleOf(readout), cancelled_, pooling_.sums);
    if (cancelled_) return;
    conditional(readout, pooling_.sums, kPooledBlock, pooling_.values);
    double error = 0.0;
    for (const double value : pooling_.values) {
      error += value / kPooledBlock;
      seenSquares += value * value / kPooledBlock;
    }
    const ValuesOf values = valuesOf(readout);
    const UnseenMoments more = unseenMoments(
        pooling_.sums, {m, scaleOf(readout)}, pooling_.relevantSums, {}, kPooledBlock, 1.0,
        [&](const ScoreSums& sums, const ScoreSums&, int count, double* out) { values(sums, count, out); });
    seen += error;
    unseen += more.power[0];
    unseenSquares += more.power[1];
    errors.push_back(error + more.power[0]);
    readouts.push_back(&readout);
  }
  if (readouts.empty()) return;
  if (unseen <= kUnseenShare * seen && unseenSquares <= kUnseenShare * seenSquares &&
      seenSquares > kLeastSquare)
    return;
  const double mean = (seen + unseen) / static_cast<double>(errors.size());
  size_t typical = 0;
  for (size_t i = 1; i < errors.size(); ++i)
    if (std::abs(errors[i] - mean) < std::abs(errors[typical] - mean)) typical = i;
  const Readout& readout = *readouts[typical];
  ladder_ = buildLadder(scores, m, scaleOf(readout), valuesOf(readout), cancelled_, scratch);
}

void ReadoutErrors::draw(const Stream& scores, int first, int count, double promptNorm) {
  const int m = mixture_.irrelevantTokens();
  const double c = mixture_.noiseLevel * promptNorm;
  if (ladder_.components.empty()) {
    drawScoreSums(scores, first, count, m, c, cancelled_, pooling_.sums);
    std::fill_n(ladderWorkspace_.weights, kPooledBlock, 1.0);
  } else {
    drawLadderSums(scores, first, count, m, c, ladder_, cancelled_, ladderWorkspace_, pooling_.sums,
                   ladderWorkspace_.weights);
  }
}

void ReadoutErrors::errors(const Readout& readout, int count, double* errors) {
  conditional(readout, pooling_.sums, count, errors);
}

double ReadoutErrors::relevantMass(const Readout& readout, const Stream& scores, int first, int count) {
  drawScoreSums(scores, first, count, mixture_.irrelevantTokens(), mixture_.noiseLevel * readout.promptNorm,
                cancelled_, plain_);
  double mass = 0.0;
  forEachTerm(readout, plain_, count, [&](const LabelTerm& term) {
    for (int i = 0; i < count; ++i) mass += term.probability * pooling_.pooled.relevantMass[i];
  });
  return mass;
}

template <class Visit>
void ReadoutErrors::forEachTerm(const Readout& readout, const ScoreSums& sums, int count, Visit visit) {
  for (const LabelTerm& term : terms_) {
    std::fill_n(pooling_.gaps, kPooledBlock, dot(term.mu, readout.prompt) - dot(term.r, readout.prompt));
    pool(mixture_, pooling_.gaps, count, sums, pooling_.pooled);
    visit(term);
  }
}

void ReadoutErrors::conditional(const Readout& readout, const ScoreSums& sums, int count, double* errors) {
  std::fill_n(errors, kPooledBlock, 0.0);
  forEachTerm(readout, sums, count, [&](const LabelTerm& term) {
    const Margin margin{term.y,
                        dot(term.r, readout.head),
                        dot(term.mu, readout.head),
                        readout.headAlongPrompt,
                        readout.headOrthogonal,
                        readout.intercept};
    addErrors(pooling_.pooled, count, margin, term.probability, errors);
  });
}

}  // namespace prompt_attention
