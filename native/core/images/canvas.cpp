#include "core/images/canvas.h"

#include <algorithm>

namespace prompt_attention {

namespace {

bool fits(uint32_t begin, uint32_t length, int size) {
  return length >= 1 && begin <= static_cast<uint32_t>(size) && length <= static_cast<uint32_t>(size) - begin;
}

void drawPiece(const CanvasLayout& layout, const uint8_t* images, const Piece& piece, const Stream& stream,
               CanvasWorkspace& workspace) {
  const size_t imagePixels = static_cast<size_t>(layout.imageHeight) * layout.imageWidth;
  for (uint32_t row = 0; row < piece.height; ++row) {
    const size_t at = static_cast<size_t>(piece.top + row) * layout.width + piece.left;
    double* to = workspace.pixels.data() + at;
    if (piece.image == kNoiseImage) {
      stream.uniforms(at, piece.width, to);
    } else {
      const uint8_t* from = images + piece.image * imagePixels +
                            static_cast<size_t>(piece.sourceTop + row) * layout.imageWidth + piece.sourceLeft;
      for (uint32_t x = 0; x < piece.width; ++x) to[x] = from[x] / 255.0;
    }
    std::fill_n(workspace.marks.data() + at, piece.width, static_cast<uint8_t>(piece.relevant));
  }
}

}  // namespace

bool isWithin(const Piece& piece, const CanvasLayout& layout, uint32_t canvases, uint32_t imageCount) {
  const bool ofImage = piece.image < imageCount && fits(piece.sourceTop, piece.height, layout.imageHeight) &&
                       fits(piece.sourceLeft, piece.width, layout.imageWidth);
  return piece.canvas < canvases && (piece.image == kNoiseImage || ofImage) &&
         fits(piece.top, piece.height, layout.height) && fits(piece.left, piece.width, layout.width) &&
         piece.relevant <= 1;
}

void drawCanvas(const CanvasLayout& layout, const uint8_t* images, const Piece* pieces, int count,
                StreamKey key, uint64_t i, double* patches, uint8_t* relevance, CanvasWorkspace& workspace) {
  const Stream stream(key, Sample::kTraining, Field::kPixel, i);
  workspace.pixels.assign(layout.pixels(), 0.0);
  workspace.marks.assign(layout.pixels(), 0);
  for (int p = 0; p < count; ++p) drawPiece(layout, images, pieces[p], stream, workspace);
  const int h = layout.patchHeight;
  const int w = layout.patchWidth;
  const int patchColumns = layout.width / w;
  for (int t = 0; t < layout.tokens(); ++t) {
    const size_t corner =
        static_cast<size_t>(t / patchColumns) * h * layout.width + static_cast<size_t>(t % patchColumns) * w;
    int relevantPixels = 0;
    for (int row = 0; row < h; ++row, patches += w) {
      const size_t at = corner + static_cast<size_t>(row) * layout.width;
      std::copy_n(workspace.pixels.data() + at, w, patches);
      for (int x = 0; x < w; ++x) relevantPixels += workspace.marks[at + x];
    }
    relevance[t] = 2 * relevantPixels >= h * w ? 1 : 0;
  }
}

}  // namespace prompt_attention
