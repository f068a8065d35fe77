/** Prepares an image file for a model as a loader prepares the images of its dataset. */
import { readFile } from 'node:fs/promises';
import { uniform } from '../random';
import { outputShape, transformToFloats } from '../transforms/apply';
import { resize, resizeImages } from '../transforms/resize';
import type { ImageShape } from '../types';
import { type DecodedImage, decodeImage } from './decode';
import { edgeBrightness, type Preprocessing } from './preprocessing';

export interface PrepareImageOptions {
  /** Whether to invert the brightness: black on white becomes white on black. @default false */
  invert?: boolean;
  /**
   * Whether to turn the image upright as its EXIF orientation says. @default true for datasets in
   * memory; false for datasets of files, whose loader ignores the orientation
   */
  upright?: boolean;
}

export interface PreparedImage {
  /** float32 `[height, width, channels]`. */
  readonly values: Float32Array;
  readonly shape: ImageShape;
  /** What the reader should know about this file, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Decodes an image file and applies the steps that a loader described. For a dataset in memory it
 * is first resized to the size of the dataset's images, without keeping its aspect ratio.
 * @throws DataError when the file cannot be read or is not an image
 * @throws RangeError when the transforms do not give the model's input shape
 */
export async function prepareImage(
  file: string,
  preprocessing: Preprocessing,
  { invert = false, upright }: PrepareImageOptions = {},
): Promise<PreparedImage> {
  const { inputShape, storedShape, background } = preprocessing;
  const channels = (storedShape?.[2] ?? preprocessing.channels ?? inputShape[2]) as 1 | 3;
  const notes: string[] = [];
  let image = await decodeImage(file, channels);
  const { orientation, isTransparent } = await readMetadata(file);
  if (isTransparent)
    notes.push('has transparent pixels; their hidden colors count, as they do for a loader');
  if (orientation > 1) {
    const turns = upright ?? storedShape !== undefined;
    if (turns) image = turnUpright(image, orientation);
    notes.push(
      turns
        ? 'turned upright, as its EXIF orientation says'
        : 'its EXIF orientation is ignored, as in training; "upright" (--upright) turns it',
    );
  }
  if (storedShape) image = toSize(image, storedShape);
  if (invert) image = { ...image, pixels: image.pixels.map((value) => 255 - value) };
  const isLight = edgeBrightness(image.pixels, image.shape) >= 0.5;
  if (background && isLight !== (background === 'light')) {
    const edges = isLight ? 'light' : 'dark';
    notes.push(
      `has a ${edges} background, and the model learned from images with a ${background} one; ` +
        `${invert ? 'leave out "invert" (--invert)' : '"invert" (--invert) inverts it'}`,
    );
  }
  return { ...applySteps(file, image, preprocessing), notes };
}

function toSize({ pixels, shape }: DecodedImage, [height, width]: ImageShape): DecodedImage {
  const isSame = shape[0] === height && shape[1] === width;
  return {
    pixels: isSame ? pixels : resizeImages(pixels, shape, [height, width]),
    shape: [height, width, shape[2]],
  };
}

function applySteps(
  file: string,
  image: DecodedImage,
  { transforms, inputShape }: Preprocessing,
): Omit<PreparedImage, 'notes'> {
  const [height, width] = inputShape;
  const fits = (shape: ImageShape) => shape.join() === inputShape.join();
  // Without the random transforms that set the size in training, the image is resized first.
  const steps = fits(outputShape(transforms, image.shape))
    ? transforms
    : [resize([height, width]), ...transforms];
  const shape = outputShape(steps, image.shape);
  if (!fits(shape)) {
    throw new RangeError(
      `[data] prepareImage: ${file}: expected an image of [${inputShape.join(', ')}] after the ` +
        `transforms, got [${shape.join(', ')}]; describe the loader of the test set`,
    );
  }
  const batch = {
    images: image.pixels,
    count: 1,
    shape: image.shape,
    labels: new Int32Array(1),
    numClasses: 1,
  };
  const values = new Float32Array(height * width * inputShape[2]);
  const rng = { image: () => uniform(0), batch: uniform(0) };
  transformToFloats(steps, batch, { rng, into: values });
  return { values, shape };
}

/** What the decoder leaves out. Formats that sharp does not read have neither. */
async function readMetadata(
  file: string,
): Promise<{ orientation: number; isTransparent: boolean }> {
  const { default: sharp } = await import('sharp');
  const image = sharp(await readFile(file));
  try {
    const { orientation = 1, hasAlpha } = await image.metadata();
    return { orientation, isTransparent: hasAlpha && !(await image.stats()).isOpaque };
  } catch {
    return { orientation: 1, isTransparent: false };
  }
}

/** EXIF's orientations by number: mirror left to right, then turn clockwise by quarters. */
const ORIENTATIONS: Readonly<Record<number, { mirror: boolean; quarters: number }>> = {
  2: { mirror: true, quarters: 0 },
  3: { mirror: false, quarters: 2 },
  4: { mirror: true, quarters: 2 },
  5: { mirror: true, quarters: 3 },
  6: { mirror: false, quarters: 1 },
  7: { mirror: true, quarters: 1 },
  8: { mirror: false, quarters: 3 },
};

function turnUpright({ pixels, shape }: DecodedImage, orientation: number): DecodedImage {
  const { mirror, quarters } = ORIENTATIONS[orientation] ?? { mirror: false, quarters: 0 };
  const [height, width, channels] = shape;
  const swaps = quarters % 2 === 1;
  const [newHeight, newWidth] = swaps ? [width, height] : [height, width];
  const turned = new Uint8Array(pixels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const column = mirror ? width - 1 - x : x;
      const [toY, toX] = [
        [y, column],
        [column, height - 1 - y],
        [height - 1 - y, width - 1 - column],
        [width - 1 - column, y],
      ][quarters] as [number, number];
      const from = (y * width + x) * channels;
      const to = (toY * newWidth + toX) * channels;
      for (let channel = 0; channel < channels; channel++)
        turned[to + channel] = pixels[from + channel] as number;
    }
  }
  return { pixels: turned, shape: [newHeight, newWidth, channels] };
}
