/**
 * Convolution with bias and ReLU in stock's one shader, and the gradient of a filter. Stock's own
 * gradient sums up all pixels in one thread
 * for each number of the filter; here tiles of the filter are matrix products over parts of the
 * pixels, and the parts are added up.
 */

import { type ConvAttrs, isEmpty, pairs } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import {
  type GpuBackend,
  grid,
  INDEX,
  type Kernel,
  launch,
  output,
  scratch,
  THREADS,
} from './launch';

/** Grouped convolution falls back to core ops, one group after another. */
const hasOneGroup = ({ attrs: { groups = 1 } }: { readonly attrs: ConvAttrs }) => groups === 1;

export const conv2d: Kernel<'deepend.conv2d'> = {
  supports: hasOneGroup,
  run({ inputs: { x, filter, bias }, attrs: { strides, dilations, padding, relu } }) {
    const y = tf.fused.conv2d({
      x,
      filter,
      strides: [...strides],
      pad: isEmpty(padding) ? 'valid' : pairs(padding),
      dilations: [...dilations],
      ...(bias && { bias }),
      activation: relu ? 'relu' : 'linear',
    });
    return [y];
  },
};

/**
 * A workgroup has a square of the filter, `[taps·in, out]`; its threads, 16 by 16, have 4 by 4
 * numbers each.
 */
const TILE = 64;
/** Pixels that are in workgroup memory at a time. */
const STEP = 16;
/** This many workgroups keep a large GPU busy. */
const ENOUGH = 1024;
const FEWEST_PIXELS = 256;

/** {x, dy} + conv, filterShape → dFilter. */
export const conv2dFilterGradient: Kernel<'deepend.conv2dFilterGradient'> = {
  supports: hasOneGroup,
  run({ backend, inputs: { x, dy }, attrs: { filterShape, ...conv } }) {
    const [kh = 1, kw = 1, channels = 1, filters = 1] = filterShape;
    const lines = kh * kw * channels; // of the matrix that the filter is
    const dFilter = output(backend, filterShape);
    const geometry = {
      ...sizes(x, dy, conv),
      kw,
      channels,
      filters,
      lines,
      tiles: Math.ceil(lines / TILE),
    };
    const tiles = geometry.tiles * Math.ceil(filters / TILE);
    const parts = Math.min(Math.ceil(ENOUGH / tiles), Math.ceil(geometry.pixels / FEWEST_PIXELS));
    const call: ProductCall = {
      x,
      dy,
      integers: { ...geometry, part: STEP * Math.ceil(geometry.pixels / parts / STEP) },
      groups: [tiles, parts],
    };
    if (parts === 1) product(backend, dFilter, call);
    else
      scratch(backend, parts * lines * filters, (partials) => {
        product(backend, partials, call);
        addParts(backend, dFilter, { partials, count: lines * filters, parts });
      });
    return [dFilter];
  },
};

function sizes(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  { strides: [sy, sx], dilations: [ry, rx], padding: { top, left } }: ConvAttrs,
) {
  const [, height, width] = x.shape;
  const [batch, outHeight, outWidth] = dy.shape;
  return {
    height,
    width,
    outHeight,
    outWidth,
    pixels: batch * outHeight * outWidth,
    sy,
    sx,
    ry,
    rx,
    top,
    left,
  };
}

interface ProductCall {
  readonly x: tf.TensorInfo;
  readonly dy: tf.TensorInfo;
  readonly integers: Readonly<Record<string, number>>;
  readonly groups: readonly [number, number];
}

/**
 * `[parts, taps·in, out]`: for each part of the pixels, what the taps see of the image, times dy.
 */
function product(
  backend: GpuBackend,
  sums: tf.TensorInfo,
  { x, dy, integers, groups }: ProductCall,
): void {
  launch(backend, {
    name: 'filterGradient',
    writes: { sums },
    reads: { x, dy },
    integers,
    groups,
    before: () => /* wgsl */ `
var<workgroup> seen: array<f32, ${STEP * TILE}>; // [pixel, tap·in]
var<workgroup> wanted: array<f32, ${STEP * TILE}>; // [pixel, out]`,
    main: () => PRODUCT,
  });
}

const LINES = THREADS / TILE; // adjacent pixels that the threads load
const EACH = STEP / LINES; // and how often

const PRODUCT = /* wgsl */ `
  let column = i32(lane % ${TILE}u);
  let first = i32(lane / ${TILE}u);
  let line = (i32(group.x) % u.tiles) * ${TILE} + column;
  let filter_at = (i32(group.x) / u.tiles) * ${TILE} + column;
  let channel = line % u.channels;
  let tap = line / u.channels;
  let reach = vec2<i32>(tap / u.kw * u.ry - u.top, tap % u.kw * u.rx - u.left);
  let start = i32(group.y) * u.part;
  let end = min(start + u.part, u.pixels);
  // Where this thread's pixels lie; they move on without a division.
  var places: array<vec3<i32>, ${EACH}>; // image, row, column
  for (var j = 0; j < ${EACH}; j++) {
    let at = start + first + j * ${LINES};
    places[j] = vec3<i32>(at / (u.outWidth * u.outHeight), at / u.outWidth % u.outHeight,
      at % u.outWidth);
  }
  let corner = vec2<u32>(lane / 16u, lane % 16u) * 4u;
  var totals: array<vec4<f32>, 4>;
  for (var pixel = start; pixel < end; pixel += ${STEP}) {
    for (var j = 0; j < ${EACH}; j++) {
      let slot = first + j * ${LINES};
      let inside = pixel + slot < end;
      let place = places[j];
      let y = place.y * u.sy + reach.x;
      let z = place.z * u.sx + reach.y;
      var value = 0.0;
      if (inside && line < u.lines && y >= 0 && y < u.height && z >= 0 && z < u.width) {
        value = x[((place.x * u.height + y) * u.width + z) * u.channels + channel];
      }
      seen[slot * ${TILE} + column] = value;
      var slope = 0.0;
      if (inside && filter_at < u.filters) { slope = dy[(pixel + slot) * u.filters + filter_at]; }
      wanted[slot * ${TILE} + column] = slope;
      var next = place + vec3<i32>(0, 0, ${STEP});
      while (next.z >= u.outWidth) { next += vec3<i32>(0, 1, -u.outWidth); }
      while (next.y >= u.outHeight) { next += vec3<i32>(1, -u.outHeight, 0); }
      places[j] = next;
    }
    workgroupBarrier();
    for (var s = 0u; s < ${STEP}u; s++) {
      let a = s * ${TILE}u + corner.x;
      let b = s * ${TILE}u + corner.y;
      let across = vec4<f32>(wanted[b], wanted[b + 1u], wanted[b + 2u], wanted[b + 3u]);
      for (var j = 0u; j < 4u; j++) { totals[j] += seen[a + j] * across; }
    }
    workgroupBarrier();
  }
  let top = (i32(group.x) % u.tiles) * ${TILE} + i32(corner.x);
  let left = (i32(group.x) / u.tiles) * ${TILE} + i32(corner.y);
  for (var j = 0; j < 4; j++) {
    for (var k = 0; k < 4; k++) {
      if (top + j < u.lines && left + k < u.filters) {
        sums[(i32(group.y) * u.lines + top + j) * u.filters + left + k] = totals[j][k];
      }
    }
  }`;

function addParts(
  backend: GpuBackend,
  sum: tf.TensorInfo,
  { partials, ...integers }: { partials: tf.TensorInfo; count: number; parts: number },
): void {
  launch(backend, {
    name: 'addParts',
    writes: { sum },
    reads: { partials },
    integers,
    groups: grid(integers.count),
    main: () => /* wgsl */ `${INDEX}
  var total = 0.0;
  for (var part = 0; part < u.parts; part++) { total += partials[part * u.count + i]; }
  sum[i] = total;`,
  });
}
