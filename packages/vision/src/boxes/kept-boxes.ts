/** A grid of the boxes that non-maximum suppression has kept, to find those near another box. */

/** Most cells along one axis. */
const MOST_CELLS = 64;

/** The places of all centers along one axis, and how they are divided into cells. */
interface Axis {
  /** 0 for x, 1 for y: the place of a box's first corner. */
  readonly corner: 0 | 1;
  readonly least: number;
  readonly cellsPerUnit: number;
  /** Length of the longest box. */
  readonly longest: number;
}

/**
 * Boxes by the cells of their centers. Where may the centers of boxes lie whose IoU with a box is
 * greater than t? Along an axis let the box have the length w and the other one W. The IoU is at
 * most the shared length over the longer one, so that W ≤ w / t, and the centers are at most
 * (w + W) / 2 − t max(w, W) apart. This is w (1 − t) for W ≤ w, and otherwise greatest at one of
 * both ends of W's range.
 */
export class KeptBoxes {
  readonly #corners: Float32Array;
  readonly #threshold: number;
  readonly #labels: ArrayLike<number> | undefined;
  readonly #side: number;
  readonly #x: Axis;
  readonly #y: Axis;
  /**
   * The last box that was added to each cell, and the one before each box in its cell; −1: none.
   */
  readonly #last: Int32Array;
  readonly #before: Int32Array;

  constructor(corners: Float32Array, threshold: number, labels?: ArrayLike<number>) {
    const n = corners.length / 4;
    this.#corners = corners;
    this.#threshold = threshold;
    this.#labels = labels;
    this.#side = Math.max(1, Math.min(MOST_CELLS, Math.ceil(Math.sqrt(n / 2))));
    this.#x = axisOf(corners, 0, this.#side);
    this.#y = axisOf(corners, 1, this.#side);
    this.#last = new Int32Array(this.#side ** 2).fill(-1);
    this.#before = new Int32Array(n);
  }

  add(box: number): void {
    const cell = this.#cellOf(box);
    this.#before[box] = this.#last[cell] as number;
    this.#last[cell] = box;
  }

  /** Whether the IoU of a box with a kept one of its class is greater than the threshold. */
  overlaps(box: number): boolean {
    const own = this.#cellOf(box);
    if (this.#overlapsIn(own, box)) return true; // most are near
    const [reachX, reachY] = [this.#reach(box, this.#x), this.#reach(box, this.#y)];
    const [x, y] = [this.#center(box, 0), this.#center(box, 1)];
    const right = this.#place(x + reachX, this.#x);
    const bottom = this.#place(y + reachY, this.#y);
    const left = this.#place(x - reachX, this.#x);
    for (let row = this.#place(y - reachY, this.#y); row <= bottom; row++) {
      for (let cell = row * this.#side + left; cell <= row * this.#side + right; cell++)
        if (cell !== own && this.#overlapsIn(cell, box)) return true;
    }
    return false;
  }

  #overlapsIn(cell: number, box: number): boolean {
    const corners = this.#corners;
    const labels = this.#labels;
    const at = 4 * box;
    const x1 = corners[at] as number;
    const y1 = corners[at + 1] as number;
    const x2 = corners[at + 2] as number;
    const y2 = corners[at + 3] as number;
    const area = (x2 - x1) * (y2 - y1);
    let other = this.#last[cell] as number;
    for (; other >= 0; other = this.#before[other] as number) {
      if (labels && labels[other] !== labels[box]) continue;
      const i = 4 * other;
      const u1 = corners[i] as number;
      const u2 = corners[i + 2] as number;
      const width = Math.min(x2, u2) - Math.max(x1, u1);
      if (!(width > 0)) continue;
      const v1 = corners[i + 1] as number;
      const v2 = corners[i + 3] as number;
      const height = Math.min(y2, v2) - Math.max(y1, v1);
      if (!(height > 0)) continue;
      const inter = width * height;
      if (inter / (area + (u2 - u1) * (v2 - v1) - inter) > this.#threshold) return true;
    }
    return false;
  }

  /** How far along an axis the centers of boxes may lie that overlap this one enough. */
  #reach(box: number, { corner, longest }: Axis): number {
    const t = this.#threshold;
    const at = 4 * box + corner;
    const length = (this.#corners[at + 2] as number) - (this.#corners[at] as number);
    const greatest = Math.max(length, Math.min(length / t, longest));
    return Math.max(length * (1 - t), length / 2 + greatest * (0.5 - t)) * (1 + 1e-6);
  }

  #cellOf(box: number): number {
    const row = this.#place(this.#center(box, 1), this.#y);
    return row * this.#side + this.#place(this.#center(box, 0), this.#x);
  }

  #center(box: number, corner: 0 | 1): number {
    return centerOf(this.#corners, box, corner);
  }

  #place(place: number, { least, cellsPerUnit }: Axis): number {
    const cell = Math.floor((place - least) * cellsPerUnit);
    return cell < 0 ? 0 : Math.min(this.#side - 1, cell);
  }
}

const centerOf = (corners: Float32Array, box: number, corner: 0 | 1): number =>
  ((corners[4 * box + corner] as number) + (corners[4 * box + corner + 2] as number)) / 2;

function axisOf(corners: Float32Array, corner: 0 | 1, side: number): Axis {
  let [least, greatest, longest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (let box = 0; box < corners.length / 4; box++) {
    const at = 4 * box + corner;
    const center = centerOf(corners, box, corner);
    least = Math.min(least, center);
    greatest = Math.max(greatest, center);
    longest = Math.max(longest, (corners[at + 2] as number) - (corners[at] as number));
  }
  const length = greatest > least ? greatest - least : 1;
  return { corner, least, cellsPerUnit: side / length, longest };
}
