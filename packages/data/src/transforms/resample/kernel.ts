/**
 * Runs the WebAssembly kernel of assembly/resize.ts: lays out its memory and feeds it portions of
 * images that stay in the processor's cache.
 */
import { isFloat32Array, isUint8Array } from '@deepend/core';
import { ACROSS_ARGS, DOWN_ARGS, OUTPUT_KINDS, RESIZE_MODULE } from '../../generated/resize-module';
import { isIdentity, type Layout, rowFinder } from './layout';

/** The part of WebAssembly's API that is used here; TypeScript has it only among the DOM types. */
interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
interface Wasm {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
  Memory: new (limits: { initial: number; maximum: number }) => Memory;
}
interface Exports {
  across(args: number): void;
  down(args: number): void;
  unit(source: number, count: number, out: number): void;
}

const PAGE = 65536;
const BLOCK = 16; // bytes that the kernel handles at once
const ARGS_AT = 0;
const SPARE_AT = 256; // a block that is being transposed
const HEAP_START = 512;
const BAND_BYTES = 128 * 1024; // bytes of images that are copied in at once
const OUT_BYTES = 256 * 1024; // bytes of the result at once

export interface Normalization {
  /** For each channel, or one for all, of pixels in [0, 1]. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const roundUp = (bytes: number) => Math.ceil(bytes / BLOCK) * BLOCK;

const wasm = (globalThis as unknown as { WebAssembly?: Wasm }).WebAssembly;

class Kernel {
  readonly #memory: Memory;
  readonly exports: Exports;
  #top = HEAP_START;

  constructor({ Module, Instance, Memory }: Wasm) {
    this.#memory = new Memory({ initial: 1, maximum: PAGE });
    const imports = { env: { memory: this.#memory } };
    this.exports = new Instance(new Module(Buffer.from(RESIZE_MODULE, 'base64')), imports)
      .exports as Exports;
  }

  /** Frees all memory. */
  clear(): void {
    this.#top = HEAP_START;
  }

  /** Allocates `bytes`, and a margin that whole blocks may read or write past them. */
  allocate(bytes: number): number {
    const at = this.#top;
    this.#top = roundUp(at + bytes + 4 * BLOCK);
    const missing = Math.ceil((this.#top - this.#memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.#grow(missing);
    return at;
  }

  #grow(pages: number): void {
    try {
      this.#memory.grow(pages);
    } catch (error) {
      const expected = `${Math.ceil(this.#top / 2 ** 20)} MiB of memory for an image`;
      throw new RangeError(
        `[data] resize: expected ${expected}, got none; use smaller images or a smaller size`,
        { cause: error },
      );
    }
  }

  bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#memory.buffer, at, length);
  }

  floats(at: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#memory.buffer, at, length);
  }

  /** Copies numbers into newly allocated memory. */
  table(values: Int32Array | Float32Array): number {
    const at = this.allocate(values.byteLength);
    const Values = isFloat32Array(values) ? Float32Array : Int32Array;
    new Values(this.#memory.buffer, at, values.length).set(values);
    return at;
  }

  /** Writes the arguments of a call in the order of `names`. */
  writeArgs<Name extends string>(names: readonly Name[], args: Record<Name, number>): number {
    const words = new Int32Array(this.#memory.buffer, ARGS_AT, names.length);
    names.forEach((name, i) => {
      words[i] = args[name];
    });
    return ARGS_AT;
  }
}

/** The thread's kernel; null when it cannot run here. */
let current: Kernel | null | undefined;

/**
 * Whether this thread can run the kernel. Node's `--jitless` disables WebAssembly, and a limit of
 * the address space (`ulimit -v`, some clusters) leaves no room for the 8 GiB that V8 reserves for
 * a memory of WebAssembly; then the same arithmetic runs in JavaScript, more slowly.
 */
export function hasKernel(): boolean {
  if (current === undefined) {
    try {
      current = wasm ? new Kernel(wasm) : null;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      current = null;
    }
  }
  return current !== null;
}

/** Returns the thread's kernel with all its memory free. */
function freshKernel(): Kernel {
  if (!hasKernel()) throw new Error('[data] the kernel needs WebAssembly');
  const kernel = current as Kernel;
  kernel.clear();
  return kernel;
}

interface ResizeTarget {
  into: Uint8Array | Float32Array;
  normalization?: Normalization | undefined;
}

/**
 * uint8 `[count, height, width, channels]` → `into`, `[count, newHeight, newWidth, channels]`:
 * bytes, or float32 in [0, 1], normalized on request. Call it only if `hasKernel()`.
 */
export function runResizeKernel(
  images: Uint8Array,
  layout: Layout,
  { into, normalization }: ResizeTarget,
): void {
  const { across, down, shape } = layout;
  const rowLength = across.to * shape[2];
  const imageLength = down.to * rowLength;
  const asBytes = isUint8Array(into);
  const size = asBytes ? 1 : 4;
  const count = into.length / imageLength;
  const atOnce = Math.min(count, Math.max(1, Math.floor(OUT_BYTES / (imageLength * size))));
  const rowsAtOnce = Math.min(down.to, Math.max(1, Math.floor(OUT_BYTES / (rowLength * size))));
  const kernel = freshKernel();
  const runAcross = acrossPass(kernel, images, { layout, atOnce });
  const kind = asBytes ? 'bytes' : 'unit';
  const runDown = downPass(kernel, { layout, normalization, kind, rowsAtOnce, atOnce });
  for (let image = 0; image < count; image += atOnce) {
    const portion = Math.min(atOnce, count - image);
    const wide = runAcross(image, portion);
    for (let y = 0; y < down.to; y += rowsAtOnce) {
      const rows = Math.min(rowsAtOnce, down.to - y);
      const out = runDown(wide, portion, [y, y + rows]);
      const length = portion * rows * rowLength;
      into.set(
        asBytes ? kernel.bytes(out, length) : kernel.floats(out, length),
        image * imageLength + y * rowLength,
      );
    }
  }
}

/** Rows in the kernel's memory, and the distance from one to the next. */
interface Rows {
  at: number;
  stride: number;
}

interface AcrossOptions {
  layout: Layout;
  atOnce: number;
}

/** Returns a function that copies images in and resamples them along the width. */
function acrossPass(kernel: Kernel, images: Uint8Array, { layout, atOnce }: AcrossOptions) {
  const { region, across, shape } = layout;
  const rowBytes = region.width * shape[2];
  const copyRows = rowCopier(kernel, images, layout);
  const wideRows = atOnce * region.height;
  if (isIdentity(across)) {
    const wide: Rows = { at: kernel.allocate(wideRows * rowBytes), stride: rowBytes };
    return (image: number, portion: number): Rows => {
      copyRows(image * region.height, portion * region.height, wide.at);
      return wide;
    };
  }
  const stride = roundUp(across.to * shape[2]);
  const wide: Rows = { at: kernel.allocate(roundUp(wideRows) * stride), stride };
  const bandRows = Math.min(
    roundUp(wideRows),
    Math.max(BLOCK, Math.floor(BAND_BYTES / rowBytes / BLOCK) * BLOCK),
  );
  const source = kernel.allocate(bandRows * rowBytes);
  const args = {
    source,
    rowBytes,
    channels: shape[2],
    to: across.to,
    taps: across.taps,
    starts: kernel.table(across.starts),
    weights: kernel.table(across.fixed),
    spare: SPARE_AT,
    columns: kernel.allocate(roundUp(rowBytes) * BLOCK),
    transposed: kernel.allocate(stride * BLOCK),
    wideStride: stride,
  };
  return (image: number, portion: number): Rows => {
    const total = portion * region.height;
    for (let row = 0; row < total; row += bandRows) {
      const rows = Math.min(bandRows, total - row);
      copyRows(image * region.height + row, rows, source);
      const call = { ...args, rows, wide: wide.at + row * stride };
      kernel.exports.across(kernel.writeArgs(ACROSS_ARGS, call));
    }
    return wide;
  };
}

/** Returns a function that copies rows of the images' regions into the kernel's memory. */
function rowCopier(kernel: Kernel, images: Uint8Array, layout: Layout) {
  const { region, shape } = layout;
  const rowBytes = region.width * shape[2];
  const contiguous = region.width === shape[1] && region.height === shape[0];
  const findRow = rowFinder(layout);
  return (first: number, rows: number, to: number): void => {
    const target = kernel.bytes(to, rows * rowBytes);
    if (contiguous) {
      target.set(images.subarray(first * rowBytes, (first + rows) * rowBytes));
      return;
    }
    for (let row = 0; row < rows; row++) {
      const start = findRow(first + row);
      target.set(images.subarray(start, start + rowBytes), row * rowBytes);
    }
  };
}

interface DownOptions {
  layout: Layout;
  normalization: Normalization | undefined;
  kind: 'bytes' | 'unit';
  rowsAtOnce: number;
  atOnce: number;
}

/**
 * Returns a function that resamples rows `from` … `to` - 1 along the height and returns the address
 * of the result.
 */
function downPass(kernel: Kernel, options: DownOptions) {
  const { layout, normalization, kind, rowsAtOnce, atOnce } = options;
  const { down, across, shape, region } = layout;
  const rowLength = across.to * shape[2];
  const out = kernel.allocate(atOnce * rowsAtOnce * rowLength * (kind === 'bytes' ? 1 : 4));
  const unnormalized = kind === 'bytes' ? OUTPUT_KINDS.BYTES : OUTPUT_KINDS.UNIT;
  const args = {
    taps: down.taps,
    starts: kernel.table(down.starts),
    weights: kernel.table(down.fixed),
    out,
    rowLength,
    kind: normalization ? OUTPUT_KINDS.NORMALIZED : unnormalized,
    means: normalization ? kernel.table(repeatChannels(normalization.mean, rowLength)) : 0,
    stds: normalization ? kernel.table(repeatChannels(normalization.std, rowLength)) : 0,
  };
  return (wide: Rows, count: number, [from, to]: [number, number]): number => {
    const strides = { wideStride: wide.stride, imageStride: region.height * wide.stride };
    const call = { ...args, ...strides, wide: wide.at, count, from, to };
    kernel.exports.down(kernel.writeArgs(DOWN_ARGS, call));
    return out;
  };
}

/** One number for each value of a row, and for the block that reaches past it. */
function repeatChannels(perChannel: readonly number[], length: number): Float32Array {
  return Float32Array.from(
    { length: roundUp(length) },
    (_, i) => perChannel[i % perChannel.length] as number,
  );
}

const UNIT_PORTION = OUT_BYTES / 4;

/** Bytes → float32 in [0, 1]. Call it only if `hasKernel()`. */
export function bytesToFloats(bytes: Uint8Array, into: Float32Array): void {
  const kernel = freshKernel();
  const most = Math.min(bytes.length, UNIT_PORTION);
  const source = kernel.allocate(most);
  const out = kernel.allocate(4 * most);
  for (let start = 0; start < bytes.length; start += UNIT_PORTION) {
    const length = Math.min(UNIT_PORTION, bytes.length - start);
    kernel.bytes(source, length).set(bytes.subarray(start, start + length));
    kernel.exports.unit(source, length, out);
    into.set(kernel.floats(out, length), start);
  }
}
