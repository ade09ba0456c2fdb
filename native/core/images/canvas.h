// Canvases of grey images, cut into patches: the tokens of contextual image data.
//
// A canvas of H×W pixels starts black; its pieces are drawn on it in turn. A piece is a rectangle of an image
// (bytes, scaled to [0, 1]) or of noise (independent uniforms on (0, 1)), and says whether it is relevant.
// Then the canvas is cut into T = (H/h)·(W/w) patches of h×w pixels, in reading order; a patch is relevant if
// at least half of its pixels show a relevant piece.
//
// Noise: pixel x of row y of canvas i is uniform yW + x of the stream of canvas i, whatever pieces there are.
// Cost: one pass over the pieces and one over the canvas. Memory: 9 bytes per pixel of one canvas.
#pragma once

#include <cstdint>
#include <vector>

#include "core/random/random.h"

namespace prompt_attention {

struct CanvasLayout {
  int height;       // H
  int width;        // W
  int patchHeight;  // h, divides H
  int patchWidth;   // w, divides W
  int imageHeight;
  int imageWidth;

  int pixels() const { return height * width; }
  int patchPixels() const { return patchHeight * patchWidth; }
  int tokens() const { return (height / patchHeight) * (width / patchWidth); }
};

constexpr uint32_t kNoiseImage = UINT32_MAX;

// A rectangle within an image, or of noise, and where it lies within the canvas.
struct Piece {
  uint32_t canvas;
  uint32_t image;  // or kNoiseImage
  uint32_t sourceTop;
  uint32_t sourceLeft;
  uint32_t height;
  uint32_t width;
  uint32_t top;
  uint32_t left;
  uint32_t relevant;  // 0 or 1
};

// Scratch of one thread.
struct CanvasWorkspace {
  std::vector<double> pixels;   // [H×W]
  std::vector<uint8_t> marks;   // [H×W], 1 where a relevant piece shows
  std::vector<double> noise;    // [W]
  std::vector<double> patches;  // [T×h·w]
};

// Whether the piece lies within its canvas and its image; images has `imageCount` of them.
bool isWithin(const Piece& piece, const CanvasLayout& layout, uint32_t canvases, uint32_t imageCount);

// Canvas i made of pieces[count], which are its own: patches[T×h·w] and relevance[T].
void drawCanvas(const CanvasLayout& layout, const uint8_t* images, const Piece* pieces, int count,
                StreamKey key, uint64_t i, double* patches, uint8_t* relevance, CanvasWorkspace& workspace);

}  // namespace prompt_attention
