#include "core/test_error/unseen_scores.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace prompt_attention {

namespace {

// Draws that shifts are added to, and how far shifts reach beyond what was seen.
constexpr int kBackgrounds = 4;
constexpr int kSteps = 8;
constexpr double kStep = 0.8;
constexpr int kDrawsOfFamily = kSteps * kBackgrounds;

double upperTail(double x) {
  return 0.5 * std::erfc(x * M_SQRT1_2);
}

double normalDensity(double x) {
  return 0.5 * M_2_SQRTPI * M_SQRT1_2 * std::exp(-0.5 * x * x);
}

// How a shift moves the tokens of a population: all of them by out·direction/√tokens, or one that stands in
// place of a typical one to out·direction.
struct Shift {
  enum class Of { kNone, kAll, kOne } of = Of::kNone;
  double direction = 0.0;
};

// Shifts along one direction of unit length in the space of all normals.
struct Family {
  double count;  // of such directions that a draw may be far out in
  Shift irrelevant;
  Shift relevant;
};

// Sums of background i with a shift, as draw `at` of `sums`.
void setShifted(const ScoreSums& plain, NoisyScores scores, Shift shift, double out, int i, int at,
                ScoreSums& sums) {
  const double scale = std::abs(scores.scale);
  const double sign = scores.scale < 0.0 ? -1.0 : 1.0;
  if (shift.of == Shift::Of::kOne) {
    const double far = shift.direction * out;
    const double top = std::max(plain.shift[i], scale * far);
    const double before = std::exp(plain.shift[i] - top);
    const double added = std::exp(scale * far - top);
    sums.shift[at] = top;
    sums.exponentials[at] = before * plain.exponentials[i] + added;
    sums.squares[at] = before * before * plain.squares[i] + added * added;
    sums.weighted[at] = before * plain.weighted[i] + sign * added * far;
    return;
  }
  const double perRoot = 1.0 / std::sqrt(static_cast<double>(scores.tokens));
  const double by = shift.of == Shift::Of::kAll ? shift.direction * out * perRoot : 0.0;
  sums.shift[at] = plain.shift[i] + scale * by;
  sums.exponentials[at] = plain.exponentials[i];
  sums.squares[at] = plain.squares[i];
  sums.weighted[at] = plain.weighted[i] + sign * by * plain.exponentials[i];
}

// One population alone, both along the direction in which the odds of relevant tokens change most, and both
// the same way.
std::vector<Family> familiesOf(NoisyScores irrelevant, NoisyScores relevant) {
  using Of = Shift::Of;
  std::vector<Family> families;
  if (irrelevant.tokens > 0) {
    families.push_back({1.0, {Of::kAll, 1.0}, {}});
    families.push_back({1.0, {Of::kAll, -1.0}, {}});
  }
  if (irrelevant.tokens > 1)
    families.push_back({static_cast<double>(irrelevant.tokens), {Of::kOne, 1.0}, {}});
  if (relevant.tokens == 0) return families;
  families.push_back({1.0, {}, {Of::kAll, 1.0}});
  families.push_back({1.0, {}, {Of::kAll, -1.0}});
  if (relevant.tokens > 1) families.push_back({static_cast<double>(relevant.tokens), {}, {Of::kOne, 1.0}});
  const auto both = [&](Of ofIrrelevant, Of ofRelevant, double sign) {
    const auto steepness = [](Of of, NoisyScores scores) {
      return std::abs(scores.scale) / (of == Of::kAll ? std::sqrt(static_cast<double>(scores.tokens)) : 1.0);
    };
    const double a = steepness(ofIrrelevant, irrelevant);
    const double b = steepness(ofRelevant, relevant);
    const double length = std::hypot(a, b);
    if (!(length > 0.0)) return;
    const double count = (ofIrrelevant == Of::kOne ? irrelevant.tokens : 1.0) *
                         (ofRelevant == Of::kOne ? relevant.tokens : 1.0);
    families.push_back({count,
                        {ofIrrelevant, sign * a / length},
                        {ofRelevant, (ofRelevant == Of::kOne ? 1.0 : -sign) * b / length}});
  };
  if (irrelevant.tokens > 0) {
    both(Of::kAll, Of::kAll, 1.0);
    both(Of::kAll, Of::kAll, -1.0);
    // Where a head reads along the prompt all noise pulls the same way, in shares that attention decides.
    for (const double eighths : {1.0, 2.0, 3.0})
      for (const double sign : {1.0, -1.0})
        families.push_back({1.0,
                            {Of::kAll, sign * std::cos(eighths * M_PI / 8.0)},
                            {Of::kAll, sign * std::sin(eighths * M_PI / 8.0)}});
    if (irrelevant.tokens > 1) both(Of::kOne, Of::kAll, 1.0);
    if (irrelevant.tokens > 1 && relevant.tokens > 1) both(Of::kOne, Of::kOne, 1.0);
  }
  return families;
}

// How far out the furthest of count·draws normals is, about.
double furthest(double count, double draws) {
  return std::max(1.5, std::sqrt(2.0 * std::log(std::max(count * draws / 8.0, 2.0))));
}

}  // namespace

double UnseenMoments::missedOf(double mean, double draws) const {
  // Beyond it less than one draw is expected.
  constexpr double kPerDraw = 8.0;
  double missed = 0.0;
  for (size_t first = 0; first < steps.size(); first += kSteps) {
    const double start = furthest(steps[first].count, kPerDraw * draws);
    // Straight lines from the middle of a step to that of the next: a value may rise anywhere between them,
    // and the density falls many times over.
    double change = 0.0;
    for (size_t s = first; s + 1 < first + kSteps; ++s) {
      const double low = steps[s].from + 0.5 * kStep;
      const double from = std::max(start, low);
      const double to = low + kStep;
      if (from >= to) continue;
      const double slope = (steps[s + 1].value - steps[s].value) / kStep;
      const double mass = upperTail(from) - upperTail(to);
      const double moment = normalDensity(from) - normalDensity(to);
      change += (steps[s].value - mean - slope * low) * mass + slope * moment;
    }
    missed += std::abs(steps[first].count * change);
  }
  return missed;
}

UnseenMoments unseenMoments(const ScoreSums& plain, NoisyScores irrelevant, const ScoreSums& plainRelevant,
                            NoisyScores relevant, double draws, double scale, const TokenValuesOf& valuesOf) {
  const std::vector<Family> families = familiesOf(irrelevant, relevant);
  std::vector<double> values;
  ScoreSums sums;
  ScoreSums relevantSums;
  alignas(64) double block[kPooledBlock];
  for (size_t first = 0; first < families.size(); first += kPooledBlock / kDrawsOfFamily) {
    const size_t end = std::min(families.size(), first + kPooledBlock / kDrawsOfFamily);
    int at = 0;
    for (size_t f = first; f < end; ++f)
      for (int s = 0; s < kSteps; ++s)
        for (int i = 0; i < kBackgrounds; ++i, ++at) {
          const double out = furthest(families[f].count, draws) + kStep * (s + 0.5);
          setShifted(plain, irrelevant, families[f].irrelevant, out, i, at, sums);
          if (relevant.tokens > 0)
            setShifted(plainRelevant, relevant, families[f].relevant, out, i, at, relevantSums);
        }
    valuesOf(sums, relevantSums, at, block);
    values.insert(values.end(), block, block + at);
  }
  UnseenMoments unseen{};
  unseen.scale = scale;
  unseen.steps.reserve(values.size() / kBackgrounds);
  for (const double value : values) unseen.scale = std::max(unseen.scale, value);
  size_t at = 0;
  for (const Family& family : families)
    for (int s = 0; s < kSteps; ++s) {
      const double from = furthest(family.count, draws) + kStep * s;
      const double probability = family.count * (upperTail(from) - upperTail(from + kStep));
      unseen.probability += probability;
      double value = 0.0;
      for (int i = 0; i < kBackgrounds; ++i, ++at) {
        value += values[at] / kBackgrounds;
        double power = probability / kBackgrounds;
        for (double& sum : unseen.power) sum += power *= values[at] / unseen.scale;
      }
      unseen.steps.push_back({family.count, from, value});
    }
  return unseen;
}

}  // namespace prompt_attention
