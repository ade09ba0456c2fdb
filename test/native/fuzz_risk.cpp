// Laws: a risk that is said to be found is a share with a finite error bar; what is not found says so.
#include "core/base/convergence_failure.h"
#include "core/dynamics/three_step_law.h"
#include "core/laws/long_context_risk.h"
#include "core/laws/risk.h"
#include "core/mixture/population_gradient.h"
#include "native/input.h"

using namespace prompt_attention;

namespace {

const std::atomic<bool> kNever{false};

void knownPrompt(Input& input) {
  RiskSpec spec{};
  spec.mixture = input.mixture(NoiseKind::kGaussian, 2);
  spec.inverseTemperature = input.number();
  spec.head = input.oneOf({HeadKind::kAveraging, HeadKind::kWeightedAveraging, HeadKind::kLeastSquares,
                           HeadKind::kLogistic, HeadKind::kHinge});
  const int points = input.integer(0, 2);
  for (int i = 0; i < points; ++i) {
    spec.sampleRatios.push_back(std::max(input.positive(), 1e-300));
    spec.ridges.push_back(input.positive());
  }
  spec.draws = input.integer(64, 200);
  spec.key = input.key();
  spec.general = input.boolean();
  spec.intercept = !isSum(spec.head) && input.boolean();
  SerialRunner runner;
  try {
    const RiskCurve curve = knownPromptRisk(spec, runner, kNever);
    EXPECT(static_cast<int>(curve.points.size()) == points);
    for (const RiskPoint& point : curve.points) {
      if (point.status != RiskStatus::kOk) continue;
      const auto [error, standardError] = point.fields[kRiskError];
      EXPECT(isShare(error));
      EXPECT(standardError >= 0.0);
    }
  } catch (const ConvergenceFailure&) {
  }
}

void threeStep(Input& input) {
  ThreeStepLawSpec spec{};
  spec.mixture = input.mixture(NoiseKind::kGaussian, 5);
  for (int& n : spec.examples) n = input.integer(1, 1000);
  for (double& step : spec.options.stepSizes) step = input.number();
  spec.options.head =
      input.oneOf({ThreeStepHead::kFresh, ThreeStepHead::kRestarted, ThreeStepHead::kContinued});
  spec.options.intercept = input.boolean();
  spec.fluctuations = input.boolean();
  spec.draws = input.integer(kLeastLawDraws, 64);
  spec.key = input.key();
  const ThreeStepLaw law = threeStepLaw(spec, kNever);
  EXPECT(std::isnan(law.error) || isShare(law.error));
}

void closedForms(Input& input) {
  const Mixture mixture = input.mixture(NoiseKind::kGaussian, 2);
  const HeadOptions head{input.oneOf({HeadKind::kAveraging, HeadKind::kLeastSquares}), input.positive()};
  const LongContextRisk risk =
      longContextRisk(mixture, std::max(input.positive(), 1e-300), input.number(), head);
  EXPECT(std::isnan(risk.error) || isShare(risk.error));
  const std::vector<double> w = input.numbers(mixture.dimension);
  std::vector<double> gradients(2 * w.size());
  populationGradient(mixture, w.data(), gradients.data(), gradients.data() + w.size());
  const std::vector<double> margins = input.numbers(7);
  std::vector<double> scales = input.numbers(7);
  for (double& scale : scales) scale = std::abs(scale);
  std::vector<double> values(7);
  for (const HeadKind kind : {HeadKind::kLeastSquares, HeadKind::kLogistic, HeadKind::kHinge})
    proximalPoints(traitsOf(kind).loss, margins.data(), scales.data(), margins.size(), values.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  input.oneOf({knownPrompt, threeStep, closedForms})(input);
  return 0;
}
