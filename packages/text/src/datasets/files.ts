/** The files of the book's data sets, as `download` finds them. */
import path from 'node:path';
import { type DownloadOptions, download, downloadExtract } from '@deepend/data';

/** Where the files of a data set are, and whether they may be downloaded. */
export type FileOptions = Omit<DownloadOptions, 'sha1'>;

/** Splits options of a loader and options about its files. */
export function splitOptions<T extends FileOptions>(options: T) {
  const { root, download: mayDownload, timeout, progress, ...rest } = options;
  const given = { root, download: mayDownload, timeout, progress };
  const files = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as FileOptions;
  return { files, rest };
}

/** The path of a file in an archive of the book. */
export async function fileOf(name: string, file: string, options: FileOptions): Promise<string> {
  return path.join(await downloadExtract(name, options), file);
}

/** The path of a file of the book. */
export const plainFile = (name: string, options: FileOptions): Promise<string> =>
  download(name, options);
