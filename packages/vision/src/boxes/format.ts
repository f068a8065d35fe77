/** The forms in which functions take boxes: tensors, typed arrays, lists of four numbers. */
import { isTensor } from '@deepend/compiler';
import { formatValue, isFloat32Array } from '@deepend/core';
import { split, type Tensor, tidy } from '@tensorflow/tfjs-core';

/** A box: left, top, right and bottom, in any unit. */
export type Box = readonly [x1: number, y1: number, x2: number, y2: number];

/**
 * Boxes in one of three forms: a tensor `[n, 4]`, a Float32Array of `4 * n` numbers, or a list of
 * four numbers each.
 */
export type Boxes = Tensor | Float32Array | readonly (readonly number[])[];

/** Boxes in the form of `T`. */
export type BoxesLike<T extends Boxes> = T extends Tensor
  ? T
  : T extends Float32Array
    ? Float32Array
    : number[][];

export interface ReadOptions {
  /** What the boxes are, for errors. @default 'boxes' */
  what?: string;
  /** Whether boxes with x1 > x2 or y1 > y2 are refused. @default false */
  corners?: boolean;
}

/**
 * Reads boxes of any form.
 * @returns `4 * n` numbers; a Float32Array is returned itself
 * @throws TypeError or RangeError for anything but finite numbers, four for each box
 */
export function readBoxes(where: string, boxes: Boxes, options: ReadOptions = {}): Float32Array {
  const { what = 'boxes', corners = false } = options;
  const values = toFlat(where, boxes, what);
  const at = findBadBox(values, corners);
  if (at < 0) return values;
  const rule = corners ? '[x1, y1, x2, y2] with x1 ≤ x2 and y1 ≤ y2' : 'four finite numbers';
  throw new RangeError(
    `${where}: expected ${what} of ${rule}, got [${values.subarray(at, at + 4).join(', ')}] at ` +
      `${at / 4}${corners ? '; boxCenterToCorner converts [x, y, width, height]' : ''}`,
  );
}

/** Where the first bad box begins; −1 when all are good. */
function findBadBox(values: Float32Array, corners: boolean): number {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) return i - (i % 4);
    if (corners && i % 4 >= 2 && (values[i - 2] as number) > (values[i] as number))
      return i - (i % 4);
  }
  return -1;
}

function toFlat(where: string, boxes: Boxes, what: string): Float32Array {
  if (isTensor(boxes) && boxes.shape.at(-1) === 4) return Float32Array.from(boxes.dataSync());
  if (isFloat32Array(boxes) && boxes.length % 4 === 0) return boxes;
  if (Array.isArray(boxes) && boxes.every((box) => box?.length === 4))
    return Float32Array.from((boxes as number[][]).flat());
  throw new TypeError(
    `${where}: expected ${what} as a tensor [n, 4], a Float32Array of 4 * n numbers or a list of ` +
      `lists of four numbers, got ${describe(boxes)}`,
  );
}

const describe = (boxes: unknown): string =>
  isTensor(boxes) ? `a tensor [${boxes.shape.join(', ')}]` : formatValue(boxes);

/** Flat numbers as a list of rows. */
export const toRows = (values: ArrayLike<number>, width: number): number[][] =>
  Array.from({ length: values.length / width }, (_, i) =>
    Array.from({ length: width }, (_, j) => values[i * width + j] as number),
  );

interface BoxFunction {
  /** Works on the four columns of a tensor, each `[..., 1]`. */
  readonly tensor: (columns: Tensor[]) => Tensor;
  /** Works on one box. */
  readonly one: (box: Box) => Box;
}

/** Applies a function to each box; the result has the form of the argument. */
export function mapBoxes<T extends Boxes>(
  where: string,
  boxes: T,
  { tensor, one }: BoxFunction,
): BoxesLike<T> {
  if (isTensor(boxes) && boxes.shape.at(-1) === 4)
    return tidy(() => tensor(split(boxes, 4, -1))) as BoxesLike<T>;
  const values = readBoxes(where, boxes);
  const mapped = new Float32Array(values.length);
  const rows: (readonly number[])[] = [];
  const isFlat = isFloat32Array(boxes);
  for (let i = 0; i < values.length; i += 4) {
    const box = isFlat ? values.subarray(i, i + 4) : (boxes as number[][])[i / 4];
    const result = one(box as unknown as Box);
    if (isFlat) mapped.set(result, i);
    else rows.push(result);
  }
  return (isFlat ? mapped : rows) as BoxesLike<T>;
}
