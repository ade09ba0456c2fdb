#include "core/random/score_lattice.h"

#include "core/base/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/random/score_lattice.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h must come before highway.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "core/base/normal-tail-inl.h"

HWY_BEFORE_NAMESPACE();
namespace prompt_attention {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// z[count] with Φ(z) = p[count].
void quantilesOf(const double* p, size_t count, double* z) {
  const hn::ScalableTag<double> d;
  const size_t lanes = hn::Lanes(d);
  HWY_ALIGN double buffer[hn::MaxLanes(d)];
  for (size_t first = 0; first < count; first += lanes) {
    const size_t size = std::min(lanes, count - first);
    for (size_t i = 0; i < lanes; ++i) buffer[i] = i < size ? p[first + i] : 0.5;
    const auto probability = hn::Load(d, buffer);
    const auto complement = hn::Sub(hn::Set(d, 1.0), probability);
    const auto lower = lowerQuantile(d, hn::Min(probability, complement));
    const auto upper = hn::Gt(probability, hn::Set(d, 0.5));
    hn::Store(hn::IfThenElse(upper, hn::Neg(lower), lower), d, buffer);
    std::copy_n(buffer, size, z + first);
  }
}

// power[count] = e^{c g[count]}, product[count] = g e^{c g}.
void powersOf(const double* g, size_t count, double c, double* power, double* product) {
  const hn::ScalableTag<double> d;
  const size_t lanes = hn::Lanes(d);
  HWY_ALIGN double buffer[hn::MaxLanes(d)];
  for (size_t first = 0; first < count; first += lanes) {
    const size_t size = std::min(lanes, count - first);
    for (size_t i = 0; i < lanes; ++i) buffer[i] = i < size ? g[first + i] : 0.0;
    const auto value = hn::Load(d, buffer);
    const auto e = hn::Exp(d, hn::Mul(hn::Set(d, c), value));
    hn::Store(e, d, buffer);
    std::copy_n(buffer, size, power + first);
    hn::Store(hn::Mul(e, value), d, buffer);
    std::copy_n(buffer, size, product + first);
  }
}

// Adds the table entries of cells cell, cell + step, … (mod N) to the sums of `count` consecutive draws.
void addTokenOf(int64_t N, int64_t cell, int64_t step, size_t count, const double* power,
                const double* product, double* s1, double* s2, double* sg) {
  const hn::ScalableTag<double> d;
  const hn::ScalableTag<int64_t> integers;
  const size_t lanes = hn::Lanes(d);
  HWY_ALIGN int64_t cells[hn::MaxLanes(integers)];
  for (size_t i = 0; i < lanes; ++i) cells[i] = (cell + static_cast<int64_t>(i) * step) % N;
  auto index = hn::Load(integers, cells);
  const auto stride = hn::Set(integers, static_cast<int64_t>(lanes) * step % N);
  const auto modulus = hn::Set(integers, N);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto e = hn::GatherIndex(d, power, index);
    const auto eg = hn::GatherIndex(d, product, index);
    hn::StoreU(hn::Add(hn::LoadU(d, s1 + i), e), d, s1 + i);
    hn::StoreU(hn::MulAdd(e, e, hn::LoadU(d, s2 + i)), d, s2 + i);
    hn::StoreU(hn::Add(hn::LoadU(d, sg + i), eg), d, sg + i);
    index = hn::Add(index, stride);
    index = hn::Sub(index, hn::IfThenZeroElse(hn::Gt(modulus, index), modulus));
  }
  hn::Store(index, integers, cells);
  for (size_t lane = 0; i < count; ++i, ++lane) {
    const double e = power[cells[lane]];
    s1[i] += e;
    s2[i] += e * e;
    sg[i] += product[cells[lane]];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace prompt_attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace prompt_attention {

HWY_EXPORT(quantilesOf);
HWY_EXPORT(powersOf);
HWY_EXPORT(addTokenOf);

namespace {

constexpr int kTailCells = 16;
constexpr int kDrawsPerBlock = 512;

// x with a x ≡ 1 modulo the prime N, for a in 1 … N−1.
int64_t inverseModulo(int64_t a, int64_t N) {
  int64_t r = N, next = a, x = 0, nextX = 1;
  while (next != 0) {
    const int64_t quotient = r / next;
    std::tie(r, next) = std::pair(next, r - quotient * next);
    std::tie(x, nextX) = std::pair(nextX, x - quotient * nextX);
  }
  return x < 0 ? x + N : x;
}

// Where the tokens of a batch are: the cell of token t in draw i is (i step + start) mod N.
struct Progression {
  int64_t step;
  int64_t start;
};

Progression drawProgression(const double* uniforms, int64_t N) {
  return {1 + static_cast<int64_t>(uniforms[0] * static_cast<double>(N - 1)),
          static_cast<int64_t>(uniforms[1] * static_cast<double>(N))};
}

// The cells with an offset of their own for every token: the outermost ones, or all of few.
std::vector<int64_t> tailCells(int64_t N) {
  std::vector<int64_t> cells;
  for (int64_t j = 0; j < N; ++j) {
    if (j == kTailCells) j = std::max<int64_t>(j, N - kTailCells);
    if (j < N) cells.push_back(j);
  }
  return cells;
}

class LatticeBatch {
 public:
  LatticeBatch(const Stream& stream, int draws, int m, const std::atomic<bool>& cancelled)
      : stream_(stream),
        N_(draws),
        m_(m),
        cancelled_(cancelled),
        tail_(tailCells(draws)),
        uniforms_(2 + tail_.size()) {
    const double offset = stream.uniform(0);
    std::vector<double> probabilities(N_);
    for (int parity = 0; parity < 2; ++parity) {
      const double within = parity == 0 ? offset : 1.0 - offset;
      for (int64_t j = 0; j < N_; ++j)
        probabilities[j] = (static_cast<double>(j) + within) / static_cast<double>(N_);
      cells_[parity].resize(N_);
      HWY_DYNAMIC_DISPATCH(quantilesOf)(probabilities.data(), N_, cells_[parity].data());
    }
  }

  // Tables of e^{c g} and g e^{c g}; a token adds nothing in a tail cell, and its own values after.
  void sums(double c, ScoreSumBatch& out) {
    std::vector<double> power[2];
    std::vector<double> product[2];
    for (int parity = 0; parity < 2; ++parity) {
      power[parity].resize(N_);
      product[parity].resize(N_);
      powers(cells_[parity], c, power[parity], product[parity]);
      for (const int64_t j : tail_) power[parity][j] = product[parity][j] = 0.0;
    }
    std::vector<Progression> tokens(m_);
    std::vector<double> own(tail_.size());
    std::vector<double> ownPower(tail_.size());
    std::vector<double> ownProduct(tail_.size());
    for (int t = 0; t < m_ && !cancelled_; ++t) {
      tokens[t] = drawToken(t, own);
      powers(own, c, ownPower, ownProduct);
      forEachTailDraw(tokens[t], [&](int64_t draw, size_t cell) {
        out.exponentials[draw] += ownPower[cell];
        out.squares[draw] += ownPower[cell] * ownPower[cell];
        out.weighted[draw] += ownProduct[cell];
      });
    }
    for (int64_t first = 0; first < N_ && !cancelled_; first += kDrawsPerBlock) {
      const size_t count = std::min<int64_t>(kDrawsPerBlock, N_ - first);
      for (int t = 0; t < m_; ++t) HWY_DYNAMIC_DISPATCH(addTokenOf)
      (N_, (first * tokens[t].step + tokens[t].start) % N_, tokens[t].step, count, power[t % 2].data(),
       product[t % 2].data(), out.exponentials.data() + first, out.squares.data() + first,
       out.weighted.data() + first);
    }
  }

  // The same from the scores themselves, each draw relative to its largest score.
  void sumsBeyondTables(double c, ScoreSumBatch& out) {
    std::vector<Progression> tokens(m_);
    std::vector<std::vector<double>> own(m_, std::vector<double>(tail_.size()));
    for (int t = 0; t < m_ && !cancelled_; ++t) tokens[t] = drawToken(t, own[t]);
    std::vector<double> scores(static_cast<size_t>(std::min<int64_t>(kDrawsPerBlock, N_)) * m_);
    for (int64_t first = 0; first < N_ && !cancelled_; first += kDrawsPerBlock) {
      const int64_t count = std::min<int64_t>(kDrawsPerBlock, N_ - first);
      for (int t = 0; t < m_; ++t) {
        int64_t cell = (first * tokens[t].step + tokens[t].start) % N_;
        for (int64_t i = 0; i < count; ++i, cell = (cell + tokens[t].step) % N_)
          scores[i * m_ + t] = cells_[t % 2][cell];
        forEachTailDraw(tokens[t], [&](int64_t draw, size_t index) {
          if (draw >= first && draw < first + count) scores[(draw - first) * m_ + t] = own[t][index];
        });
      }
      for (int64_t i = 0; i < count; ++i) sumScores(scores.data() + i * m_, c, first + i, out);
    }
  }

 private:
  void sumScores(const double* g, double c, int64_t draw, ScoreSumBatch& out) const {
    double& shift = out.shift[draw] = c * g[0];
    for (int t = 1; t < m_; ++t) shift = std::max(shift, c * g[t]);
    for (int t = 0; t < m_; ++t) {
      const double e = std::exp(c * g[t] - shift);
      out.exponentials[draw] += e;
      out.squares[draw] += e * e;
      out.weighted[draw] += e * g[t];
    }
  }

  static void powers(const std::vector<double>& g, double c, std::vector<double>& power,
                     std::vector<double>& product) {
    HWY_DYNAMIC_DISPATCH(powersOf)(g.data(), g.size(), c, power.data(), product.data());
  }

  // The token's progression, and into own its normals in the tail cells.
  Progression drawToken(int t, std::vector<double>& own) {
    stream_.uniforms(1 + static_cast<uint64_t>(t) * uniforms_.size(), uniforms_.size(), uniforms_.data());
    for (size_t cell = 0; cell < tail_.size(); ++cell)
      own[cell] = (static_cast<double>(tail_[cell]) + uniforms_[2 + cell]) / static_cast<double>(N_);
    HWY_DYNAMIC_DISPATCH(quantilesOf)(own.data(), own.size(), own.data());
    return drawProgression(uniforms_.data(), N_);
  }

  // visit(draw, index into tail_) for the draw in which the token is in each tail cell.
  template <class Visit>
  void forEachTailDraw(Progression token, Visit visit) const {
    const int64_t inverse = inverseModulo(token.step, N_);
    for (size_t cell = 0; cell < tail_.size(); ++cell)
      visit((tail_[cell] - token.start + N_) % N_ * inverse % N_, cell);
  }

  const Stream& stream_;
  const int64_t N_;
  const int m_;
  const std::atomic<bool>& cancelled_;
  const std::vector<int64_t> tail_;
  std::vector<double> cells_[2];  // g in every cell, by parity of the token
  std::vector<double> uniforms_;
};

}  // namespace

int primeFrom(int n) {
  const auto isPrime = [](int candidate) {
    for (int64_t divisor = 2; divisor * divisor <= candidate; ++divisor)
      if (candidate % divisor == 0) return false;
    return true;
  };
  int candidate = std::max(n, 2);
  while (!isPrime(candidate)) ++candidate;
  return candidate;
}

void drawLatticeSums(const Stream& stream, int draws, int m, double c, const std::atomic<bool>& cancelled,
                     ScoreSumBatch& out) {
  for (std::vector<double>* sums : {&out.shift, &out.exponentials, &out.squares, &out.weighted})
    sums->assign(draws, 0.0);
  LatticeBatch batch(stream, draws, m, cancelled);
  if (std::abs(c) <= kLargestTableScale)
    batch.sums(c, out);
  else
    batch.sumsBeyondTables(c, out);
}

void drawStratifiedNormals(const Stream& stream, int draws, std::vector<double>& out) {
  std::vector<double> uniforms(2 + static_cast<size_t>(draws));
  stream.uniforms(0, uniforms.size(), uniforms.data());
  const Progression order = drawProgression(uniforms.data(), draws);
  out.resize(draws);
  int64_t cell = order.start;
  for (int i = 0; i < draws; ++i, cell = (cell + order.step) % draws)
    out[i] = (static_cast<double>(cell) + uniforms[2 + i]) / draws;
  HWY_DYNAMIC_DISPATCH(quantilesOf)(out.data(), out.size(), out.data());
}

}  // namespace prompt_attention
#endif  // HWY_ONCE
