// Tokens of canvases, and principal components of rows.
#include <algorithm>

#include "addon/entries/entry_points.h"
#include "addon/reading/unpack.h"
#include "addon/runtime/allocating.h"
#include "addon/runtime/environment.h"
#include "addon/runtime/result_array.h"
#include "core/images/canvas.h"
#include "core/images/embedding.h"
#include "core/images/principal_components.h"

namespace prompt_attention {

namespace {

constexpr size_t kPieceNumbers = sizeof(Piece) / sizeof(uint32_t);
constexpr int kCanvasesPerUnit = 16;

struct ImageTokensSpec {
  CanvasLayout layout;
  int canvases;                        // n
  uint64_t firstCanvas;                // position of the first one in the streams
  std::vector<uint8_t> images;         // [count×imageHeight×imageWidth]
  std::vector<Piece> pieces;           // in the order of their canvases
  std::vector<size_t> firstPiece;      // [n+1]
  std::vector<EmbeddingStage> stages;  // may be empty: the patches themselves
  std::vector<double> positions;       // [T×p], put behind the embedding of every patch
  int embeddingSize;
  int positionSize;  // p ≥ 0
  StreamKey key;

  size_t dimension() const { return static_cast<size_t>(embeddingSize) + positionSize; }
};

class ImageTokensJob final : public PromiseJob {
 public:
  ImageTokensJob(ImageTokensSpec spec, size_t tokenNumbers)
      : spec_(std::move(spec)),
        tokens_(tokenNumbers),
        relevance_(static_cast<size_t>(spec_.canvases) * spec_.layout.tokens()) {
    units = (static_cast<uint64_t>(spec_.canvases) + kCanvasesPerUnit - 1) / kCanvasesPerUnit;
  }
  void run(uint64_t unit, Workspace& workspace) override {
    const int first = static_cast<int>(unit) * kCanvasesPerUnit;
    const int end = std::min(first + kCanvasesPerUnit, spec_.canvases);
    for (int i = first; i < end && !cancelled; ++i) runCanvas(i, workspace);
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object result = Napi::Object::New(env);
    result.Set("tokens", environment.float64Array(env, tokens_.data(), tokens_.size()));
    result.Set("relevance", environment.uint8Array(env, relevance_.data(), relevance_.size()));
    return result;
  }

 private:
  void runCanvas(int i, Workspace& workspace) {
    const size_t T = spec_.layout.tokens();
    std::vector<double>& patches = workspace.canvas.patches;
    patches.resize(T * spec_.layout.patchPixels());
    const size_t first = spec_.firstPiece[i];
    drawCanvas(spec_.layout, spec_.images.data(), spec_.pieces.data() + first,
               static_cast<int>(spec_.firstPiece[i + 1] - first), spec_.key, spec_.firstCanvas + i,
               patches.data(), relevance_.data() + i * T, workspace.canvas);
    const double* rows = spec_.stages.empty() ? patches.data()
                                              : embedRows(spec_.stages, patches.data(), static_cast<int>(T),
                                                          workspace.embedding);
    double* to = tokens_.data() + i * T * spec_.dimension();
    for (size_t t = 0; t < T; ++t) {
      to = std::copy_n(rows + t * spec_.embeddingSize, spec_.embeddingSize, to);
      to = std::copy_n(spec_.positions.data() + t * spec_.positionSize, spec_.positionSize, to);
    }
  }

  const ImageTokensSpec spec_;
  ResultArray<double> tokens_;      // [n×T×d]
  ResultArray<uint8_t> relevance_;  // [n×T]
};

CanvasLayout readLayout(const Request& request) {
  const Request fields = request.object("layout");
  // Sides below 2¹⁵ keep every area an int.
  const auto side = [&](const char* name) { return static_cast<int>(fields.integer(name, 1, 32767)); };
  const CanvasLayout layout{side("height"),     side("width"),       side("patchHeight"),
                            side("patchWidth"), side("imageHeight"), side("imageWidth")};
  if (layout.height % layout.patchHeight != 0) fields.failRange("patchHeight", "a divisor of height");
  if (layout.width % layout.patchWidth != 0) fields.failRange("patchWidth", "a divisor of width");
  return layout;
}

void readPieces(const Request& request, ImageTokensSpec& spec, uint32_t imageCount) {
  const std::vector<uint32_t> numbers = request.uint32Array("pieces", Request::kAnyLength);
  if (numbers.size() % kPieceNumbers != 0) request.failRange("pieces", "nine numbers for every piece");
  spec.firstPiece.assign(static_cast<size_t>(spec.canvases) + 1, 0);
  spec.pieces.reserve(numbers.size() / kPieceNumbers);
  for (size_t j = 0; j < numbers.size(); j += kPieceNumbers) {
    const uint32_t* n = numbers.data() + j;
    const Piece piece{n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8]};
    if (!isWithin(piece, spec.layout, static_cast<uint32_t>(spec.canvases), imageCount))
      request.failRange("pieces", "rectangles within their images and canvases");
    if (!spec.pieces.empty() && spec.pieces.back().canvas > piece.canvas)
      request.failRange("pieces", "in the order of their canvases");
    spec.pieces.push_back(piece);
    ++spec.firstPiece[piece.canvas + 1];
  }
  for (int i = 0; i < spec.canvases; ++i) spec.firstPiece[i + 1] += spec.firstPiece[i];
}

void readStages(const Request& request, ImageTokensSpec& spec) {
  const Request stages = request.object("stages");  // an array
  const int count = static_cast<int>(stages.integer("length", 0, 8));
  spec.embeddingSize = spec.layout.patchPixels();
  for (int i = 0; i < count; ++i) {
    const Request fields = stages.object(std::to_string(i).c_str());
    EmbeddingStage stage{};
    stage.inputs = spec.embeddingSize;
    stage.outputs = static_cast<int>(fields.integer("outputs", 1, 1 << 20));
    stage.rectified = fields.boolean("rectified");
    stage.A =
        fields.finiteFloat64Array("weights", checkedProduct(request.env(), stage.inputs, stage.outputs));
    stage.b = fields.finiteFloat64Array("offset", stage.outputs);
    spec.embeddingSize = stage.outputs;
    spec.stages.push_back(std::move(stage));
  }
}

class PrincipalComponentsJob final : public PromiseJob {
 public:
  PrincipalComponentsJob(std::vector<double> rows, int count, int dimension)
      : rows_(std::move(rows)), count_(count), dimension_(dimension) {}
  void run(uint64_t, Workspace&) override {
    result_ = principalComponents(rows_.data(), count_, dimension_, cancelled);
  }
  Napi::Value result(Napi::Env env) override {
    const Environment& environment = Environment::of(env);
    Napi::Object result = Napi::Object::New(env);
    const auto set = [&](const char* name, const std::vector<double>& values) {
      result.Set(name, environment.float64Array(env, values.data(), values.size()));
    };
    set("mean", result_.mean);
    set("covariance", result_.covariance);
    set("values", result_.values);
    set("vectors", result_.vectors);
    return result;
  }

 private:
  const std::vector<double> rows_;  // [n×d]
  const int count_;
  const int dimension_;
  PrincipalComponents result_;
};

}  // namespace

Napi::Value imageTokens(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  ImageTokensSpec spec{};
  spec.layout = readLayout(request);
  spec.canvases = static_cast<int>(request.integer("canvases", 1, kMaximumCount));
  spec.firstCanvas = request.integer("firstCanvas", 0, kMaximumInteger);
  const size_t imageCount = request.integer("imageCount", 0, kMaximumCount);
  const size_t imagePixels = static_cast<size_t>(spec.layout.imageHeight) * spec.layout.imageWidth;
  const size_t imageBytes = checkedProduct(env, imageCount, imagePixels);
  const int threads = static_cast<int>(request.integer("threads", 1, kMaximumThreads));
  spec.key = readKey(request);
  spec.positionSize = static_cast<int>(request.integer("positionSize", 0, 1 << 20));
  const size_t T = spec.layout.tokens();
  spec.positions = request.finiteFloat64Array("positions", checkedProduct(env, T, spec.positionSize));
  auto job = allocating(env, imageBytes, [&] {
    spec.images = request.uint8Array("images", imageBytes);
    readPieces(request, spec, static_cast<uint32_t>(imageCount));
    readStages(request, spec);
    const size_t numbers = checkedProduct(env, checkedProduct(env, spec.canvases, T), spec.dimension());
    const size_t bytes = checkedProduct(env, numbers, sizeof(double));
    return allocating(env, bytes, [&] { return std::make_shared<ImageTokensJob>(std::move(spec), numbers); });
  });
  job->maximumThreads = static_cast<int>(std::min<uint64_t>(threads, job->units));
  return Environment::of(env).start(env, job);
}

Napi::Value principalComponentsOfRows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Request request(info[0]);
  const int count = static_cast<int>(request.integer("count", 1, kMaximumCount));
  const int dimension = static_cast<int>(request.integer("dimension", 1, 1 << 15));
  const size_t numbers = checkedProduct(env, count, dimension);
  auto job = allocating(env, checkedProduct(env, numbers, sizeof(double)), [&] {
    return std::make_shared<PrincipalComponentsJob>(request.finiteFloat64Array("rows", numbers), count,
                                                    dimension);
  });
  return Environment::of(env).start(env, job);
}

}  // namespace prompt_attention
