/** Max and average pooling with their gradients, and depthwise convolution. Channels are contiguous. */
#pragma once
#include "norm.hpp"

namespace DEEPEND_ISA {

/** The part of a window that lies inside the image along one axis. */
struct Range {
  int first, end;
};
INLINE Range windowRange(int position, int stride, int padding, int kernel, int size) {
  const int start = position * stride - padding;
  return {max(0, start), min(size, start + kernel)};
}

/** One tile of the job is one row of one output image. */
inline void poolForward(const PoolArgs& args, int job, Thread& t) {
  const int image = job / args.outHeight;
  const Range y = windowRange(job % args.outHeight, args.strideY, args.padTop, args.kernelHeight,
                              args.height);
  const size_t pixel = args.channels, row = args.width * pixel;
  const float* source = t.at(args.x) + size_t(image) * args.height * row;
  float* out = t.at(args.out) + size_t(job) * args.outWidth * pixel;
  auto windows = [&](auto averages) {
    constexpr bool AVERAGE = decltype(averages)::value;
    for (int ox = 0; ox < args.outWidth; ox++, out += pixel) {
      const Range x = windowRange(ox, args.strideX, args.padLeft, args.kernelWidth, args.width);
      const V count = splat(float((y.end - y.first) * (x.end - x.first)));
      eachChannels(args.channels, [&](int c, int channels) {
        V v = splat(AVERAGE ? 0 : -INFINITY);
        for (int iy = y.first; iy < y.end; iy++) {
          const float* at = source + iy * row + x.first * pixel + c;
          for (int ix = x.first; ix < x.end; ix++, at += pixel) {
            const V here = load(at);
            // Skips NaN, as stock cpu does.
            v = AVERAGE ? v + here : select(v < here, here, v);
          }
        }
        storeUpTo(out + c, AVERAGE ? v / count : v, channels);
      });
    }
  };
  if (args.average) windows(std::true_type{});
  else windows(std::false_type{});
}

/**
 * Adds each window's gradient to the first pixel that equals the window's maximum. One tile of the
 * job is one image.
 */
inline void maxPoolGradient(const PoolArgs& args, int image, Thread& t) {
  const size_t pixel = args.channels, row = args.width * pixel, size = args.height * row;
  const float* source = t.at(args.x) + image * size;
  float* out = t.at(args.out) + image * size;
  std::memset(out, 0, size * 4);
  const size_t outSize = size_t(args.outHeight) * args.outWidth * pixel;
  const float *largest = t.at(args.y) + image * outSize, *dy = t.at(args.dy) + image * outSize;
  for (int oy = 0; oy < args.outHeight; oy++) {
    const Range y = windowRange(oy, args.strideY, args.padTop, args.kernelHeight, args.height);
    for (int ox = 0; ox < args.outWidth; ox++, largest += pixel, dy += pixel) {
      const Range x = windowRange(ox, args.strideX, args.padLeft, args.kernelWidth, args.width);
      eachChannels(args.channels, [&](int c, int count) {
        const V most = load(largest + c);
        V left = load(dy + c); // gradients still to be placed
        for (int iy = y.first; iy < y.end; iy++) {
          size_t at = iy * row + x.first * pixel + c;
          for (int ix = x.first; ix < x.end; ix++, at += pixel) {
            const Int<W> here = load(source + at) == most;
            storeUpTo(out + at, loadUpTo(out + at, count) + keep(here, left), count);
            left = select(here, zero<W>(), left);
          }
        }
      });
    }
  }
}

/**
 * Every pixel of a window gets dy / (kernel height · kernel width), even if the window contains
 * padding, as on stock cpu. (`compiler` corrects that.) One tile of the job is one image.
 */
inline void averagePoolGradient(const PoolArgs& args, int image, Thread& t) {
  const size_t pixel = args.channels, row = args.width * pixel, size = args.height * row;
  float* out = t.at(args.out) + image * size;
  std::memset(out, 0, size * 4);
  const V fraction = splat(1 / float(args.kernelHeight * args.kernelWidth));
  const float* from = t.at(args.dy) + size_t(image) * args.outHeight * args.outWidth * pixel;
  for (int oy = 0; oy < args.outHeight; oy++) {
    const Range y = windowRange(oy, args.strideY, args.padTop, args.kernelHeight, args.height);
    for (int ox = 0; ox < args.outWidth; ox++, from += pixel) {
      const Range x = windowRange(ox, args.strideX, args.padLeft, args.kernelWidth, args.width);
      for (int iy = y.first; iy < y.end; iy++)
        for (int ix = x.first; ix < x.end; ix++) {
          float* to = out + iy * row + ix * pixel;
          eachChannels(args.channels, [&](int c, int count) {
            storeUpTo(to + c, loadUpTo(to + c, count) + load(from + c) * fraction, count);
          });
        }
    }
  }
}

/** Calls `use` with each tap that meets data for an output pixel: its index and source pixel. */
template <class Use> INLINE void eachTap(const DepthwiseArgs& args, int oy, int ox, Use use) {
  for (int ky = 0; ky < args.kernelHeight; ky++) {
    const int y = oy * args.strideY - args.padTop + ky * args.dilationY;
    if (unsigned(y) >= unsigned(args.height)) continue;
    for (int kx = 0; kx < args.kernelWidth; kx++) {
      const int x = ox * args.strideX - args.padLeft + kx * args.dilationX;
      if (unsigned(x) >= unsigned(args.width)) continue;
      use(ky * args.kernelWidth + kx, size_t(y) * args.width + x);
    }
  }
}

/** Most taps that one pass over the channels keeps in a list. */
constexpr int MAX_TAPS = 64;

/** One tile of the job is one row of one output image. */
inline void depthwiseForward(const DepthwiseArgs& args, int job, Thread& t) {
  const int image = job / args.outHeight, oy = job % args.outHeight;
  const size_t pixel = args.channels;
  const float* source = t.at(args.x) + size_t(image) * args.height * args.width * pixel;
  const float* filter = t.at(args.filter);
  float* out = t.at(args.out) + size_t(job) * args.outWidth * pixel;
  for (int ox = 0; ox < args.outWidth; ox++, out += pixel) {
    const float *from[MAX_TAPS], *factor[MAX_TAPS];
    int taps = 0;
    bool first = true;
    auto addUp = [&] {
      eachChannels(args.channels, [&](int c, int count) {
        V sum = first ? zero<W>() : load(out + c);
        for (int i = 0; i < taps; i++) sum = madd(load(from[i] + c), load(factor[i] + c), sum);
        storeUpTo(out + c, sum, count);
      });
      first = false;
      taps = 0;
    };
    eachTap(args, oy, ox, [&](int tap, size_t place) {
      from[taps] = source + place * pixel;
      factor[taps++] = filter + tap * pixel;
      if (taps == MAX_TAPS) addUp();
    });
    if (taps || first) addUp();
  }
}

/** out[c] += a[c] · b[c] */
INLINE void addProduct(float* out, const float* a, const float* b, int channels) {
  eachChannels(channels, [&](int c, int count) {
    storeUpTo(out + c, madd(load(a + c), load(b + c), loadUpTo(out + c, count)), count);
  });
}

/** dx. One tile of the job is one image. */
inline void depthwiseInputGradient(const DepthwiseArgs& args, int image, Thread& t) {
  const size_t pixel = args.channels, pixels = size_t(args.height) * args.width;
  float* out = t.at(args.out) + image * pixels * pixel;
  std::memset(out, 0, pixels * pixel * 4);
  const float* dy = t.at(args.dy) + size_t(image) * args.outHeight * args.outWidth * pixel;
  for (int oy = 0; oy < args.outHeight; oy++)
    for (int ox = 0; ox < args.outWidth; ox++, dy += pixel)
      eachTap(args, oy, ox, [&](int tap, size_t place) {
        addProduct(out + place * pixel, dy, t.at(args.filter) + tap * pixel, args.channels);
      });
}

/**
 * dW of each image: out [batch][kh][kw][channels]. One tile of the job is one image. Each pixel of
 * dy meets all taps in turn, while the pixels of x are in the cache.
 */
inline void depthwiseFilterGradient(const DepthwiseArgs& args, int image, Thread& t) {
  const size_t pixel = args.channels, taps = size_t(args.kernelHeight) * args.kernelWidth;
  float* out = t.at(args.out) + image * taps * pixel;
  std::memset(out, 0, taps * pixel * 4);
  const float* source = t.at(args.x) + size_t(image) * args.height * args.width * pixel;
  const float* dy = t.at(args.dy) + size_t(image) * args.outHeight * args.outWidth * pixel;
  for (int oy = 0; oy < args.outHeight; oy++)
    for (int ox = 0; ox < args.outWidth; ox++, dy += pixel)
      eachTap(args, oy, ox, [&](int tap, size_t place) {
        addProduct(out + tap * pixel, source + place * pixel, dy, args.channels);
      });
}

}  // namespace DEEPEND_ISA
