#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/test_error/score_ladder.h"

namespace prompt_attention {

namespace {

constexpr uint64_t kPilotPosition = uint64_t{1} << 34;
constexpr double kPlainShare = 0.2;
constexpr double kNetShare = 0.1;

// All shifts that a pilot tries, in units of `step`: one token, all tokens, both.
ScoreLadder wideLadder(int m, double step) {
  ScoreLadder ladder;
  ladder.step = step;
  ladder.components.push_back({0.0, 0, 1.0});
  for (int a = 1; a <= 8; ++a)
    for (const double sign : {1.0, -1.0}) ladder.components.push_back({sign * a * step, 0, 1.0});
  if (m > 1) {
    ladder.powers = 8;
    for (int D = 1; D <= 8; ++D) ladder.components.push_back({0.0, D, 1.0});
    for (const int D : {2, 4, 6})
      for (const double a : {2.0, -2.0, 4.0}) ladder.components.push_back({a * step, D, 1.0});
  }
  for (LadderComponent& component : ladder.components)
    component.share = 1.0 / static_cast<double>(ladder.components.size());
  return ladder;
}

// Rounds the shares to slots, largest remainders first, drops components without one, and scatters the slots.
void assignSlots(ScoreLadder& ladder) {
  const size_t count = ladder.components.size();
  std::vector<int> slots(count);
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  int left = kLadderPeriod;
  const auto exact = [&](size_t j) { return ladder.components[j].share * kLadderPeriod; };
  for (size_t j = 0; j < count; ++j) left -= slots[j] = static_cast<int>(exact(j));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const double x = exact(a) - slots[a];
    const double y = exact(b) - slots[b];
    return x != y ? x > y : a < b;
  });
  for (size_t j = 0; left > 0; j = (j + 1) % count, --left) ++slots[order[j]];
  std::vector<LadderComponent> kept;
  std::vector<int> keptSlots;
  ladder.powers = 0;
  for (size_t j = 0; j < count; ++j) {
    if (slots[j] == 0) continue;
    kept.push_back(ladder.components[j]);
    kept.back().share = static_cast<double>(slots[j]) / kLadderPeriod;
    keptSlots.push_back(slots[j]);
    ladder.powers = std::max(ladder.powers, kept.back().power);
  }
  ladder.components = kept;
  // 37 is coprime to the period.
  int slot = 0;
  for (size_t j = 0; j < kept.size(); ++j)
    for (int s = 0; s < keptSlots[j]; ++s, ++slot)
      ladder.slots[slot * 37 % kLadderPeriod] = static_cast<uint8_t>(j);
}

// Draws of the wide ladder.
struct Pilot {
  std::vector<double> values;  // [draws]: |value|, times the weight of the draw
  std::vector<double> ratios;  // [draws×components]: L_j, times the weight of the draw
  double largest = 0.0;        // of the values
};

// Draws first … first+draws−1.
Pilot pilotOf(const Stream& stream, uint64_t first, int draws, int m, double c, const ScoreLadder& ladder,
              const ValuesOf& valuesOf, const std::atomic<bool>& cancelled, LadderWorkspace& workspace) {
  const size_t components = ladder.components.size();
  Pilot pilot;
  pilot.values.resize(draws);
  pilot.ratios.resize(components * draws);
  for (int begin = 0, count; begin < draws && !cancelled; begin += count) {
    count = std::min(kPooledBlock, draws - begin);
    drawLadderSums(stream, first + begin, count, m, c, ladder, cancelled, workspace, workspace.sums,
                   workspace.weights);
    if (cancelled) break;
    valuesOf(workspace.sums, count, workspace.values);
    for (int i = 0; i < count; ++i) {
      // A value that is no number tells nothing about where to draw; the mean itself will say it.
      const double value = std::abs(workspace.values[i]) * workspace.weights[i];
      pilot.values[begin + i] = std::isfinite(value) ? value : 0.0;
      for (size_t j = 0; j < components; ++j)
        pilot.ratios[(begin + i) * components + j] =
            workspace.ratios[j * kPooledBlock + i] / ladder.components[j].share;
    }
  }
  pilot.largest = *std::max_element(pilot.values.begin(), pilot.values.end());
  return pilot;
}

// Weight of a pilot's draw in the wide ladder over that in a ladder of other shares.
double weightRatio(const Pilot& pilot, size_t draw, const std::vector<double>& shares) {
  const double* ratio = pilot.ratios.data() + draw * shares.size();
  double sum = 0.0;
  for (size_t j = 0; j < shares.size(); ++j) sum += shares[j] * ratio[j];
  return sum;
}

// Contribution of every component, in shares that sum to 1; all 0 if no value was above 0.
std::vector<double> contributions(const Pilot& pilot, const ScoreLadder& ladder) {
  const size_t components = ladder.components.size();
  std::vector<double> shares(components, 0.0);
  if (!(pilot.largest > 0.0)) return shares;
  for (size_t j = 0; j < components; ++j) shares[j] = ladder.components[j].share;
  constexpr int kRounds = 12;
  std::vector<double> next(components);
  for (int round = 0; round < kRounds; ++round) {
    std::fill(next.begin(), next.end(), 0.0);
    double total = 0.0;
    for (size_t i = 0; i < pilot.values.size(); ++i) {
      const double mixture = weightRatio(pilot, i, shares);
      if (!(mixture > 0.0)) continue;
      const double value = pilot.values[i] / pilot.largest;
      total += value;
      for (size_t j = 0; j < components; ++j)
        next[j] += value * shares[j] * pilot.ratios[i * components + j] / mixture;
    }
    if (!(total > 0.0)) return std::vector<double>(components, 0.0);
    for (size_t j = 0; j < components; ++j) shares[j] = next[j] / total;
  }
  return shares;
}

// Draws of the ladder of these shares whose mean is likely to be reliable: of enough effective draws and not
// skewed.
double drawsWanted(const Pilot& pilot, const std::vector<double>& shares) {
  double moment[3] = {};
  for (size_t i = 0; i < pilot.values.size(); ++i) {
    const double mixture = weightRatio(pilot, i, shares);
    if (!(mixture > 0.0)) continue;
    const double weight = pilot.values[i] / pilot.largest / static_cast<double>(pilot.values.size());
    const double value = pilot.values[i] / pilot.largest / mixture;
    moment[0] += weight;
    moment[1] += weight * value;
    moment[2] += weight * value * value;
  }
  const double mean = moment[0];
  const double variance = moment[1] - mean * mean;
  if (!(variance > 1e-12 * mean * mean)) return 0.0;
  const double third = moment[2] - 3.0 * mean * moment[1] + 2.0 * mean * mean * mean;
  return kPilotMargin * std::max(kLeastEffectiveDraws * moment[1] / (mean * mean),
                                 third * third / (kLargestSkewness * variance * variance * variance));
}

// Whether the outermost shifts carry the values.
bool reachesEdge(const ScoreLadder& wide, const std::vector<double>& shares) {
  double edge = 0.0;
  for (size_t j = 0; j < shares.size(); ++j)
    if (std::abs(wide.components[j].common) >= 7.5 * wide.step || wide.components[j].power == 8)
      edge += shares[j];
  return edge > 0.2;
}

}  // namespace

ScoreLadder buildLadder(const Stream& stream, int m, double c, const ValuesOf& valuesOf,
                        const std::atomic<bool>& cancelled, LadderWorkspace& workspace) {
  constexpr int kPilotDraws = 1024;
  uint64_t first = kPilotPosition;
  ScoreLadder ladder;
  for (const double step : {1.0, 1.75, 2.75}) {
    ladder = wideLadder(m, step);
    ScoreLadder wide = ladder;
    assignSlots(wide);
    const Pilot pilot = pilotOf(stream, first, kPilotDraws, m, c, wide, valuesOf, cancelled, workspace);
    first += kPilotDraws;
    ladder = wide;
    if (cancelled) return ladder;
    std::vector<double> shares = contributions(pilot, wide);
    const double net = kNetShare / static_cast<double>(wide.components.size());
    double total = 0.0;
    for (const double share : shares) total += share;
    if (total == 0.0) return wide;
    const bool isWideEnough = !reachesEdge(wide, shares);
    for (size_t j = 0; j < shares.size(); ++j) {
      shares[j] = (j == 0 ? kPlainShare : 0.0) + (1.0 - kPlainShare - kNetShare) * shares[j] + net;
      ladder.components[j].share = shares[j];
    }
    ladder.drawsWanted = drawsWanted(pilot, shares);
    if (isWideEnough) break;
  }
  assignSlots(ladder);
  return ladder;
}

void WeightedMean::rescale(double value) {
  int exponent;
  std::frexp(value, &exponent);
  const double scale = std::ldexp(1.0, std::clamp(exponent, -1000, 1000));
  const double ratio = scale_ > 0.0 ? scale_ / scale : 0.0;
  scale_ = scale;
  sum_ *= ratio;
  squares_ *= ratio * ratio;
  cubes_ *= ratio * ratio * ratio;
  for (Stratum& stratum : strata_) {
    stratum.mean *= ratio;
    stratum.squares *= ratio * ratio;
  }
}

void WeightedMean::add(int stratum, double value) {
  if (std::abs(value) > scale_) rescale(value);
  const double v = scale_ > 0.0 ? value / scale_ : 0.0;
  draws_ += 1.0;
  sum_ += v;
  squares_ += v * v;
  cubes_ += v * v * v;
  Stratum& at = strata_[stratum];
  at.draws += 1.0;
  const double change = v - at.mean;
  at.mean += change / at.draws;
  at.squares += change * (v - at.mean);
}

double WeightedMean::standardError() const {
  double variance = 0.0;
  for (const Stratum& stratum : strata_)
    if (stratum.draws > 1.0) variance += stratum.draws * stratum.squares / (stratum.draws - 1.0);
  return draws_ > 0.0 ? scale_ * std::sqrt(variance) / draws_ : 0.0;
}

double WeightedMean::squaredSkewness() const {
  if (draws_ == 0.0) return 0.0;
  const double mean = sum_ / draws_;
  const double variance = squares_ / draws_ - mean * mean;
  const double third = cubes_ / draws_ - 3.0 * mean * squares_ / draws_ + 2.0 * mean * mean * mean;
  return variance > 1e-12 * mean * mean ? third * third / (draws_ * variance * variance * variance) : 0.0;
}

}  // namespace prompt_attention
