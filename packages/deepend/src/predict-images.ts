/** Predicting image files: with a model, or with the folder of a run. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { compile } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import {
  DataError,
  IMAGE_EXTENSIONS,
  type ImageShape,
  type PreparedImage,
  type PrepareImageOptions,
  type Preprocessing,
  parsePreprocessing,
  prepareImage,
} from '@deepend/data';
import { predict } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { recordedPreprocessing } from './run/describe-run';
import { isUnavailable, type Run, readRun } from './run/read-run';
import { loadRunModel } from './run/run-model';

export interface PredictImagesOptions extends PrepareImageOptions {
  /**
   * How the images are prepared: `await testIter.preprocessing()`.
   * @default what the run's `config.json` records
   */
  preprocessing?: Preprocessing;
  /** Number of most likely classes to return for each image. @default 3 */
  top?: number;
}

export interface ImagePrediction {
  readonly file: string;
  /** The most likely class first. */
  readonly classes: readonly { readonly name: string; readonly probability: number }[];
  /** What the reader should know about this file or was assumed, a sentence each. */
  readonly notes: readonly string[];
}

/** A file that cannot be predicted. */
export interface FailedImage {
  readonly file: string;
  readonly error: Error;
}

const WHERE = '[deepend] predictImages';
const options = rule.object({
  preprocessing: rule
    .custom<Preprocessing>(
      (value) => typeof value === 'object' && value !== null,
      'what await testIter.preprocessing() gives',
    )
    .optional(),
  top: rule.positiveInteger().optional(),
  invert: rule.boolean().optional(),
  upright: rule.boolean().optional(),
});

/**
 * Classifies image files. They are prepared as the images of the test set were: channels, size and
 * normalization come from the run's `config.json`, or from a loader.
 * @param model a model, or the folder of a run, whose model is loaded
 * @param files paths of images, or of folders, whose images are predicted in alphabetical order
 * @param settings.top number of classes to return for each image @default 3
 * @param settings.invert whether to invert the brightness, for photos of dark things on a light
 *   background when the model learned from light things on a dark one @default false
 * @param settings.upright whether to turn photos as their EXIF orientation says @default true, but
 *   false for a model that learned from files, whose loader ignores the orientation
 * @throws DataError for a file that is not an image
 * @throws Error when the run has no model, or the images do not fit it
 * @example
 * const [{ classes }] = await predictImages('runs/lenet', ['shirt.jpg'], { invert: true });
 * console.log(classes[0]); // { name: 'shirt', probability: 0.93 }
 */
export async function predictImages(
  model: LayersModel | string,
  files: readonly string[],
  settings: PredictImagesOptions = {},
): Promise<ImagePrediction[]> {
  const checked = checkOptions(WHERE, options, settings);
  const paths = await listImages(files);
  if (typeof model !== 'string') return collect(predictEach(model, paths, defined(checked)));
  const run = await openRun(WHERE, model);
  try {
    return await collect(predictEach(run.model, paths, { ...run, ...defined(checked) }));
  } finally {
    run.model.dispose();
  }
}

async function collect(
  predictions: AsyncIterable<ImagePrediction | FailedImage>,
): Promise<ImagePrediction[]> {
  const all: ImagePrediction[] = [];
  for await (const one of predictions) {
    if ('error' in one) throw one.error;
    all.push(one);
  }
  return all;
}

export interface OpenRun {
  /** The caller disposes it. */
  readonly model: LayersModel;
  /** Which of the run's models it is, for people. */
  readonly from: string;
  /** Whether it is the model of a run that has ended. */
  readonly isFinal: boolean;
  readonly preprocessing: Preprocessing;
  /** What was assumed because the run does not record it. */
  readonly assumed: readonly string[];
}

/**
 * Loads the model of a run and how its images are prepared.
 * @throws Error when the run has neither a model nor a checkpoint whose model can be built
 */
export async function openRun(where: string, dir: string): Promise<OpenRun> {
  const run = await readRun(dir, where);
  const loaded = await loadRunModel(run);
  if (isUnavailable(loaded)) throw new Error(`${where}: ${dir}: ${loaded.reason}; ${loaded.hint}`);
  try {
    const isFinal = run.result !== undefined;
    return { ...loaded, isFinal, ...preprocessingOf(where, run, loaded.model) };
  } catch (error) {
    loaded.model.dispose();
    throw error;
  }
}

function preprocessingOf(
  where: string,
  { dir, config }: Run,
  model: LayersModel,
): Pick<OpenRun, 'preprocessing' | 'assumed'> {
  const classNames = config.classNames && { classNames: config.classNames };
  const recorded = recordedPreprocessing(config);
  if (recorded === undefined) {
    return {
      preprocessing: { ...assumedFor(where, model), ...classNames },
      assumed: [`${dir}/config.json does not record how images are prepared; ${ASSUMPTION}`],
    };
  }
  const preprocessing = parsePreprocessing(`${where}: ${dir}/config.json`, recorded);
  return { preprocessing: { ...preprocessing, ...classNames }, assumed: [] };
}

const ASSUMPTION = "assumed: resized to the model's input, pixels in [0, 1], no normalization";

/** How images are prepared if nobody says. */
function assumedFor(where: string, model: LayersModel): Preprocessing {
  const inputShape = inputShapeOf(where, model);
  return { inputShape, storedShape: inputShape, transforms: [] };
}

/** @throws RangeError for a model that does not take images of one size */
function inputShapeOf(where: string, model: LayersModel): ImageShape {
  const shape = model.inputs[0]?.shape.slice(1) ?? [];
  const isImage =
    model.inputs.length === 1 && shape.length === 3 && shape.every((side) => Number(side) >= 1);
  const [height, width, channels] = shape as [number, number, number];
  if (isImage && (channels === 1 || channels === 3)) return [height, width, channels];
  throw new RangeError(
    `${where}: expected a model of images [height, width, 1 or 3], got one of ` +
      `[${shape.join(', ')}]`,
  );
}

const defined = (settings: PredictImagesOptions): PredictImagesOptions =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

interface EachOptions extends PredictImagesOptions {
  readonly assumed?: readonly string[];
}

const AT_ONCE = 32; // images in memory and in one forward pass

/** Predicts image by image; a file that is not an image does not end the others. */
export async function* predictEach(
  model: LayersModel,
  files: readonly string[],
  settings: EachOptions,
): AsyncGenerator<ImagePrediction | FailedImage, void, undefined> {
  const { preprocessing = assumedFor(WHERE, model), top = 3, ...how } = settings;
  checkFits(model, preprocessing);
  const general = [
    ...(settings.assumed ?? (settings.preprocessing ? [] : [ASSUMPTION])),
    ...(preprocessing.floats
      ? ['the dataset had float32 images; assumed: their values are from 0 to 1']
      : []),
  ];
  for (let start = 0; start < files.length; start += AT_ONCE) {
    const part = await Promise.all(
      files.slice(start, start + AT_ONCE).map((file) => tryPrepare(file, preprocessing, how)),
    );
    const images = part.flatMap((one) => ('error' in one ? [] : [one.image]));
    const rows = images.length > 0 ? await probabilitiesOf(model, images) : [];
    for (const one of part) {
      if ('error' in one) yield one;
      else {
        const classes = mostLikely(rows.shift() ?? [], preprocessing.classNames).slice(0, top);
        yield { file: one.file, classes, notes: [...general, ...one.image.notes] };
      }
    }
  }
}

async function tryPrepare(
  file: string,
  preprocessing: Preprocessing,
  { invert, upright }: PrepareImageOptions,
): Promise<{ file: string; image: PreparedImage } | FailedImage> {
  const how = { ...(invert && { invert }), ...(upright !== undefined && { upright }) };
  try {
    return { file, image: await prepareImage(file, preprocessing, how) };
  } catch (error) {
    return { file, error: error as Error };
  }
}

/** @throws RangeError when a model does not take such images, or has no classes */
function checkFits(model: LayersModel, { inputShape, classNames }: Preprocessing): void {
  const input = inputShapeOf(WHERE, model);
  if (input.join() !== inputShape.join()) {
    throw new RangeError(
      `${WHERE}: expected images prepared to the model's [${input.join(', ')}], got ` +
        `preprocessing to [${inputShape.join(', ')}]; pass that of the model's loader`,
    );
  }
  const { numClasses, finalActivation } = compile(model);
  if (numClasses === 1 && finalActivation !== 'sigmoid') {
    throw new RangeError(
      `${WHERE}: expected a classifier, got a model with one output and no sigmoid; ` +
        'use predict(model, features) for its values',
    );
  }
  const outputs = Math.max(2, numClasses);
  if (classNames && classNames.length > outputs) {
    throw new RangeError(
      `${WHERE}: expected a model of the ${classNames.length} classes of the data, got one of ` +
        `${outputs}`,
    );
  }
}

/** `[numImages][numClasses]`: the softmax, or what a final sigmoid gives. */
async function probabilitiesOf(
  model: LayersModel,
  images: readonly PreparedImage[],
): Promise<number[][]> {
  const [first] = images as [PreparedImage];
  const size = first.values.length;
  const values = new Float32Array(images.length * size);
  for (const [i, image] of images.entries()) values.set(image.values, i * size);
  const features = tf.tensor4d(values, [images.length, ...first.shape]);
  const outputs = await predict(model, features);
  const { finalActivation } = compile(model);
  const likely = tf.tidy(() => (finalActivation ? tf.clone(outputs) : tf.softmax(outputs)));
  try {
    const rows = (await likely.array()) as number[][];
    return rows.map((row) => (row.length === 1 ? [1 - (row[0] as number), ...row] : row));
  } finally {
    tf.dispose([features, outputs, likely]);
  }
}

const mostLikely = (row: readonly number[], names: readonly string[] | undefined) =>
  row
    .map((probability, i) => ({ name: names?.[i] ?? `class ${i}`, probability }))
    .sort((a, b) => b.probability - a.probability);

/**
 * The files, with each folder replaced by the images directly in it, sorted by name.
 * @throws DataError for a folder without images
 */
export async function listImages(files: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(
    files.map(async (file) => {
      const info = await stat(file).catch(() => undefined); // decoding says what is wrong
      if (!info?.isDirectory()) return [file];
      const names = (await readdir(file)).filter(isImage).sort();
      if (names.length > 0) return names.map((name) => path.join(file, name));
      const next = 'name the files, or the folder that holds them';
      throw new DataError(file, 'a folder with images', 'one without any', next);
    }),
  );
  return lists.flat();
}

const isImage = (name: string) =>
  !name.startsWith('.') && IMAGE_EXTENSIONS.includes(path.extname(name).slice(1).toLowerCase());
