// The points of a batch as the averages of risk_sums.h read them, segment by segment.
#pragma once

#include <algorithm>
#include <array>

#include "core/laws/risk_sums.h"

namespace prompt_attention {

// A segment's points; normals and weights may be absent.
struct RiskColumns {
  const double* eta1;
  const double* eta2;
  const double* masses;
  const double* variances;
  const double* normals;
  const double* weights;
  size_t count;
  PlaneVector relevant;  // β
  double gap;            // 1 − wᵀβ − y b0 of the state
  double shift;          // y b0
  double y;              // of the observed label
  double originGap;      // 1 − originᵀβ
};

// visit(segment, columns) for the segments of the batch; the gaps of the relevant tokens are those of
// `state`.
template <class Visit>
void forEachSegment(const RiskPoints& points, int batch, int draws, const RiskState& state, Visit visit) {
  const auto columnAt = [](const std::vector<double>& values, size_t begin) {
    return values.empty() ? nullptr : values.data() + begin;
  };
  for (const RiskSegment& segment : points.batches[batch]) {
    const int count = std::min(segment.count, draws);
    visit(segment,
          RiskColumns{points.eta1.data() + segment.begin, points.eta2.data() + segment.begin,
                      points.irrelevantMasses.data() + segment.begin, points.variances.data() + segment.begin,
                      columnAt(points.normals, segment.normals), columnAt(points.weights, segment.normals),
                      static_cast<size_t>(count), segment.relevant, relevantGap(segment, state),
                      segment.observed * state.intercept, segment.observed, segment.originGap});
  }
}

// Averages what sums(columns, out) writes into out[N] over the training examples of the batch.
template <size_t N, class Sums>
std::array<double, N> averageBatch(const RiskPoints& points, int batch, int draws, const RiskState& state,
                                   Sums sums) {
  std::array<double, N> average{};
  std::array<double, N> part;
  forEachSegment(points, batch, draws, state, [&](const RiskSegment& segment, const RiskColumns& columns) {
    sums(columns, part.data());
    for (size_t i = 0; i < N; ++i)
      average[i] += segment.probability / static_cast<double>(columns.count) * part[i];
  });
  return average;
}

}  // namespace prompt_attention
