#include "core/heads/hinge_sets.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/blas.h"

namespace prompt_attention {

namespace {

constexpr int kMostChanges = 100;
// Of the active set method: d (n + |B|²) a step, and what a step costs beside it.
constexpr double kMostSearchWork = 1e9;
constexpr double kSearchOverhead = 1e4;
// What is left of an example that is a combination of others.
constexpr double kDependent = 1e-12;
// Of f = (1/λ) Σ_U …, which is known to 1e-30 of its size, in w.
constexpr double kMostCancellation = 1e20;

bool isShare(double value) {
  return value >= -kSlack && value <= 1.0 + kSlack;
}

}  // namespace

HingeSets::HingeSets(const HeadFeatures& features, double ridge, double mostShare,
                     const std::atomic<bool>& cancelled)
    : V_(features.V),
      y_(features.y),
      n_(features.n),
      d_(features.d),
      penalised_(features.penalised()),
      ridge_(ridge),
      mostShare_(mostShare),
      cancelled_(cancelled),
      sides_(features.n),
      margins_(features.n),
      shares_(features.n),
      targets_(features.n, 1.0) {}

HingeSets::HingeSets(const HeadFeatures& features, double ridge, int reference,
                     const std::atomic<bool>& cancelled)
    : HingeSets(features, ridge, 1.0, cancelled) {
  reference_ = reference;
  d_ = features.penalised();
  const double* from = features.V + static_cast<size_t>(reference) * features.d;
  differences_.resize(static_cast<size_t>(n_) * d_);
  for (int i = 0; i < n_; ++i) {
    for (int j = 0; j < d_; ++j)
      differences_[static_cast<size_t>(i) * d_ + j] =
          features.V[static_cast<size_t>(i) * features.d + j] - from[j];
    targets_[i] = 1.0 - y_[i] * y_[reference];
  }
  V_ = differences_.data();
}

bool HingeSets::polish(double* w, const std::vector<double>& a) {
  margins(w);
  shares_ = a;
  for (int i = 0; i < n_; ++i) {
    const double share = shares_[i] *= n_;
    const double excess = margins_[i] - targets_[i];
    sides_[i] = excess > share ? Side::kAbove : -excess > 1.0 - share ? Side::kBelow : Side::kAt;
  }
  std::vector<double> head(d_);
  for (int change = 0; change < kMostChanges && !cancelled_; ++change) {
    if (!solve(head, true)) return false;
    if (settle(head.data())) {
      if (!referenceIsWithin()) return false;
      std::copy(head.begin(), head.end(), w);
      return true;
    }
  }
  return false;
}

bool HingeSets::search(double* w) {
  std::fill(sides_.begin(), sides_.end(), Side::kAbove);
  std::fill(shares_.begin(), shares_.end(), 0.0);
  std::vector<double> head(d_);
  int entering = -1;
  double work = 0.0;
  while (work <= kMostSearchWork && !cancelled_) {
    work += kSearchOverhead + d_ * (n_ + static_cast<double>(at_.size()) * at_.size());
    if (!solve(head, false)) {
      if (entering < 0 || !exchange(entering)) return false;
      continue;
    }
    if (!advance()) continue;
    entering = mostViolating(head.data());
    if (entering < 0) {
      std::copy(head.begin(), head.end(), w);
      return true;
    }
    enteringSide_ = sides_[entering];
    sides_[entering] = Side::kAt;
  }
  return false;
}

double HingeSets::errorBound(const double* w, const std::vector<double>& a) {
  margins(w);
  std::vector<double> combination(d_, 0.0);
  std::vector<double> signedA(n_);
  double loss = 0.0;
  double sum = 0.0;
  for (int i = 0; i < n_; ++i) {
    loss += std::max(0.0, 1.0 - margins_[i]) / n_;
    sum += a[i];
    signedA[i] = a[i] * y_[i];
  }
  addTransposedProduct(1.0, V_, n_, d_, signedA.data(), combination.data());
  // Where Σ a y is not 0, an intercept of this size could lower the objective by as much.
  double imbalance = 0.0;
  for (int j = penalised_; j < d_; ++j) imbalance += std::abs(combination[j]) * (1.0 + std::abs(w[j]));
  const double penalty = 0.5 * ridge_ * dot(w, w, penalised_);
  const double dualPenalty = 0.5 * dot(combination.data(), combination.data(), penalised_) / ridge_;
  const double rounding = 4.0 * std::numeric_limits<double>::epsilon() * (loss + penalty + sum + dualPenalty);
  const double gap = std::max(loss + penalty - sum + dualPenalty + imbalance, rounding);
  return std::sqrt(2.0 * gap / ridge_);
}

double HingeSets::balancingShare() const {
  double sum = 0.0;
  for (int i = 0; i < n_; ++i)
    if (i != reference_) sum += shares_[i] * y_[i];
  return -y_[reference_] * sum;
}

bool HingeSets::referenceIsWithin() {
  if (reference_ < 0) return true;
  for (int i = 0; i < n_; ++i) shares_[i] = sides_[i] == Side::kBelow ? 1.0 : 0.0;
  for (size_t j = 0; j < at_.size(); ++j) shares_[at_[j]] = multipliers_[j];
  return isShare(balancingShare());
}

void HingeSets::margins(const double* w) {
  product(V_, n_, d_, w, margins_.data());
  for (int i = 0; i < n_; ++i) margins_[i] *= y_[i];
}

bool HingeSets::solve(std::vector<double>& head, bool dependent) {
  ExtendedVector f(d_);
  const DoubleDouble unit =
      DoubleDouble{1.0, 0.0} / (DoubleDouble{static_cast<double>(n_), 0.0} * DoubleDouble{ridge_, 0.0});
  at_.clear();
  for (int i = 0; i < n_; ++i) {
    if (sides_[i] == Side::kBelow)
      extendedAddScaled({y_[i] * unit.hi, y_[i] * unit.lo}, V_ + static_cast<size_t>(i) * d_, nullptr, d_,
                        f.hi.data(), f.lo.data());
    if (sides_[i] == Side::kAt && i != reference_) at_.push_back(i);
  }
  const int k = static_cast<int>(at_.size());
  multipliers_.assign(k, 0.0);
  if (k == 0) {
    head = f.hi;
    return true;
  }
  // Rows of zeros where there are more examples than dimensions, which are then dependent.
  const int m = std::max(d_, k);
  if (m > d_ && !dependent) return false;
  AugmentedSystem system(signedFeatures(at_, m), m, k, cancelled_);
  std::vector<double> targets(k);
  for (int j = 0; j < k; ++j) targets[j] = targets_[at_[j]];
  f.hi.resize(m, 0.0);
  f.lo.resize(m, 0.0);
  std::vector<double> s(m);
  const AugmentedAttempt found = attempt(system, {Factorisation::kOrthogonal, Factorisation::kExtended}, [&] {
    return system.solve(f.hi.data(), targets.data(), AugmentedSystem::Target::kS, s.data(),
                        multipliers_.data(), f.lo.data());
  });
  if (found.isSolved)
    for (double& t : multipliers_) t *= -ridge_ * n_;
  else if (!(dependent && found.isDeficient && solveDependent(system, f, s)))
    return false;
  std::copy_n(s.begin(), d_, head.begin());
  return k >= d_ || std::sqrt(dot(f.hi.data(), f.hi.data(), d_)) <=
                        kMostCancellation * std::sqrt(dot(head.data(), head.data(), d_));
}

std::vector<double> HingeSets::signedFeatures(const std::vector<int>& examples, int m) const {
  std::vector<double> A(examples.size() * m, 0.0);
  for (size_t j = 0; j < examples.size(); ++j)
    for (int i = 0; i < d_; ++i)
      A[j * m + i] = y_[examples[j]] * V_[static_cast<size_t>(examples[j]) * d_ + i];
  return A;
}

bool HingeSets::advance() {
  double length = 1.0;
  int blocking = -1;
  for (size_t j = 0; j < at_.size(); ++j) {
    const double from = shares_[at_[j]];
    const double to = multipliers_[j];
    const double bound = to < 0.0 ? 0.0 : mostShare_;
    if (to >= 0.0 && to <= mostShare_) continue;
    const double reach = std::clamp((bound - from) / (to - from), 0.0, 1.0);
    if (blocking >= 0 && reach >= length) continue;
    length = reach;
    blocking = static_cast<int>(j);
  }
  for (size_t j = 0; j < at_.size(); ++j) {
    double& share = shares_[at_[j]];
    share = std::clamp(share + length * (multipliers_[j] - share), 0.0, mostShare_);
  }
  if (blocking >= 0) leaveKink(at_[blocking], multipliers_[blocking] < 0.0);
  return blocking < 0;
}

void HingeSets::leaveKink(int i, bool above) {
  sides_[i] = above ? Side::kAbove : Side::kBelow;
  shares_[i] = above ? 0.0 : mostShare_;
}

bool HingeSets::exchange(int entering) {
  std::vector<int> others(at_);
  const auto place = std::find(others.begin(), others.end(), entering);
  if (place == others.end()) return false;
  others.erase(place);
  const int k = static_cast<int>(others.size());
  const std::vector<double> target = signedFeatures({entering}, d_);
  std::vector<double> rest(target);
  std::vector<double> beta(k, 0.0);
  if (k > 0 && !combine(others, target, rest, beta)) return false;
  if (dot(rest.data(), rest.data(), d_) > kDependent * kDependent * dot(target.data(), target.data(), d_))
    return false;
  const double direction = enteringSide_ == Side::kAbove ? 1.0 : -1.0;
  double length = mostShare_;
  int blocking = entering;
  bool above = direction < 0.0;
  for (int j = 0; j < k; ++j) {
    const double slope = -direction * beta[j];
    if (slope == 0.0) continue;
    const double reach = std::max(0.0, ((slope < 0.0 ? 0.0 : mostShare_) - shares_[others[j]]) / slope);
    if (reach >= length) continue;
    length = reach;
    blocking = others[j];
    above = slope < 0.0;
  }
  if (std::isinf(length)) {
    isUnbounded_ = true;
    return false;
  }
  shares_[entering] = std::clamp(shares_[entering] + direction * length, 0.0, mostShare_);
  for (int j = 0; j < k; ++j)
    shares_[others[j]] = std::clamp(shares_[others[j]] - direction * length * beta[j], 0.0, mostShare_);
  leaveKink(blocking, above);
  return true;
}

bool HingeSets::combine(const std::vector<int>& examples, const std::vector<double>& target,
                        std::vector<double>& rest, std::vector<double>& beta) const {
  AugmentedSystem system(signedFeatures(examples, d_), d_, static_cast<int>(examples.size()), cancelled_);
  return attempt(system, {Factorisation::kOrthogonal, Factorisation::kExtended},
                 [&] {
                   return system.solve(target.data(), nullptr, AugmentedSystem::Target::kT, rest.data(),
                                       beta.data());
                 })
      .isSolved;
}

int HingeSets::mostViolating(const double* head) {
  margins(head);
  double worst = kSlack;
  int example = -1;
  for (int i = 0; i < n_; ++i) {
    if (sides_[i] == Side::kAt) continue;
    const double violation = sides_[i] == Side::kAbove ? 1.0 - margins_[i] : margins_[i] - 1.0;
    if (violation > worst) {
      worst = violation;
      example = i;
    }
  }
  return example;
}

bool HingeSets::solveDependent(AugmentedSystem& system, const ExtendedVector& f, std::vector<double>& s) {
  const int k = static_cast<int>(at_.size());
  std::vector<double> rest(k);
  for (int j = 0; j < k; ++j)
    rest[j] = (DoubleDouble{targets_[at_[j]], 0.0} -
               DoubleDouble{y_[at_[j]], 0.0} *
                   extendedDot(V_ + static_cast<size_t>(at_[j]) * d_, nullptr, f.hi.data(), f.lo.data(), d_))
                  .hi;
  if (!system.solveDeficientTransposed(rest.data(), s.data())) return false;
  std::vector<double> missing(s.size(), 0.0);
  for (int i = 0; i < d_; ++i) missing[i] = ridge_ * n_ * s[i];
  for (int j = 0; j < k; ++j)
    addScaled(-shares_[at_[j]] * y_[at_[j]], V_ + static_cast<size_t>(at_[j]) * d_, d_, missing.data());
  if (!system.solveDeficient(missing.data(), multipliers_.data())) return false;
  for (int j = 0; j < k; ++j) multipliers_[j] += shares_[at_[j]];
  for (size_t i = 0; i < s.size(); ++i) s[i] += f.hi[i];
  for (int j = 0; j < k; ++j) {
    const double margin = y_[at_[j]] * dot(V_ + static_cast<size_t>(at_[j]) * d_, s.data(), d_);
    if (!(std::abs(margin - targets_[at_[j]]) <= kSlack)) return false;
  }
  return true;
}

bool HingeSets::settle(const double* head) {
  margins(head);
  bool isSettled = true;
  Side where = Side::kAt;
  const auto move = [&](int i, Side side) {
    sides_[i] = side;
    isSettled = false;
  };
  // The worst multiplier alone: among examples that nearly coincide the others follow from it. With a small
  // ridge all of them are small.
  double largest = 0.0;
  for (const double multiplier : multipliers_) largest = std::max(largest, std::abs(multiplier));
  double worst = kSlack * std::min(1.0, largest);
  int worstExample = -1;
  for (size_t j = 0; j < at_.size(); ++j) {
    const double excess = std::max(-multipliers_[j], multipliers_[j] - 1.0);
    if (excess > worst) {
      worst = excess;
      worstExample = at_[j];
      where = multipliers_[j] < 0.0 ? Side::kAbove : Side::kBelow;
    }
  }
  if (worstExample >= 0) {
    move(worstExample, where);
    return false;
  }
  for (int i = 0; i < n_; ++i) {
    if (sides_[i] == Side::kAt) continue;
    if (sides_[i] == Side::kAbove && margins_[i] < targets_[i] - kSlack) move(i, Side::kAt);
    if (sides_[i] == Side::kBelow && margins_[i] > targets_[i] + kSlack) move(i, Side::kAt);
  }
  return isSettled;
}

}  // namespace prompt_attention
