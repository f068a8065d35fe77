/** The files of Kaggle's competitions on images, in the folders of classes that the book makes. */
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { DataError, table } from '@deepend/data';

/**
 * Section 14.13 (zh 13.13): the label of each name, from a table of two columns with a header.
 * @throws DataError that names the line, as `datasets.table` does
 */
export async function readCsvLabels(fname: string): Promise<Map<string, string>> {
  // The columns are found by their places: files name them in different ways.
  const read = await table(fname, { header: false, categorical: ['0', '1'], missing: [''] });
  const [names, labels] = ['0', '1'].map((name) => read.column(name).values) as string[][];
  const pairs = names?.map((name, i) => [name, labels?.[i]] as [string, string]) ?? [];
  return new Map(pairs.slice(1));
}

/** Section 14.13 (zh 13.13): copies a file into a folder, which is made if it is not there. */
export async function copyfile(filename: string, targetDir: string): Promise<void> {
  await mkdir(targetDir, { recursive: true });
  await copyFile(filename, path.join(targetDir, path.basename(filename)));
}

const stem = (file: string) => path.basename(file, path.extname(file));

/** The files of a folder in the order of their names, so that every machine has the same parts. */
const filesOf = async (folder: string): Promise<string[]> => (await readdir(folder)).sort();

/**
 * Section 14.13 (zh 13.13): copies the images of `train` into folders of their classes below
 * `train_valid_test`: all into `train_valid`, and each either into `train` or into `valid`.
 * @param validRatio the part of the rarest class that is for validation; others give as many images
 * @returns images of each class for validation, at least 1
 * @throws DataError for an image without a label
 */
export async function reorgTrainValid(
  dataDir: string,
  labels: ReadonlyMap<string, string>,
  validRatio: number,
): Promise<number> {
  const counts = new Map<string, number>();
  for (const label of labels.values()) counts.set(label, (counts.get(label) ?? 0) + 1);
  const perLabel = Math.max(1, Math.floor(Math.min(...counts.values()) * validRatio));
  const valid = new Map<string, number>();
  for (const file of await filesOf(path.join(dataDir, 'train'))) {
    const source = path.join(dataDir, 'train', file);
    const label = labels.get(stem(file));
    if (label === undefined) {
      const next = 'add it to the table of labels, or remove the file';
      throw new DataError(source, 'a label of each image', 'none', next);
    }
    const count = valid.get(label) ?? 0;
    if (count < perLabel) valid.set(label, count + 1);
    const part = count < perLabel ? 'valid' : 'train';
    for (const folder of ['train_valid', part])
      await copyfile(source, path.join(dataDir, 'train_valid_test', folder, label));
  }
  return perLabel;
}

/** Section 14.13 (zh 13.13): copies the images of `test` into a folder of one class, `unknown`. */
export async function reorgTest(dataDir: string): Promise<void> {
  const target = path.join(dataDir, 'train_valid_test', 'test', 'unknown');
  for (const file of await filesOf(path.join(dataDir, 'test')))
    await copyfile(path.join(dataDir, 'test', file), target);
}
