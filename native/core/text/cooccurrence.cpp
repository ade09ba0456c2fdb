#include "core/text/cooccurrence.h"

#include <algorithm>
#include <cmath>

namespace prompt_attention {

namespace {

// Where every word stands.
struct Positions {
  std::vector<size_t> first;       // [V+1]
  std::vector<uint32_t> position;  // of word i: first[i] … first[i+1]−1
};

Positions positionsOf(const WordSequence& texts) {
  const uint32_t V = texts.vocabulary;
  Positions result;
  result.first.assign(static_cast<size_t>(V) + 1, 0);
  for (const uint32_t word : texts.words)
    if (word < V) ++result.first[word + 1];
  for (uint32_t i = 0; i < V; ++i) result.first[i + 1] += result.first[i];
  result.position.resize(result.first[V]);
  std::vector<size_t> next(result.first.begin(), result.first.end() - 1);
  for (size_t at = 0; at < texts.words.size(); ++at)
    if (texts.words[at] < V) result.position[next[texts.words[at]]++] = static_cast<uint32_t>(at);
  return result;
}

// One row of C after the other, in scratch of V numbers.
class RowCounter {
 public:
  RowCounter(const WordSequence& texts, int window)
      : texts_(texts), window_(window), counts_(texts.vocabulary, 0.0) {}

  void add(size_t at) {
    const size_t left = std::min<size_t>(at, window_);
    for (size_t distance = 1; distance <= left; ++distance)
      if (!addWord(texts_.words[at - distance], distance)) break;
    const size_t right = std::min<size_t>(texts_.words.size() - 1 - at, window_);
    for (size_t distance = 1; distance <= right; ++distance)
      if (!addWord(texts_.words[at + distance], distance)) break;
  }

  // Appends the row, and clears it.
  void take(std::vector<uint32_t>& column, std::vector<double>& value) {
    std::sort(touched_.begin(), touched_.end());
    for (const uint32_t j : touched_) {
      column.push_back(j);
      value.push_back(counts_[j]);
      counts_[j] = 0.0;
    }
    touched_.clear();
  }

 private:
  // Whether the text goes on.
  bool addWord(uint32_t word, size_t distance) {
    const uint32_t V = texts_.vocabulary;
    if (word >= V) return word == V;
    if (counts_[word] == 0.0) touched_.push_back(word);
    counts_[word] += static_cast<double>(window_ + 1 - distance);
    return true;
  }

  const WordSequence& texts_;
  const size_t window_;
  std::vector<double> counts_;
  std::vector<uint32_t> touched_;
};

}  // namespace

SparseRows countCooccurrences(const WordSequence& texts, int window, PartRunner& runner,
                              const std::atomic<bool>& cancelled) {
  const int V = texts.vocabulary;
  const Positions positions = positionsOf(texts);
  const std::vector<int> bounds = balancedRanges(positions.first, kRowParts);
  struct Part {
    std::vector<uint32_t> column;
    std::vector<double> value;
  };
  std::vector<Part> parts(kRowParts);
  SparseRows C;
  C.columns = V;
  C.first.assign(static_cast<size_t>(V) + 1, 0);
  runner.run(kRowParts, [&](int part, int) {
    RowCounter row(texts, window);
    for (int i = bounds[part]; i < bounds[part + 1] && !cancelled; ++i) {
      for (size_t k = positions.first[i]; k < positions.first[i + 1]; ++k) row.add(positions.position[k]);
      row.take(parts[part].column, parts[part].value);
      C.first[i + 1] = parts[part].column.size();
    }
  });
  // Rows that nobody counted end before they begin, and who reads them writes beyond the end.
  if (cancelled) {
    C.first.assign(C.first.size(), 0);
    return C;
  }
  for (int part = 0; part < kRowParts; ++part) {
    const size_t before = C.column.size();
    for (int i = bounds[part]; i < bounds[part + 1]; ++i) C.first[i + 1] += before;
    C.column.insert(C.column.end(), parts[part].column.begin(), parts[part].column.end());
    C.value.insert(C.value.end(), parts[part].value.begin(), parts[part].value.end());
    parts[part] = {};
  }
  return C;
}

SparseRows positiveInformation(SparseRows C, double shift, double smoothing) {
  const int V = C.rows();
  std::vector<double> logSum(V);      // log r_i
  std::vector<double> logContext(V);  // log p_j
  double total = 0.0;
  for (int i = 0; i < V; ++i) {
    double sum = 0.0;
    for (size_t e = C.first[i]; e < C.first[i + 1]; ++e) sum += C.value[e];
    logSum[i] = std::log(sum);
    // A word without neighbours is no context, with any smoothing.
    if (sum > 0.0) total += std::pow(sum, smoothing);
  }
  for (int j = 0; j < V; ++j) logContext[j] = smoothing * logSum[j] - std::log(total);
  const double threshold = std::log(shift);
  size_t kept = 0;
  size_t begin = 0;
  for (int i = 0; i < V; ++i) {
    const size_t end = C.first[i + 1];
    for (size_t e = begin; e < end; ++e) {
      const double information = std::log(C.value[e]) - logSum[i] - logContext[C.column[e]] - threshold;
      if (!(information > 0.0)) continue;
      C.column[kept] = C.column[e];
      C.value[kept++] = information;
    }
    begin = end;
    C.first[i + 1] = kept;
  }
  C.column.resize(kept);
  C.value.resize(kept);
  return C;
}

}  // namespace prompt_attention
