/** Detection and segmentation data without a download: clothes of Fashion-MNIST on a canvas. */
import { checkOptions, formatValue, type ImageShape, isUint8Array, rule } from '@deepend/core';
import {
  arrayDataset,
  type Dataset,
  loadFashionMnist,
  permutation,
  subset,
  uniform,
} from '@deepend/data';
import { type Tensor3D, tensor3d, tensor4d } from '@tensorflow/tfjs-core';
import { makeLoader, type VisionLoader } from '../loader';
import { makeScene, type Scene, type SceneStyle } from './scene';

type Target = 'boxes' | 'masks' | 'both';

/** Labels of `target: 'both'`. */
export interface SceneLabels {
  readonly [name: string]: Tensor3D;
  /** float32 `[batch, maxObjects, 5]`: class, x1, y1, x2, y2; rows of −1 are padding. */
  readonly boxes: Tensor3D;
  /** int32 `[batch, height, width]`: class + 1 of each pixel, 0 for the background. */
  readonly masks: Tensor3D;
  /** int32 `[batch, height, width]`: number of the object of each pixel from 1, 0 for none. */
  readonly instances: Tensor3D;
}

export interface SceneOptions {
  /** Height and width of the canvas in pixels, or `[height, width]`. @default 64 */
  size?: number | readonly [height: number, width: number];
  /** 3 for clothes in random colors, 1 for gray. @default 3 */
  channels?: 1 | 3;
  /**
   * Fewest and most clothes in a scene. A canvas without a free place has fewer, at least one.
   * @default [1, 3]
   */
  objects?: readonly [min: number, max: number];
  /**
   * Longer side of a piece of clothing in pixels, smallest and largest.
   * @default 0.35 and 0.6 times the shorter side of the canvas
   */
  objectSize?: readonly [min: number, max: number];
  /**
   * Largest part of the smaller of two boxes that the other may cover: 0 keeps all boxes apart.
   * @default 0.1
   */
  maxOverlap?: number;
  /** Standard deviation of the noise on each pixel, for pixels in [0, 1]. @default 0.03 */
  noise?: number;
  /** Most bars and disks in the background. @default 3 */
  clutter?: number;
  /**
   * Names of the classes that occur, in the order of their labels.
   * @default all classes
   * @example ['trouser', 'bag', 'sneaker']
   */
  classes?: readonly string[];
  /**
   * What labels are: boxes with classes, the class of each pixel, or a record of both and of
   * instances. @default 'boxes'
   */
  target?: Target;
  /**
   * Whether each epoch has new scenes; otherwise it has the same ones in another order.
   * @default false
   */
  fresh?: boolean;
  /** Whether the order of the scenes is random in each epoch. @default true */
  shuffle?: boolean;
  /** Seeds scenes and order: any safe integer. @default 0 */
  seed?: number;
}

const WHERE = '[vision] sceneLoader';
const SIDE = rule.integer({ min: 8, max: 4096 });
const range = <T extends Parameters<typeof rule.list>[0]>(element: T, of: string) =>
  rule.list(element, `[min, max] of ${of}`, { length: 2 });
const SCENE = {
  size: rule
    .either(
      SIDE,
      rule.list(SIDE, '[height, width]', { length: 2 }),
      'an integer from 8 to 4096, or [height, width] of them',
    )
    .optional(),
  channels: rule.custom<1 | 3>((value) => value === 1 || value === 3, '1 or 3').optional(),
  objects: range(rule.integer({ min: 1, max: 1000 }), 'integers from 1 to 1000').optional(),
  objectSize: range(rule.number({ min: 4 }), 'numbers of at least 4').optional(),
  maxOverlap: rule.fraction().optional(),
  noise: rule.nonNegativeNumber().optional(),
  clutter: rule.integer({ min: 0, max: 1000 }).optional(),
  classes: rule.list(rule.string(), 'a list of class names', { min: 1 }).optional(),
  target: rule.oneOf(['boxes', 'masks', 'both']).optional(),
  fresh: rule.boolean().optional(),
  seed: rule.seed().optional(),
};

export interface SceneLoaderOptions extends SceneOptions {
  /** Scenes in a batch; the last batch of an epoch may have fewer. @example 32 */
  batchSize: number;
  /** Scenes in an epoch. @example 1000 */
  numScenes: number;
}
const OPTIONS = rule.object({
  ...SCENE,
  shuffle: rule.boolean().optional(),
  batchSize: rule.positiveInteger(),
  numScenes: rule.positiveInteger(),
});

/** The loader of each target. */
interface Loaders {
  boxes: VisionLoader<Tensor3D>;
  masks: VisionLoader<Tensor3D>;
  both: VisionLoader<SceneLabels>;
}
type LoaderOf<O extends SceneOptions> = Loaders[O extends { target: infer T extends Target }
  ? T
  : 'boxes'];

/**
 * Loads scenes that are made of the images of a data set. A scene depends only on the seed and its
 * number (and with `fresh` on the epoch), so that it is the same on each machine.
 * @param clothes gray images of one channel on black, in bytes, with class names
 * @returns a loader; labels are float32 `[batch, maxObjects, 5]` (class, x1, y1, x2, y2 as
 *   fractions of the image, the book's form, with rows of −1 as padding), int32 masks `[batch,
 *   height, width]` or both. Classes of masks count from 1 and `classNames` begin with
 *   `'background'`.
 * @throws TypeError or RangeError for a data set of another form, and for options out of range
 * @example
 * const clothes = (await loadFashionMnist(256))[0].dataset;
 * const iter = sceneLoader(clothes, { batchSize: 32, numScenes: 1000, target: 'masks' });
 */
export function sceneLoader<const O extends SceneLoaderOptions>(
  clothes: Dataset,
  options: O,
): LoaderOf<O> {
  return loaderOf(WHERE, clothes, options) as LoaderOf<O>;
}

function loaderOf(where: string, clothes: Dataset, options: SceneLoaderOptions) {
  const { batchSize, numScenes, ...scene } = checkOptions(where, OPTIONS, options);
  const { classes, target = 'boxes', fresh = false, shuffle = true, seed = 0 } = scene;
  checkClothes(where, clothes);
  const chosen = classes ? pickClasses(where, clothes, classes) : clothes;
  const style = styleOf(where, options);
  const names = chosen.classNames as readonly string[];
  const sceneOf = (epoch: number, number: number) => {
    return makeScene(chosen, style, uniform(seed, epoch, 1 + number)); // lane 0 shuffles
  };
  const kept = new Map<number, Scene>(); // scenes that do not change are made once
  const sceneAt = (epoch: number, number: number) => {
    if (fresh) return sceneOf(epoch, number);
    const scene = kept.get(number) ?? sceneOf(0, number);
    kept.set(number, scene);
    return scene;
  };
  return makeLoader<Tensor3D | SceneLabels>(where, {
    numSamples: numScenes,
    batchSize,
    inputShape: style.shape,
    classNames: target === 'boxes' ? names : ['background', ...names],
    config: { ...style, classes: names, target, fresh, shuffle, seed },
    prepare: (epoch) => ({
      order: shuffle
        ? permutation(numScenes, seed, epoch)
        : Uint32Array.from({ length: numScenes }, (_, i) => i),
      batchOf: (numbers) => {
        const scenes = Array.from(numbers, (number) => sceneAt(epoch, number));
        return { features: imagesOf(scenes), labels: LABELS[target](scenes, style) };
      },
    }),
  });
}

const imagesOf = (scenes: readonly Scene[]) => {
  const [first] = scenes as [Scene, ...Scene[]];
  const values = new Float32Array(scenes.length * first.image.length);
  scenes.forEach(({ image }, i) => {
    const start = i * image.length;
    for (let j = 0; j < image.length; j++) values[start + j] = (image[j] as number) / 255;
  });
  return tensor4d(values, [scenes.length, ...first.shape]);
};

/** Labels of a batch, by target. */
const LABELS: Record<
  Target,
  (scenes: readonly Scene[], style: SceneStyle) => Tensor3D | SceneLabels
> = {
  boxes: boxesOf,
  masks: (scenes, style) => pixelsOf(scenes, style, 'mask'),
  both: (scenes, style) => ({
    boxes: boxesOf(scenes, style),
    masks: pixelsOf(scenes, style, 'mask'),
    instances: pixelsOf(scenes, style, 'instances'),
  }),
};

/** float32 `[batch, maxObjects, 5]` */
function boxesOf(scenes: readonly Scene[], { objects: [, most] }: SceneStyle): Tensor3D {
  const values = new Float32Array(scenes.length * most * 5).fill(-1);
  scenes.forEach(({ boxes, labels }, i) => {
    boxes.forEach((box, j) => {
      values.set([labels[j] as number, ...box], (i * most + j) * 5);
    });
  });
  return tensor3d(values, [scenes.length, most, 5]);
}

/** int32 `[batch, height, width]` */
function pixelsOf(
  scenes: readonly Scene[],
  { shape: [height, width] }: SceneStyle,
  field: 'mask' | 'instances',
): Tensor3D {
  const values = new Int32Array(scenes.length * height * width);
  scenes.forEach((scene, i) => {
    values.set(scene[field], i * height * width);
  });
  return tensor3d(values, [scenes.length, height, width], 'int32');
}

function checkClothes(where: string, clothes: Dataset): void {
  arrayDataset(clothes);
  const { images, imageShape, classNames } = clothes;
  if (isUint8Array(images) && imageShape[2] === 1 && classNames) return;
  throw new TypeError(
    `${where}: expected gray images of one channel in bytes, with class names, got ` +
      `${isUint8Array(images) ? 'bytes' : 'floats'} of ${imageShape[2]} channels with ` +
      `${classNames ? 'names' : 'no names'}; pass the data set of loadFashionMnist`,
  );
}

/** Keeps some classes; labels are then places in `classes`. */
function pickClasses(where: string, clothes: Dataset, classes: readonly string[]): Dataset {
  const known = clothes.classNames as readonly string[];
  const bad = classes.find((name, i) => !known.includes(name) || classes.indexOf(name) < i);
  if (bad !== undefined) {
    const reason = known.includes(bad) ? 'twice' : `; it has ${known.join(', ')}`;
    throw new RangeError(
      `${where}: option "classes" must be names of different classes of the data set, got ` +
        `${formatValue(bad)}${known.includes(bad) ? ` ${reason}` : reason}`,
    );
  }
  const places = new Map(classes.map((name, i) => [known.indexOf(name), i]));
  const indices = Array.from(clothes.labels, (_, i) => i).filter((i) =>
    places.has(clothes.labels[i] as number),
  );
  if (indices.length === 0)
    throw new RangeError(`${where}: expected samples of ${classes.join(', ')}, found none`);
  const part = subset(clothes, indices);
  const labels = Int32Array.from(part.labels, (label) => places.get(label) as number);
  return { ...part, labels, classNames: classes };
}

function styleOf(where: string, options: SceneOptions): SceneStyle {
  const { size = 64, channels = 3, objects = [1, 3], maxOverlap = 0.1 } = options;
  const { noise = 0.03, clutter = 3 } = options;
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  const shape: ImageShape = [height, width, channels];
  const side = Math.min(height, width);
  const { objectSize = [0.35 * side, 0.6 * side] } = options;
  for (const [name, [min, max]] of Object.entries({ objects, objectSize })) {
    if (min > max)
      throw new RangeError(
        `${where}: option "${name}" must be [min, max] with min ≤ max, got [${min}, ${max}]`,
      );
  }
  if (objectSize[1] > side) {
    throw new RangeError(
      `${where}: option "objectSize" must be at most ${side} pixels, the shorter side of the ` +
        `canvas, got ${objectSize[1]}; raise "size"`,
    );
  }
  return { shape, objects, objectSize, maxOverlap, noise, clutter };
}

export interface FashionScenesOptions extends Omit<SceneOptions, 'shuffle'> {
  /** Scenes in the training set. @default 2000 */
  numTrain?: number;
  /** Scenes in the test set, of clothes of Fashion-MNIST's test set. @default 500 */
  numTest?: number;
  /** Folder of Fashion-MNIST's files. @default searched as `loadFashionMnist` does */
  root?: string;
  /** Whether Fashion-MNIST may be downloaded. @default true */
  download?: boolean;
  /** Whether to show a download on stderr. @default true */
  progress?: boolean;
}
const FASHION = rule.object({
  ...SCENE,
  batchSize: rule.positiveInteger(),
  numTrain: rule.positiveInteger().optional(),
  numTest: rule.positiveInteger().optional(),
  root: rule.nonEmptyString('the path of a folder').optional(),
  download: rule.boolean().optional(),
  progress: rule.boolean().optional(),
});

/**
 * Makes scenes of the clothes of Fashion-MNIST, with boxes, classes and masks, so that detection
 * and segmentation can be learned without a further download. The test set has clothes that the
 * training set does not have, and always the same scenes in the same order.
 * @param batchSize scenes in a batch; the last batch of an epoch may have fewer
 * @returns loaders of the training set and the test set: features float32
 *   `[batch, height, width, channels]` in [0, 1], labels as in `sceneLoader`
 * @throws TypeError or RangeError for a bad option; DataError without Fashion-MNIST
 * @example
 * const [trainIter, testIter] = await fashionScenes(32, { target: 'masks', seed: 1 });
 */
export async function fashionScenes<const O extends FashionScenesOptions = FashionScenesOptions>(
  batchSize: number,
  options: O = {} as O,
): Promise<[trainIter: LoaderOf<O>, testIter: LoaderOf<O>]> {
  const where = '[vision] fashionScenes';
  checkOptions(where, FASHION, { ...options, batchSize });
  const { numTrain = 2000, numTest = 500, root, download, progress, ...scene } = options;
  styleOf(where, scene);
  const files = {
    ...(root !== undefined && { root }),
    ...(download !== undefined && { download }),
    ...(progress !== undefined && { progress }),
  };
  const [train, test] = await loadFashionMnist(1, { ...files, workers: 0 });
  const loaders = [
    loaderOf(where, train.dataset, { ...scene, batchSize, numScenes: numTrain }),
    loaderOf(where, test.dataset, {
      ...scene,
      batchSize,
      numScenes: numTest,
      shuffle: false,
      fresh: false,
    }),
  ];
  return loaders as unknown as [LoaderOf<O>, LoaderOf<O>];
}
