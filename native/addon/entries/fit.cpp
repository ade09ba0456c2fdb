// Training of models.
#include "core/models/fit.h"

#include <algorithm>
#include <memory>

#include "addon/entries/entry_points.h"
#include "addon/reading/model_request.h"
#include "addon/runtime/allocating.h"
#include "addon/runtime/crew.h"
#include "addon/runtime/environment.h"

namespace prompt_attention {

namespace {

// One unit per step, run in order by one worker at a time; others help with the parts of a step.
class FitJob final : public PromiseJob {
 public:
  FitJob(const Model& model, const FitOptions& options, ModelExamples training, ModelExamples validation,
         std::vector<double> theta, int threads)
      : training_(std::move(training)),
        validation_(std::move(validation)),
        fit_(model, options, training_.view(), validation_.view(), std::move(theta)) {
    units = static_cast<uint64_t>(options.steps) + 1;
    partThreads = threads;
  }
  void run(uint64_t unit, Workspace&) override {
    Crew crew(pool(), partThreads);
    fit_.step(static_cast<int>(unit), crew, cancelled);
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object result = Napi::Object::New(env);
    result.Set("parameters", environment.float64Array(env, fit_.theta().data(), fit_.theta().size()));
    result.Set("stopped", nameOf(kFitStops, fit_.stop()));
    result.Set("steps", fit_.stepsTaken());
    const auto add = [&](const char* name, auto field) {
      std::vector<double> values;
      values.reserve(fit_.records().size());
      for (const FitRecord& record : fit_.records()) values.push_back(field(record));
      result.Set(name, environment.float64Array(env, values.data(), values.size()));
    };
    add("step", [](const FitRecord& record) { return record.step; });
    add("loss", [](const FitRecord& record) { return record.training.loss; });
    add("error", [](const FitRecord& record) { return record.training.error; });
    add("relevantAttention", [](const FitRecord& record) { return record.training.relevantAttention; });
    add("validationLoss", [](const FitRecord& record) { return record.validation.loss; });
    add("validationError", [](const FitRecord& record) { return record.validation.error; });
    add("promptNorm", [](const FitRecord& record) { return record.norms[0]; });
    add("weightNorm", [](const FitRecord& record) { return record.norms[1]; });
    add("headNorm", [](const FitRecord& record) { return record.norms[2]; });
    return result;
  }

 private:
  const ModelExamples training_;
  const ModelExamples validation_;
  Fit fit_;
};

Schedule readSchedule(const Request& request) {
  const Request fields = request.object("schedule");
  Schedule schedule{};
  schedule.kind = fields.oneOf("kind", kSchedules);
  schedule.warmUp = static_cast<int>(fields.integer("warmUp", 0, kMaximumCount));
  schedule.final = fields.number("final");
  schedule.every = static_cast<int>(fields.integer("every", 1, kMaximumCount));
  schedule.factor = fields.number("factor");
  return schedule;
}

}  // namespace

Napi::Value fitModel(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  const Model model = readModel(request);
  FitOptions options{};
  options.loss = readLoss(request, model);
  options.optimizer = readOptimizer(request);
  const std::vector<double> rates = request.float64Array("learningRates", 3);
  std::copy(rates.begin(), rates.end(), options.learningRates);
  options.schedule = readSchedule(request);
  options.steps = static_cast<int>(request.integer("steps", 1, kMaximumCount - 1));
  options.batchSize = static_cast<int>(request.integer("batchSize", 1, kMaximumCount));
  options.recordEvery = static_cast<int>(request.integer("recordEvery", 1, kMaximumCount));
  options.patience = static_cast<int>(request.integer("patience", 0, kMaximumCount));
  options.key = readKey(request);
  const int threads = static_cast<int>(request.integer("threads", 1, kMaximumThreads));
  std::vector<double> theta = request.float64Array("parameters", model.parameters());
  ModelExamples validation;
  if (request.has("validation")) validation = readExamples(request, "validation", model, &options.loss);
  if (options.patience > 0 && validation.count == 0)
    request.failRange("patience", "0 without validation examples");
  // Last, so that a request that is refused detaches nothing.
  ModelExamples training = request.boolean("transfer")
                               ? takeExamples(request, "examples", model, options.loss)
                               : readExamples(request, "examples", model, &options.loss);
  const int workers = std::min(threads, partCount(model, training.count, training.view().rows(model)));
  auto job = allocating(env, 4 * sizeof(double) * theta.size(), [&] {
    return std::make_shared<FitJob>(model, options, std::move(training), std::move(validation),
                                    std::move(theta), workers);
  });
  return Environment::of(env).start(env, job);
}

}  // namespace prompt_attention
