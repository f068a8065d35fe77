/** The file of a Keras 3 model: a zip archive of two JSON files and the weights in HDF5. */
import { createReadStream } from 'node:fs';
import { type FileHandle, rm, stat } from 'node:fs/promises';

/** The weights of one layer in Keras's order. */
export interface WeightGroup {
  /** Group in `layers/`, such as `conv2d_1`. */
  readonly group: string;
  /** The layer's name. */
  readonly name: string;
  readonly weights: readonly {
    readonly shape: readonly number[];
    readonly values: () => Promise<Float32Array>;
  }[];
}

const CHUNK = 2 ** 24; // bytes copied at a time from the weights' file into the archive

/**
 * Writes the archive. The weights are written to `weightsFile` first, which is removed at the end.
 */
export async function writeArchive(
  archive: FileHandle,
  { texts, groups, weightsFile }: ArchiveContent,
): Promise<void> {
  try {
    await writeHdf5(weightsFile, groups);
    await pack(archive, texts, weightsFile);
  } finally {
    await rm(weightsFile, { recursive: true, force: true });
  }
}

interface ArchiveContent {
  readonly texts: Readonly<Record<string, string>>;
  readonly groups: readonly WeightGroup[];
  readonly weightsFile: string;
}

/** Loads four megabytes that only `writeHdf5` needs. */
async function loadHdf5(): Promise<typeof import('h5wasm/node')> {
  try {
    const hdf5 = await import('h5wasm/node');
    await hdf5.ready;
    return hdf5;
  } catch (error) {
    // In a CommonJS bundle h5wasm does not know its own place; from node_modules it does.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_INVALID_ARG_VALUE') throw error;
    const unbundled = ['h5wasm', 'node'].join('/'); // which a bundler does not see
    try {
      const hdf5: typeof import('h5wasm/node') = await import(unbundled);
      await hdf5.ready;
      return hdf5;
    } catch (cause) {
      throw new Error(
        'h5wasm cannot be part of a CommonJS bundle; install it where the bundle runs ' +
          `(npm install h5wasm), or bundle as ESM (${(cause as Error).message.split('\n')[0]})`,
        { cause },
      );
    }
  }
}

async function writeHdf5(file: string, groups: readonly WeightGroup[]): Promise<void> {
  const { File } = await loadHdf5();
  const hdf5 = new File(file, 'w');
  let bytes = 0;
  try {
    hdf5.create_group('vars');
    const all = hdf5.create_group('layers');
    for (const { group, name, weights } of groups) {
      const place = all.create_group(group).create_group('vars');
      place.create_attribute('name', name);
      for (const [i, { shape, values }] of weights.entries()) {
        const data = await values();
        bytes += data.byteLength;
        place.create_dataset({ name: `${i}`, data, shape: [...shape], dtype: '<f' });
      }
    }
  } finally {
    hdf5.close();
  }
  const { size } = await stat(file);
  // A full disk cuts the file short.
  if (size < bytes)
    throw new Error(`expected ${bytes} bytes of weights in HDF5, got a file of ${size}`);
}

/**
 * Packs the files. The weights are stored uncompressed, since compression would hardly shrink them.
 */
async function pack(
  archive: FileHandle,
  texts: Readonly<Record<string, string>>,
  weights: string,
): Promise<void> {
  const { Zip, ZipDeflate, ZipPassThrough } = await import('fflate');
  let chunks: Uint8Array[] = [];
  const zip = new Zip((error, chunk) => {
    if (error) throw error;
    chunks.push(chunk);
  });
  const drain = async () => {
    for (const chunk of chunks) await archive.writeFile(chunk);
    chunks = [];
  };
  for (const [name, text] of Object.entries(texts)) {
    const entry = new ZipDeflate(name);
    zip.add(entry);
    entry.push(new TextEncoder().encode(text), true);
  }
  const entry = new ZipPassThrough('model.weights.h5');
  zip.add(entry);
  for await (const chunk of createReadStream(weights, { highWaterMark: CHUNK })) {
    entry.push(new Uint8Array(chunk as Buffer));
    await drain();
  }
  entry.push(new Uint8Array(0), true);
  zip.end();
  await drain();
}
