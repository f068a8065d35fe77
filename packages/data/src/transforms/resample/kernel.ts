/**
 * The WebAssembly kernel of assembly/resize.ts: what goes where in its memory, in portions that
 * stay in the processor's cache.
 */
import { RESIZE_MODULE } from '../../generated/resize-module';
import { isIdentity, type Plan, rowFinder } from './plan';

/**
 * The part of WebAssembly's JavaScript interface that is used here: TypeScript has it among the
 * browser's types alone.
 */
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
const BLOCK = 16; // bytes that the kernel treats at once
const ARGS = 0;
const SPARE = 256;
const FREE = 512; // where the arguments and the block that is being turned end
const BAND_BYTES = 128 * 1024; // bytes of images that are brought in at once
const OUT_BYTES = 256 * 1024; // bytes of the result at once

/** Keep in step with assembly/resize.ts. */
const KIND = { bytes: 0, unit: 1, normalized: 2 } as const;

export interface Normalization {
  /** In units of floats, 0 … 1, for each channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const whole = (bytes: number) => Math.ceil(bytes / BLOCK) * BLOCK;

const wasm = (globalThis as unknown as { WebAssembly?: Wasm }).WebAssembly;

/** Whether this Node has WebAssembly: `--jitless` takes it away. */
export const hasKernel = wasm !== undefined;

class Kernel {
  readonly #memory: Memory;
  readonly exports: Exports;
  #top = FREE;

  constructor({ Module, Instance, Memory }: Wasm) {
    this.#memory = new Memory({ initial: 1, maximum: PAGE });
    const imports = { env: { memory: this.#memory } };
    this.exports = new Instance(new Module(Buffer.from(RESIZE_MODULE, 'base64')), imports)
      .exports as Exports;
  }

  /** Gives all room back. */
  clear(): void {
    this.#top = FREE;
  }

  /** Room for so many bytes, and for a block more to be read or written past them. */
  room(bytes: number): number {
    const at = this.#top;
    this.#top = whole(at + bytes + 4 * BLOCK);
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
        `[data] resize: expected ${expected}, got none; take smaller images or a smaller size`,
        {
          cause: error,
        },
      );
    }
  }

  bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#memory.buffer, at, length);
  }

  floats(at: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#memory.buffer, at, length);
  }

  /** Copies numbers into room of their own. */
  table(values: Int32Array | Float32Array): number {
    const at = this.room(values.byteLength);
    new (values instanceof Float32Array ? Float32Array : Int32Array)(
      this.#memory.buffer,
      at,
      values.length,
    ).set(values);
    return at;
  }

  args(values: readonly number[]): number {
    new Int32Array(this.#memory.buffer, ARGS, values.length).set(values);
    return ARGS;
  }
}

let current: Kernel | undefined;

/** The thread's kernel, all its room free. */
function kernel(): Kernel {
  current ??= new Kernel(wasm as Wasm);
  current.clear();
  return current;
}

/**
 * uint8 `[count, height, width, channels]` → `into`, `[count, newHeight, newWidth, channels]`:
 * bytes, or float32 in [0, 1], normalized on request.
 * Needs `hasKernel`.
 */
export function resampleFast(
  images: Uint8Array,
  plan: Plan,
  {
    into,
    normalization,
  }: { into: Uint8Array | Float32Array; normalization?: Normalization | undefined },
): void {
  const { across, down, shape } = plan;
  const imageLength = down.to * across.to * shape[2];
  const asBytes = into instanceof Uint8Array;
  const size = asBytes ? 1 : 4;
  const count = into.length / imageLength;
  const atOnce = Math.min(count, Math.max(1, Math.floor(OUT_BYTES / (imageLength * size))));
  const at = kernel();
  const widen = acrossPass(at, images, { plan, atOnce });
  const rowsAtOnce = Math.min(
    down.to,
    Math.max(1, Math.floor(OUT_BYTES / ((imageLength / down.to) * size))),
  );
  const lower = downPass(at, {
    plan,
    normalization,
    kind: asBytes ? 'bytes' : 'unit',
    rowsAtOnce,
    atOnce,
  });
  for (let image = 0; image < count; image += atOnce) {
    const portion = Math.min(atOnce, count - image);
    const wide = widen(image, portion);
    for (let y = 0; y < down.to; y += rowsAtOnce) {
      const rows = Math.min(rowsAtOnce, down.to - y);
      const out = lower(wide, portion, [y, y + rows]);
      const length = portion * rows * across.to * shape[2];
      into.set(
        asBytes ? at.bytes(out, length) : at.floats(out, length),
        image * imageLength + y * across.to * shape[2],
      );
    }
  }
}

/** Rows in the kernel's memory, and how far apart they are. */
interface Wide {
  at: number;
  stride: number;
}

/** A function that brings images in and resamples them along the width. */
function acrossPass(
  at: Kernel,
  images: Uint8Array,
  { plan, atOnce }: { plan: Plan; atOnce: number },
) {
  const { region, across, shape } = plan;
  const rowBytes = region.width * shape[2];
  const startOf = rowFinder(plan);
  const contiguous = region.width === shape[1] && region.height === shape[0];
  const bring = (first: number, rows: number, to: number) => {
    const target = at.bytes(to, rows * rowBytes);
    if (contiguous)
      return void target.set(images.subarray(first * rowBytes, (first + rows) * rowBytes));
    for (let row = 0; row < rows; row++) {
      const start = startOf(first + row);
      target.set(images.subarray(start, start + rowBytes), row * rowBytes);
    }
  };
  const wideRows = atOnce * region.height;
  if (isIdentity(across)) {
    const wide: Wide = { at: at.room(wideRows * rowBytes), stride: rowBytes };
    return (image: number, portion: number): Wide => {
      bring(image * region.height, portion * region.height, wide.at);
      return wide;
    };
  }
  const stride = whole(across.to * shape[2]);
  const wide: Wide = { at: at.room(whole(wideRows) * stride), stride };
  const bandRows = Math.min(
    whole(wideRows),
    Math.max(BLOCK, Math.floor(BAND_BYTES / rowBytes / BLOCK) * BLOCK),
  );
  const source = at.room(bandRows * rowBytes);
  const tables = [at.table(across.starts), at.table(across.fixed), SPARE];
  const turning = [at.room(whole(rowBytes) * BLOCK), at.room(stride * BLOCK)];
  return (image: number, portion: number): Wide => {
    const total = portion * region.height;
    for (let row = 0; row < total; row += bandRows) {
      const rows = Math.min(bandRows, total - row);
      bring(image * region.height + row, rows, source);
      const head = [source, rowBytes, rows, shape[2], across.to, across.taps];
      at.exports.across(at.args([...head, ...tables, ...turning, wide.at + row * stride, stride]));
    }
    return wide;
  };
}

interface Down {
  plan: Plan;
  normalization: Normalization | undefined;
  kind: 'bytes' | 'unit';
  rowsAtOnce: number;
  atOnce: number;
}

/**
 * A function that resamples rows `from` … `to` - 1 along the height, and returns where the result
 * lies.
 */
function downPass(at: Kernel, { plan, normalization, kind, rowsAtOnce, atOnce }: Down) {
  const { down, across, shape, region } = plan;
  const rowLength = across.to * shape[2];
  const out = at.room(atOnce * rowsAtOnce * rowLength * (kind === 'bytes' ? 1 : 4));
  const tables = [down.taps, at.table(down.starts), at.table(down.fixed)];
  const scales = normalization
    ? [row(normalization.mean, rowLength), row(normalization.std, rowLength)]
    : [];
  const code = normalization ? KIND.normalized : KIND[kind];
  const tail = [out, rowLength, code, ...scales.map((scale) => at.table(scale))];
  return (wide: Wide, count: number, [from, to]: [number, number]): number => {
    at.exports.down(
      at.args([
        wide.at,
        wide.stride,
        region.height * wide.stride,
        count,
        from,
        to,
        ...tables,
        ...tail,
      ]),
    );
    return out;
  };
}

/** A number for each byte of a row and of the block that reaches past it. */
function row(perChannel: readonly number[], length: number): Float32Array {
  return Float32Array.from(
    { length: whole(length) },
    (_, i) => perChannel[i % perChannel.length] as number,
  );
}

const UNIT_PORTION = OUT_BYTES / 4;

/** Bytes → float32 in [0, 1]. Needs `hasKernel`. */
export function unitFast(bytes: Uint8Array, into: Float32Array): void {
  const at = kernel();
  const most = Math.min(bytes.length, UNIT_PORTION);
  const [source, out] = [at.room(most), at.room(4 * most)];
  for (let start = 0; start < bytes.length; start += UNIT_PORTION) {
    const length = Math.min(UNIT_PORTION, bytes.length - start);
    at.bytes(source, length).set(bytes.subarray(start, start + length));
    at.exports.unit(source, length, out);
    into.set(at.floats(out, length), start);
  }
}
