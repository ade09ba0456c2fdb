// Risk of a known prompt for T → ∞ with TW² fixed (theory.md §6, "Long context"): closed forms for least
// squares and averaging; core confusion, ρ = 0, π = ½. All examples share one signal-to-noise ratio
//
//   S = (TW²/σ²) ζ²/(1−ζ) e^{2τQ² − 2σ²τ²Q²}.
#pragma once

#include "core/heads/head.h"
#include "core/mixture/mixture.h"

namespace prompt_attention {

struct LongContextRisk {
  double error;
  double signalToNoise;
};

LongContextRisk longContextRisk(const Mixture& mixture, double sampleRatio, double inverseTemperature,
                                const HeadOptions& head);

}  // namespace prompt_attention
