/** The silhouettes of clothes, and images of clothes in other sizes. */

/** Gray values above it belong to the clothing: the background of Fashion-MNIST is 0. */
const THRESHOLD = 16;

/** A piece of clothing: its gray values, and which pixels belong to it. */
export interface Cutout {
  readonly width: number;
  readonly height: number;
  /** `[height, width]` in [0, 1]. */
  readonly gray: Float32Array;
  /** `[height, width]`: 1 where the clothing is, 0 elsewhere. */
  readonly mask: Uint8Array;
}

/**
 * Finds the silhouette of a gray image: all pixels but the dark ones that are connected with the
 * border, so that a dark pattern makes no hole.
 * @param pixels bytes `[height, width]`
 */
export function silhouette(pixels: Uint8Array, height: number, width: number): Uint8Array {
  const mask = new Uint8Array(height * width).fill(1);
  const open: number[] = [];
  const visit = (row: number, column: number) => {
    if (row < 0 || row >= height || column < 0 || column >= width) return;
    const at = row * width + column;
    if (mask[at] === 0 || (pixels[at] as number) > THRESHOLD) return;
    mask[at] = 0;
    open.push(at);
  };
  for (let row = 0; row < height; row++) for (const column of [0, width - 1]) visit(row, column);
  for (let column = 0; column < width; column++)
    for (const row of [0, height - 1]) visit(row, column);
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const [row, column] = [Math.floor(at / width), at % width];
    for (const step of [-1, 1]) {
      visit(row + step, column);
      visit(row, column + step);
    }
  }
  return mask;
}

type Bounds = [left: number, top: number, right: number, bottom: number];

/** The smallest rectangle around the pixels of each id but 0; right and bottom are exclusive. */
export function boundsOf(ids: ArrayLike<number>, width: number): Map<number, Bounds> {
  const bounds = new Map<number, Bounds>();
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at] as number;
    if (id === 0) continue;
    const [row, column] = [Math.floor(at / width), at % width];
    const known = bounds.get(id);
    if (!known) bounds.set(id, [column, row, column + 1, row + 1]);
    else {
      if (column < known[0]) known[0] = column;
      if (column >= known[2]) known[2] = column + 1;
      known[3] = row + 1; // rows come in order
    }
  }
  return bounds;
}

/**
 * Cuts a piece of clothing out of its image and scales it, bilinear with half-pixel centers.
 * @param pixels bytes `[height, width]`
 * @param options.longest length of its longer side in the new image, in pixels
 * @returns undefined for an image that is dark everywhere
 */
export function cutOut(
  pixels: Uint8Array,
  { height, width, longest, flip }: CutOptions,
): Cutout | undefined {
  const whole = silhouette(pixels, height, width);
  const bounds = boundsOf(whole, width).get(1);
  if (!bounds) return undefined;
  const [left, top, right, bottom] = bounds;
  const [w, h] = [right - left, bottom - top];
  const scale = longest / Math.max(w, h);
  const [newWidth, newHeight] = [w, h].map((side) => Math.max(1, Math.round(side * scale)));
  const [columns, rows] = [newWidth as number, newHeight as number];
  const gray = new Float32Array(rows * columns);
  const mask = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = flip ? columns - 1 - column : column;
      const x = left + ((from + 0.5) * w) / columns - 0.5;
      const y = top + ((row + 0.5) * h) / rows - 0.5;
      const at = row * columns + column;
      mask[at] = sample({ values: whole, height, width }, x, y) >= 0.5 ? 1 : 0;
      gray[at] = sample({ values: pixels, height, width }, x, y) / 255;
    }
  }
  return { width: columns, height: rows, gray, mask };
}

export interface CutOptions {
  height: number;
  width: number;
  longest: number;
  /** Whether left and right are exchanged. */
  flip: boolean;
}

interface Plane {
  /** `[height, width]` */
  readonly values: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** The bilinear value at a place; places outside the image take its border. */
function sample({ values, height, width }: Plane, x: number, y: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [dx, dy] = [x - left, y - top];
  const [x0, x1] = [Math.max(0, left), Math.min(width - 1, left + 1)];
  const [y0, y1] = [Math.max(0, top) * width, Math.min(height - 1, top + 1) * width];
  const upper = (values[y0 + x0] as number) * (1 - dx) + (values[y0 + x1] as number) * dx;
  const lower = (values[y1 + x0] as number) * (1 - dx) + (values[y1 + x1] as number) * dx;
  return upper * (1 - dy) + lower * dy;
}
