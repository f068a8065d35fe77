/** The book's bananas: photographs with a banana each, and its box. d2l 14.6, zh 13.6. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DataError, type DownloadOptions, decodeImage, downloadExtract } from '@deepend/data';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import type { Box } from '../boxes/format';
import type { VisionLoader } from '../loader';
import type { Truth } from '../scores/mean-average-precision';
import { type DetectionData, detectionLoader, findObjectProblem } from './detection-data';

/** Where the files of a data set are, and whether they may be downloaded. */
type FileOptions = Omit<DownloadOptions, 'sha1'>;

export interface BananasOptions extends FileOptions {
  /** @default true */
  isTrain?: boolean;
}

/** Folders of both parts. */
const FOLDERS = { train: 'bananas_train', val: 'bananas_val' } as const;
/** Images that are decoded at a time. */
const AT_ONCE = 32;
const CORRECT = 'correct the file';

/**
 * Reads the book's bananas (`read_data_bananas`, d2l 14.6, zh 13.6): 1000 training or 100
 * validation photographs of 256 × 256 pixels.
 * @param options.root the folder that has `banana-detection`, or gets it by download
 * @throws DataError when the files cannot be downloaded, an image is missing or of another size, a
 *   box is outside its image or has x1 > x2, or a class has no name
 * @example const data = await readDataBananas({ isTrain: false });
 */
export async function readDataBananas(options: BananasOptions = {}): Promise<DetectionData> {
  const { isTrain = true, ...files } = options;
  const folder = path.join(
    await downloadExtract('banana-detection', files),
    isTrain ? FOLDERS.train : FOLDERS.val,
  );
  return readBoxFolder(folder, ['banana']);
}

export interface LoadBananasOptions extends FileOptions {
  /** Seeds the order of each epoch: any safe integer. @default 0 */
  seed?: number;
}

/**
 * Loads the book's bananas (`load_data_bananas`, d2l 14.6, zh 13.6).
 * @param batchSize images in a batch
 * @returns loaders of the training set, shuffled, and of the validation set: features float32
 *   `[batch, 256, 256, 3]` in [0, 1], labels float32 `[batch, 1, 5]`: class, x1, y1, x2, y2
 * @throws DataError when the files cannot be downloaded: the error says where to put them
 * @example const [trainIter, valIter] = await loadDataBananas(32);
 */
export async function loadDataBananas(
  batchSize: number,
  options: LoadBananasOptions = {},
): Promise<[trainIter: VisionLoader<Tensor3D>, valIter: VisionLoader<Tensor3D>]> {
  const { seed = 0, ...files } = options;
  const [train, val] = [
    await readDataBananas({ ...files, isTrain: true }),
    await readDataBananas({ ...files, isTrain: false }),
  ];
  return [
    detectionLoader(train, { batchSize, seed }),
    detectionLoader(val, { batchSize, shuffle: false }),
  ];
}

/**
 * Reads images with boxes in the bananas' format: a file `label.csv` with the columns `img_name`,
 * `label`, `xmin`, `ymin`, `xmax`, `ymax` (pixels), a row for each object, and a folder `images`.
 * @param classNames names of the classes, in the order of their labels
 * @throws DataError as `readDataBananas`
 */
export async function readBoxFolder(
  folder: string,
  classNames: readonly string[],
): Promise<DetectionData> {
  const file = path.join(folder, 'label.csv');
  const rows = await readRows(file);
  const names = [...new Set(rows.map(({ name }) => name))];
  const images = await readImages(names.map((name) => path.join(folder, 'images', name)));
  const [height, width] = images.imageShape;
  const byName = new Map(names.map((name) => [name, [] as Row[]]));
  for (const row of rows) byName.get(row.name)?.push(row);
  const objects = names.map((name): Truth => {
    const own = byName.get(name) as Row[];
    const boxes = own.map(
      ({ box: [x1, y1, x2, y2] }): Box => [x1 / width, y1 / height, x2 / width, y2 / height],
    );
    const truth = { boxes, labels: own.map(({ label }) => label) };
    const problem = findObjectProblem(truth, classNames);
    if (problem === undefined) return truth;
    const lines = own.map(({ line }) => line).join(', ');
    throw new DataError(file, `valid objects of ${name} in line ${lines}`, problem, CORRECT);
  });
  return { ...images, objects, classNames };
}

interface Row {
  readonly name: string;
  readonly label: number;
  /** In pixels. */
  readonly box: Box;
  /** In the file, from 1. */
  readonly line: number;
}

const HEADER = ['img_name', 'label', 'xmin', 'ymin', 'xmax', 'ymax'];

async function readRows(file: string): Promise<Row[]> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const next = 'pass the folder that has label.csv and images';
    throw new DataError(file, 'a file that can be read', cause.code ?? cause.message, next, {
      cause,
    });
  });
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const header = lines[0]?.split(',').map((name) => name.trim()) ?? [];
  if (header.join() !== HEADER.join()) {
    const next = 'bring the columns into this order';
    throw new DataError(file, `the columns ${HEADER.join()}`, `'${header.join()}'`, next);
  }
  const rows = lines.slice(1).flatMap((content, i): Row[] => {
    if (content.trim() === '') return [];
    const [name = '', ...cells] = content.split(',');
    const numbers = cells.map((cell) => (cell.trim() === '' ? Number.NaN : Number(cell)));
    if (name !== '' && cells.length === HEADER.length - 1 && numbers.every(Number.isFinite)) {
      const [label, ...box] = numbers as [number, number, number, number, number];
      return [{ name, label, box, line: i + 2 }];
    }
    const expected = `a name and five numbers in line ${i + 2}`;
    throw new DataError(file, expected, `'${content}'`, CORRECT);
  });
  if (rows.length > 0) return rows;
  throw new DataError(file, 'a header and at least one object', 'no object', CORRECT);
}

async function readImages(files: readonly string[]) {
  const decoded: Awaited<ReturnType<typeof decodeImage>>[] = [];
  for (let start = 0; start < files.length; start += AT_ONCE) {
    const some = files.slice(start, start + AT_ONCE).map((file) => decodeImage(file, 3));
    decoded.push(...(await Promise.all(some)));
  }
  const [{ shape: imageShape, pixels }] = decoded as [(typeof decoded)[0], ...typeof decoded];
  const images = new Uint8Array(decoded.length * pixels.length);
  decoded.forEach((image, i) => {
    if (image.shape.join() !== imageShape.join())
      throw new DataError(
        files[i] as string,
        `an image of ${imageShape[0]} × ${imageShape[1]} pixels, as the first`,
        `${image.shape[0]} × ${image.shape[1]}`,
        'resize it, and its boxes',
      );
    images.set(image.pixels, i * pixels.length);
  });
  return { images, imageShape };
}
