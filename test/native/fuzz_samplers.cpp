// Streams, tokens and canvases: a number depends on its position only, and everything stays in its array.
#include <algorithm>
#include <cstring>

#include "core/images/canvas.h"
#include "core/images/embedding.h"
#include "core/mixture/mixture.h"
#include "native/input.h"

using namespace prompt_attention;

namespace {

template <class Number, class Draw>
void expectPositional(Input& input, uint64_t first, size_t count, Draw draw) {
  std::vector<Number> all(count);
  draw(first, count, all.data());
  const size_t begin = input.position(count);
  const size_t end = begin + input.position(count - begin);
  std::vector<Number> part(end - begin);
  draw(first + begin, part.size(), part.data());
  EXPECT(std::equal(part.begin(), part.end(), all.begin() + static_cast<std::ptrdiff_t>(begin)));
  for (const Number number : all) EXPECT(std::isfinite(number));
}

void streams(Input& input) {
  const Stream stream(input.key(), static_cast<uint32_t>(input.integer(0, 255)), input.position(UINT64_MAX));
  const uint64_t first = input.position(uint64_t{1} << 56);
  const size_t count = input.position(200);
  expectPositional<double>(input, first, count, [&](auto... at) { stream.normals(at...); });
  expectPositional<float>(input, first, count, [&](auto... at) { stream.normals(at...); });
  expectPositional<double>(input, first, count, [&](uint64_t at, size_t size, double* out) {
    stream.uniforms(at, size, out);
    for (size_t i = 0; i < size; ++i) EXPECT(out[i] > 0.0 && out[i] < 1.0);
  });
  expectPositional<double>(input, first, count, [&](uint64_t at, size_t size, double* out) {
    stream.signs(at, size, out);
    for (size_t i = 0; i < size; ++i) EXPECT(std::abs(out[i]) == 1.0);
  });
}

void tokens(Input& input) {
  const Mixture mixture =
      input.mixture(input.oneOf({NoiseKind::kGaussian, NoiseKind::kRademacher, NoiseKind::kUniform}), 1);
  TokenFrame frame;
  const size_t d = mixture.dimension;
  if (input.boolean()) {
    frame.contextVector = input.numbers(d);
    frame.signalVector = input.numbers(d);
  }
  if (input.boolean()) frame.noiseFactor = input.numbers(d * d);
  TokenScratch scratch;
  const StreamKey key = input.key();
  TokenSampler sampler(mixture, frame, key, Sample::kTraining, 1, scratch);
  LabelSampler labels(mixture, key, Sample::kTraining, 1);
  ExampleLabel label;
  const uint64_t example = input.position(uint64_t{1} << 32);
  labels.draw(example, 1, &label);
  EXPECT(label.atom >= 0 && label.atom < static_cast<int>(mixture.confusion.size()));
  std::vector<double> X(mixture.tokens * d);
  std::vector<uint8_t> mask(mixture.tokens);
  sampler.draw(example, label, nullptr, X.data(), mask.data());
  EXPECT(std::count(mask.begin(), mask.end(), 1) == mixture.relevantTokens);
}

void canvases(Input& input) {
  const auto side = [&](int parts) { return parts * input.integer(1, 4); };
  CanvasLayout layout{};
  layout.patchHeight = input.integer(1, 4);
  layout.patchWidth = input.integer(1, 4);
  layout.height = side(layout.patchHeight);
  layout.width = side(layout.patchWidth);
  layout.imageHeight = input.integer(1, 6);
  layout.imageWidth = input.integer(1, 6);
  const uint32_t imageCount = static_cast<uint32_t>(input.integer(0, 3));
  const std::vector<uint8_t> images(imageCount * layout.imageHeight * layout.imageWidth, 200);
  std::vector<Piece> pieces;
  for (int i = input.integer(0, 5); i > 0; --i) {
    const auto word = [&] { return static_cast<uint32_t>(input.oneOf({0, 1, 2, 3, 4, 8, -1, -2})); };
    const Piece piece{0, word(), word(), word(), word(), word(), word(), word(), word() % 2};
    if (isWithin(piece, layout, 1, imageCount)) pieces.push_back(piece);
  }
  CanvasWorkspace workspace;
  std::vector<double> patches(static_cast<size_t>(layout.tokens()) * layout.patchPixels());
  std::vector<uint8_t> relevance(layout.tokens());
  drawCanvas(layout, images.data(), pieces.data(), static_cast<int>(pieces.size()), input.key(),
             input.position(1000), patches.data(), relevance.data(), workspace);
  EXPECT(std::all_of(patches.begin(), patches.end(), [](double x) { return x >= 0.0 && x <= 1.0; }));
  EXPECT(std::all_of(relevance.begin(), relevance.end(), [](uint8_t mark) { return mark <= 1; }));
  std::vector<EmbeddingStage> stages;
  int inputs = layout.patchPixels();
  for (int i = input.integer(1, 3); i > 0; --i) {
    const int outputs = input.integer(1, 7);
    stages.push_back({inputs, outputs, input.numbers(static_cast<size_t>(inputs) * outputs),
                      input.numbers(outputs), input.boolean()});
    inputs = outputs;
  }
  EmbeddingWorkspace embedding;
  embedRows(stages, patches.data(), layout.tokens(), embedding);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  input.oneOf({streams, tokens, canvases})(input);
  return 0;
}
