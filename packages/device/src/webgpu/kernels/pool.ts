/** Max-pool that passes over explicit padding, and its gradient. */
import type { FusedPoolAttrs } from '@deepend/compiler';
import { grid, INDEX, type Kernel, launch, output, size } from './launch';

/** The geometry of images and windows, as the shaders' uniforms. */
function windows(
  x: readonly number[],
  y: readonly number[],
  { size: [kh, kw], strides: [sy, sx], padding }: FusedPoolAttrs,
) {
  const { top, left } = padding;
  const [, height = 1, width = 1, channels = 1] = x;
  return {
    height,
    width,
    channels,
    outHeight: y[1] ?? 1,
    outWidth: y[2] ?? 1,
    kh,
    kw,
    sy,
    sx,
    top,
    left,
  };
}

function pooledShape(
  x: readonly number[],
  { size: kernel, strides, padding }: FusedPoolAttrs,
): number[] {
  const { top, bottom, left, right } = padding;
  const [batch = 1, height = 1, width = 1, channels = 1] = x;
  const positions = (length: number, axis: 0 | 1) =>
    Math.floor((length - kernel[axis]) / strides[axis]) + 1;
  return [batch, positions(height + top + bottom, 0), positions(width + left + right, 1), channels];
}

/** WGSL: a thread's channel, column, row and image, of images with these rows and columns. */
const pixel = (height: string, width: string) => /* wgsl */ `${INDEX}
  let c = i % u.channels;
  let column = i / u.channels % u.${width};
  let row = i / (u.channels * u.${width}) % u.${height};
  let image = i / (u.channels * u.${width} * u.${height});`;

export const maxPool: Kernel<'deepend.maxPool'> = {
  run({ backend, inputs: { x }, attrs }) {
    const y = output(backend, pooledShape(x.shape, attrs));
    launch(backend, {
      name: 'maxPool',
      writes: { y },
      reads: { x },
      integers: { count: size(y), ...windows(x.shape, y.shape, attrs) },
      groups: grid(size(y)),
      main: () => /* wgsl */ `${pixel('outHeight', 'outWidth')}
  let y0 = row * u.sy - u.top;
  let x0 = column * u.sx - u.left;
  var largest = 0.0;
  var found = false;
  for (var r = max(y0, 0); r < min(y0 + u.kh, u.height); r++) {
    for (var q = max(x0, 0); q < min(x0 + u.kw, u.width); q++) {
      let v = x[((image * u.height + r) * u.width + q) * u.channels + c];
      if (!found || v > largest || v != v) { largest = v; }
      found = true;
    }
  }
  y[i] = largest;`,
    });
    return [y];
  },
};

export const maxPoolGradient: Kernel<'deepend.maxPoolGradient'> = {
  run({ backend, inputs: { x, y, dy }, attrs }) {
    const dx = output(backend, x.shape);
    launch(backend, {
      name: 'maxPoolGradient',
      writes: { dx },
      reads: { x, y, dy },
      integers: { count: size(x), ...windows(x.shape, y.shape, attrs) },
      groups: grid(size(x)),
      before: () => /* wgsl */ `
fn at(image: i32, row: i32, column: i32, c: i32) -> f32 {
  return x[((image * u.height + row) * u.width + column) * u.channels + c];
}
// Whether no pixel of the window before this one has the same value.
fn is_first(image: i32, corner: vec2<i32>, here: vec2<i32>, c: i32, value: f32) -> bool {
  for (var r = max(corner.x, 0); r <= here.x; r++) {
    for (var q = max(corner.y, 0); q < min(corner.y + u.kw, u.width); q++) {
      if (r == here.x && q == here.y) { return true; }
      if (at(image, r, q, c) == value) { return false; }
    }
  }
  return true;
}`,
      main: () => /* wgsl */ `${pixel('height', 'width')}
  let value = x[i];
  var sum = 0.0;
  // The windows of this pixel: rows from ⌈(row + top − kh + 1) / sy⌉ to ⌊(row + top) / sy⌋.
  let last_row = min((row + u.top) / u.sy, u.outHeight - 1);
  let last_column = min((column + u.left) / u.sx, u.outWidth - 1);
  for (var r = max((row + u.top - u.kh + u.sy) / u.sy, 0); r <= last_row; r++) {
    for (var q = max((column + u.left - u.kw + u.sx) / u.sx, 0); q <= last_column; q++) {
      let window = ((image * u.outHeight + r) * u.outWidth + q) * u.channels + c;
      if (y[window] != value) { continue; }
      let corner = vec2<i32>(r * u.sy - u.top, q * u.sx - u.left);
      if (is_first(image, corner, vec2<i32>(row, column), c, value)) { sum += dy[window]; }
    }
  }
  dx[i] = sum;`,
    });
    return [dx];
  },
};
