/** Scenes: clothes on a canvas, with the box, the class and the pixels of each. */
import type { Dataset, ImageShape } from '@deepend/data';
import { boundsOf, type Cutout, cutOut } from './silhouette';

/** A generator of random numbers in [0, 1). */
type Rng = () => number;
type Range = readonly [min: number, max: number];

/** What scenes look like; all fields are checked. */
export interface SceneStyle {
  /** `[height, width, channels]` of the canvas. */
  readonly shape: ImageShape;
  /** Fewest and most clothes. */
  readonly objects: Range;
  /** Longer side of a piece of clothing in pixels. */
  readonly objectSize: Range;
  /** Largest part of the smaller of two boxes that the other may cover. */
  readonly maxOverlap: number;
  /** Standard deviation of the noise on each pixel, for pixels in [0, 1]. */
  readonly noise: number;
  /** Most bars and disks in the background. */
  readonly clutter: number;
}

type Box = readonly [x1: number, y1: number, x2: number, y2: number];

/** An image with what is in it. */
export interface Scene {
  /** `[height, width, channels]`. */
  readonly image: Uint8Array;
  readonly shape: ImageShape;
  /** `[x1, y1, x2, y2]` of the visible pixels of each object, as fractions of the image. */
  readonly boxes: readonly Box[];
  /** Class of each object. */
  readonly labels: readonly number[];
  /** `[height, width]`: class + 1 of each pixel, 0 for the background. */
  readonly mask: Int32Array;
  /** `[height, width]`: number of the object of each pixel from 1, 0 for the background. */
  readonly instances: Int32Array;
}

/** How often a place is drawn for an object before the canvas counts as full. */
const TRIES = 40;

interface Placed {
  readonly cutout: Cutout;
  readonly label: number;
  readonly left: number;
  readonly top: number;
}

/**
 * Makes one scene.
 * @param clothes gray images; `images` are bytes
 * @param rng decides everything; its numbers are the scene's seed
 */
export function makeScene(clothes: Dataset, style: SceneStyle, rng: Rng): Scene {
  const { shape } = style;
  const image = background(style, rng);
  const placed = placeClothes(clothes, style, rng);
  const mask = new Int32Array(shape[0] * shape[1]);
  const instances = new Int32Array(shape[0] * shape[1]);
  placed.forEach((object, i) => {
    const color = Array.from({ length: shape[2] }, () => 0.5 + 0.5 * rng());
    draw(object, { image, shape, color }, (at) => {
      mask[at] = object.label + 1;
      instances[at] = i + 1;
    });
  });
  addNoise(image, style.noise, rng);
  const bytes = Uint8Array.from(image, (value) =>
    Math.min(255, Math.max(0, Math.round(255 * value))),
  );
  return { image: bytes, shape, mask, instances, ...visible(placed, instances, shape) };
}

const between = (rng: Rng, [min, max]: Range) => min + (max - min) * rng();
const integerBetween = (rng: Rng, [min, max]: Range) => min + Math.floor(rng() * (max - min + 1));

/**
 * Places clothes so that no two overlap more than the rule allows. The first always has a place.
 */
function placeClothes(clothes: Dataset, style: SceneStyle, rng: Rng): Placed[] {
  const placed: Placed[] = [];
  const wanted = integerBetween(rng, style.objects);
  for (let tries = 0; placed.length < wanted && tries < wanted * TRIES; tries++) {
    const object = propose(clothes, style, rng);
    if (object && placed.every((other) => overlap(object, other) <= style.maxOverlap))
      placed.push(object);
  }
  return placed;
}

function propose(clothes: Dataset, { shape, objectSize }: SceneStyle, rng: Rng) {
  const { images, labels, imageShape } = clothes;
  const [height, width] = imageShape;
  const sample = Math.floor(rng() * labels.length);
  const size = height * width;
  const pixels = (images as Uint8Array).subarray(sample * size, (sample + 1) * size);
  const longest = Math.round(between(rng, objectSize));
  const cutout = cutOut(pixels, { height, width, longest, flip: rng() < 0.5 });
  if (!cutout) return undefined;
  const left = Math.floor(rng() * (shape[1] - cutout.width + 1));
  const top = Math.floor(rng() * (shape[0] - cutout.height + 1));
  return { cutout, label: labels[sample] as number, left, top };
}

/** The intersection of two boxes, as a part of the smaller one. */
function overlap(a: Placed, b: Placed): number {
  const shared = (from: number, length: number, start: number, other: number) =>
    Math.max(0, Math.min(from + length, start + other) - Math.max(from, start));
  const area =
    shared(a.left, a.cutout.width, b.left, b.cutout.width) *
    shared(a.top, a.cutout.height, b.top, b.cutout.height);
  return area / Math.min(a.cutout.width * a.cutout.height, b.cutout.width * b.cutout.height);
}

interface Canvas {
  /** `[height, width, channels]` */
  readonly image: Float32Array;
  readonly shape: ImageShape;
  readonly color: readonly number[];
}

/** Draws a piece of clothing in a color, and calls `cover` with each pixel that it covers. */
function draw(
  { cutout, left, top }: Placed,
  { image, shape, color }: Canvas,
  cover: (at: number) => void,
): void {
  const [, width, channels] = shape;
  cutout.mask.forEach((inside, i) => {
    if (inside === 0) return;
    const at = (top + Math.floor(i / cutout.width)) * width + left + (i % cutout.width);
    const light = 0.25 + 0.75 * (cutout.gray[i] as number); // black clothes are seen too
    for (let c = 0; c < channels; c++) image[at * channels + c] = light * (color[c] as number);
    cover(at);
  });
}

/** One color that changes slowly from side to side, with bars and disks on it. */
function background({ shape, clutter }: SceneStyle, rng: Rng): Float32Array {
  const [height, width, channels] = shape;
  const image = new Float32Array(height * width * channels);
  const base = Array.from({ length: channels }, () => 0.35 * rng());
  const slope = [0.2 * (rng() - 0.5), 0.2 * (rng() - 0.5)] as const;
  const paint = (row: number, column: number, color: readonly number[]) => {
    const shade = slope[0] * (column / width) + slope[1] * (row / height);
    for (let c = 0; c < channels; c++)
      image[(row * width + column) * channels + c] = (color[c] as number) + shade;
  };
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) paint(row, column, base);
  const shapes = integerBetween(rng, [0, clutter]);
  for (let i = 0; i < shapes; i++) {
    const color = base.map((value) => value + 0.35 * (rng() - 0.3));
    const contains = shapeOf(rng, [height, width]);
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++)
        if (contains(column, row)) paint(row, column, color);
  }
  return image;
}

/** A bar or a disk of the size of clothes. */
function shapeOf(rng: Rng, [height, width]: Range): (x: number, y: number) => boolean {
  const [x0, y0] = [rng() * width, rng() * height];
  const angle = rng() * Math.PI;
  const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
  const side = Math.min(height, width);
  const thickness = side * between(rng, [0.01, 0.04]);
  const radius = side * between(rng, [0.04, 0.12]);
  const isBar = rng() < 0.5;
  return (x, y) =>
    isBar
      ? Math.abs((x - x0) * dy - (y - y0) * dx) < thickness
      : Math.hypot(x - x0, y - y0) < radius;
}

/** Adds normal noise. Box and Muller 1958. */
function addNoise(image: Float32Array, noise: number, rng: Rng): void {
  for (let i = 0; i < image.length; i += 2) {
    const radius = noise * Math.sqrt(-2 * Math.log(1 - rng()));
    const angle = 2 * Math.PI * rng();
    image[i] = (image[i] as number) + radius * Math.cos(angle);
    if (i + 1 < image.length) image[i + 1] = (image[i + 1] as number) + radius * Math.sin(angle);
  }
}

/** Boxes and classes of what is visible; an object that others cover has none. */
function visible(placed: readonly Placed[], instances: Int32Array, [height, width]: ImageShape) {
  const bounds = boundsOf(instances, width);
  const seen = placed.flatMap(({ label }, i) => {
    const box = bounds.get(i + 1);
    return box ? [{ label, box }] : [];
  });
  return {
    boxes: seen.map(
      ({ box: [left, top, right, bottom] }): Box => [
        left / width,
        top / height,
        right / width,
        bottom / height,
      ],
    ),
    labels: seen.map(({ label }) => label),
  };
}
