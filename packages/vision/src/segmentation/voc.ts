/** Pascal VOC 2012 for semantic segmentation; the book's section 14.9 (zh 13.9). */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { checkOptions, formatValue, rule } from '@deepend/core';
import { DataError, type DownloadOptions, downloadExtract } from '@deepend/data';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import { readImage } from '../images';
import type { VisionLoader } from '../loader';
import { type JointTransform, randomCrop } from '../transforms/random';
import type { VisionImage } from '../transforms/sample';
import { maskFromColors, VOC_CLASSES } from './colors';
import { type MaskSource, maskLoader } from './mask-loader';

/** Where the files are, and whether they may be downloaded. */
export type VocFileOptions = Omit<DownloadOptions, 'sha1'>;

/** Mean and deviation of ImageNet's channels, for pixels in [0, 1]. */
export const IMAGENET_STATISTICS = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

const NEXT = 'extract VOCtrainval_11-May-2012.tar again';

/** Names of the images of a split. */
async function namesOf(vocDir: string, isTrain: boolean): Promise<string[]> {
  const list = path.join(vocDir, 'ImageSets/Segmentation', isTrain ? 'train.txt' : 'val.txt');
  const content = await readFile(list, 'utf8').catch((cause: Error) => {
    throw new DataError(list, "a list of the images' names", cause.message, NEXT, { cause });
  });
  const names = content.split(/\s+/).filter(Boolean);
  if (names.length > 0) return names;
  throw new DataError(list, "a list of the images' names", 'an empty file', NEXT);
}

const fileOf = (vocDir: string, name: string, kind: 'image' | 'mask') =>
  kind === 'image'
    ? path.join(vocDir, 'JPEGImages', `${name}.jpg`)
    : path.join(vocDir, 'SegmentationClass', `${name}.png`);

function requireSameSize(vocDir: string, name: string, [image, mask]: [VisionImage, VisionImage]) {
  const [height, width] = image.shape;
  if (height === mask.shape[0] && width === mask.shape[1]) return;
  throw new DataError(
    fileOf(vocDir, name, 'mask'),
    `a mask of the image's ${height} × ${width} pixels`,
    `${mask.shape[0]} × ${mask.shape[1]}`,
    NEXT,
  );
}

/**
 * Reads all images and masks of a split into memory, the masks as colours (the book's
 * `read_voc_images`, d2l 14.9, zh 13.9): for the training split of VOC 2012 about 1.6 GB.
 * @param vocDir the folder `VOCdevkit/VOC2012`
 * @param isTrain the split: train, or val @default true
 * @throws DataError for a file that is missing or damaged, or a mask of another size
 */
export async function readVocImages(
  vocDir: string,
  isTrain = true,
): Promise<[features: VisionImage[], labels: VisionImage[]]> {
  const [features, labels]: [VisionImage[], VisionImage[]] = [[], []];
  for (const name of await namesOf(vocDir, isTrain)) {
    const image = await readImage(fileOf(vocDir, name, 'image'));
    const mask = await readImage(fileOf(vocDir, name, 'mask'));
    requireSameSize(vocDir, name, [image, mask]);
    features.push(image);
    labels.push(mask);
  }
  return [features, labels];
}

/**
 * Lists the images of a split that are at least as large as the crop, with their masks in memory;
 * an image is read again for each batch.
 */
async function sourceOf(
  vocDir: string,
  isTrain: boolean,
  { cropSize: [height, width], boundary }: { cropSize: CropSize; boundary: number },
): Promise<MaskSource> {
  const kept: { name: string; mask: Uint8Array }[] = [];
  for (const name of await namesOf(vocDir, isTrain)) {
    const file = fileOf(vocDir, name, 'mask');
    const colors = await readImage(file);
    if (colors.shape[0] < height || colors.shape[1] < width) continue;
    kept.push({ name, mask: maskFromColors(colors, { boundary, name: file }) });
  }
  const sampleAt = async (index: number) => {
    const { name, mask } = kept[index] as { name: string; mask: Uint8Array };
    const image = await readImage(fileOf(vocDir, name, 'image'));
    if (image.data.length !== 3 * mask.length) {
      throw new DataError(
        fileOf(vocDir, name, 'mask'),
        `a mask of the image's ${image.shape[0]} × ${image.shape[1]} pixels`,
        `${mask.length} pixels`,
        NEXT,
      );
    }
    return { image, mask };
  };
  return { length: kept.length, sampleAt };
}

type CropSize = readonly [height: number, width: number];

export interface VocOptions extends VocFileOptions {
  /** The folder `VOCdevkit/VOC2012`. @default downloaded, about 2 GB, or found by `root` */
  vocDir?: string;
  /** Joint transforms after the crop, in training. @default none */
  transforms?: readonly JointTransform[];
  /**
   * The number of pixels at the border of objects: 255 with `crossEntropy({ ignoreIndex: 255 })`
   * leaves them out. @default 0, the background, as in the book
   */
  boundary?: number;
  /** Whether to leave out a last batch that is not full, as the book does. @default true */
  dropLast?: boolean;
  /** Seeds order and crops: any safe integer. @default 0 */
  seed?: number;
}

const vocRules = rule.object({
  batchSize: rule.positiveInteger(),
  cropSize: rule.list(rule.positiveInteger(), '[height, width] in pixels', { length: 2 }),
  vocDir: rule.nonEmptyString('the path of the folder VOC2012').optional(),
  transforms: rule.list(rule.custom<JointTransform>(Boolean, 'a transform'), 'a list').optional(),
  boundary: rule.integer({ min: 0, max: 255 }).default(0),
  dropLast: rule.boolean().default(true),
  seed: rule.seed().default(0),
});

/**
 * Loads Pascal VOC 2012 for semantic segmentation (the book's `load_data_voc`): random crops of
 * images, normalized by ImageNet's statistics, with the class of each pixel. Images that are
 * smaller than the crop are left out.
 * @param batchSize images in a batch
 * @param cropSize `[height, width]` in pixels
 * @returns `[trainIter, testIter]`: features float32 `[batch, height, width, 3]`, labels int32
 *   `[batch, height, width]`
 * @throws DataError for a file that is missing or damaged; RangeError for a mask with a colour that
 *   is no class
 * @example const [trainIter, testIter] = await vision.loadVoc(32, [320, 480]);
 */
export async function loadVoc(
  batchSize: number,
  cropSize: CropSize,
  options: VocOptions = {},
): Promise<[trainIter: VisionLoader<Tensor3D>, testIter: VisionLoader<Tensor3D>]> {
  const where = '[vision] loadVoc';
  const { root, download, timeout, progress, ...rest } = options;
  const given = { root, download, timeout, progress };
  const checked = checkOptions(where, vocRules, { ...rest, batchSize, cropSize });
  const files = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as VocFileOptions;
  const vocDir = checked.vocDir ?? (await downloadExtract('voc2012', files));
  const { boundary, dropLast, seed, transforms = [] } = checked;
  const loaders = [true, false].map(async (isTrain) => {
    const source = await sourceOf(vocDir, isTrain, { cropSize, boundary });
    if (source.length === 0) {
      throw new RangeError(
        `${where}: expected images of at least ${formatValue(cropSize)} pixels, found none in ` +
          `${vocDir}; choose a smaller crop`,
      );
    }
    return maskLoader(source, {
      ...{ batchSize, classNames: VOC_CLASSES, normalize: IMAGENET_STATISTICS, dropLast, seed },
      transforms: [randomCrop(cropSize), ...(isTrain ? transforms : [])],
      ...{ shuffle: isTrain, inputShape: [...cropSize, 3] as const },
      ...(boundary >= VOC_CLASSES.length && { ignoreIndex: boundary }),
    });
  });
  return (await Promise.all(loaders)) as [VisionLoader<Tensor3D>, VisionLoader<Tensor3D>];
}
