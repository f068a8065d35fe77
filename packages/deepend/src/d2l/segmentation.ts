/**
 * The book's functions for semantic segmentation: section 14.9 of the English edition (13.9 of the
 * Chinese one), each a line or two over `vision`. What reads files returns a promise.
 */
import { nextSeed } from '@deepend/compiler';
import { uniform } from '@deepend/data';
import {
  IMAGENET_STATISTICS,
  joint,
  loadVoc,
  readVocImages,
  type VisionImage,
  VOC_BOUNDARY,
  VOC_COLORMAP,
  type VocOptions,
} from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';

export { readVocImages, VOC_CLASSES, VOC_COLORMAP } from '@deepend/vision';

const NO_CLASS = 255;

/**
 * Section 14.9: the class of each of the 2²⁴ colours, by (red · 256 + green) · 256 + blue; 255 for
 * a colour that is no class. The boundary of objects is background, as in the book.
 */
export function vocColormap2label(): Uint8Array {
  const classes = new Uint8Array(256 ** 3).fill(NO_CLASS);
  [VOC_BOUNDARY, ...VOC_COLORMAP].forEach(([red, green, blue], i) => {
    classes[(red * 256 + green) * 256 + blue] = Math.max(0, i - 1);
  });
  return classes;
}

/**
 * Section 14.9: the class of each pixel of a mask of colours, int32 `[height, width]`.
 * @param colormap2label what `vocColormap2label` gives
 * @throws RangeError for a colour that is no class, with its place
 */
export function vocLabelIndices(colormap: VisionImage, colormap2label: Uint8Array): tf.Tensor2D {
  const { data, shape } = colormap;
  const [height, width] = shape;
  const classes = Int32Array.from({ length: height * width }, (_, at) => {
    const [red = 0, green = 0, blue = 0] = data.subarray(3 * at, 3 * at + 3);
    const index = colormap2label[(red * 256 + green) * 256 + blue] as number;
    if (index !== NO_CLASS) return index;
    throw new RangeError(
      `[deepend] d2l.vocLabelIndices: expected colours of VOC's classes, got ` +
        `[${red}, ${green}, ${blue}] in row ${Math.floor(at / width)}, column ${at % width}; ` +
        'read the mask from the PNG files of SegmentationClass',
    );
  });
  return tf.tensor2d(classes, [height, width], 'int32');
}

/**
 * Section 14.9: cuts the same window, at a random place, out of an image and its mask of colours.
 * The place follows from `nn.manualSeed`.
 * @throws RangeError for an image that is smaller, or a mask of another size
 */
export function vocRandCrop(
  feature: VisionImage,
  label: VisionImage,
  ...[height, width]: [height: number, width: number]
): [feature: VisionImage, label: VisionImage] {
  if (feature.shape[0] !== label.shape[0] || feature.shape[1] !== label.shape[1]) {
    throw new RangeError(
      `[deepend] d2l.vocRandCrop: expected an image and a mask of one size, got ` +
        `[${feature.shape.join(', ')}] and [${label.shape.join(', ')}]; give this image's mask`,
    );
  }
  const seed = nextSeed();
  const cut = (image: VisionImage) => {
    // The same numbers, so the same place, for both.
    return joint.randomCrop([height, width]).apply({ image }, uniform(seed)).image;
  };
  return [cut(feature), cut(label)];
}

/** Section 14.9: the images and masks of a split that are at least as large as the crop. */
export class VOCSegDataset {
  readonly features: readonly VisionImage[];
  readonly labels: readonly VisionImage[];
  readonly cropSize: readonly [height: number, width: number];
  readonly #colormap2label = vocColormap2label();

  private constructor(
    [features, labels]: [VisionImage[], VisionImage[]],
    cropSize: readonly [number, number],
  ) {
    const fits = ({ shape }: VisionImage) => shape[0] >= cropSize[0] && shape[1] >= cropSize[1];
    this.features = features.filter(fits);
    this.labels = labels.filter(fits);
    this.cropSize = cropSize;
  }

  /**
   * Reads a split into memory; `loadDataVoc` reads images when they are needed.
   * @param vocDir the folder `VOCdevkit/VOC2012`
   */
  static async load(
    isTrain: boolean,
    cropSize: readonly [height: number, width: number],
    vocDir: string,
  ): Promise<VOCSegDataset> {
    return new VOCSegDataset(await readVocImages(vocDir, isTrain), cropSize);
  }

  get length(): number {
    return this.features.length;
  }

  /** An image normalized by ImageNet's statistics, float32 `[height, width, 3]`. */
  normalizeImage({ data, shape }: VisionImage): tf.Tensor3D {
    const { mean, std } = IMAGENET_STATISTICS;
    return tf.tidy(() => {
      const pixels = tf.div(tf.tensor3d(Float32Array.from(data), [...shape]), 255);
      return tf.div(tf.sub(pixels, mean), std);
    });
  }

  /** A random crop of an image, and the class of each pixel. The caller disposes both. */
  get(index: number): [feature: tf.Tensor3D, label: tf.Tensor2D] {
    const [feature, label] = [this.features[index], this.labels[index]];
    if (!feature || !label) {
      throw new RangeError(
        `[deepend] d2l.VOCSegDataset: expected an index from 0 to ${this.length - 1}, got ${index}`,
      );
    }
    const [image, mask] = vocRandCrop(feature, label, ...this.cropSize);
    return [this.normalizeImage(image), vocLabelIndices(mask, this.#colormap2label)];
  }
}

/**
 * Section 14.9: `[trainIter, testIter]` of Pascal VOC 2012, random crops with the class of each
 * pixel. The file has 2 GB: `{ root }` says where it is.
 */
export const loadDataVoc = (
  batchSize: number,
  cropSize: readonly [height: number, width: number],
  options: VocOptions = {},
): ReturnType<typeof loadVoc> => loadVoc(batchSize, cropSize, options);
