/**
 * Small sets of IDX files that look like Fashion-MNIST's, for loaders to find, fetch and refuse.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { FASHION_MNIST, type FileSpec, type IdxDatasetSpec } from '@deepend/data';

export function idx(shape: readonly number[], values: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt8(8, 2);
  header.writeUInt8(shape.length, 3);
  shape.forEach((size, axis) => {
    header.writeUInt32BE(size, 4 + 4 * axis);
  });
  return Buffer.concat([header, values]);
}

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/**
 * A set of 6 training and 4 test images of 3×2, with its files as a mirror would serve them, by
 * their packed names.
 */
export function smallSet(): { spec: IdxDatasetSpec; files: Map<string, Buffer> } {
  const files = new Map<string, Buffer>();
  const file = (name: string, shape: number[], value: (i: number) => number): FileSpec => {
    const bytes = idx(
      shape,
      Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i)),
    );
    const packed = gzipSync(bytes);
    files.set(`${name}.gz`, packed);
    return {
      name,
      sha256: sha256(bytes),
      gzip: [{ bytes: packed.length, sha256: sha256(packed) }],
    };
  };
  const split = (name: string, numSamples: number) => ({
    numSamples,
    images: file(`${name}-images`, [numSamples, 3, 2], (i) => (i * 37) % 256),
    labels: file(`${name}-labels`, [numSamples], (i) => i % 3),
  });
  const spec: IdxDatasetSpec = {
    ...FASHION_MNIST,
    title: 'Small set',
    id: 'small-set',
    subfolders: ['small'],
    systemFolders: [],
    debianPackage: 'dataset-small',
    mirrors: [],
    imageShape: [3, 2, 1],
    classNames: ['a', 'b', 'c'],
    splits: { train: split('train', 6), test: split('test', 4) },
  };
  return { spec, files };
}
