/** Exports a model as files that TensorFlow.js loads in a browser. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { checkOptions, rule, writeFolderAtomic } from '@deepend/core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { version_layers } from '@tensorflow/tfjs-layers';
import { version } from '../../package.json';
import { flatGraph } from '../flat-graph';
import type { StoredTensor } from './graph-def';
import { graphModel } from './graph-model';
import { layersModel } from './layers-model';

const WHERE = '[export] exportTfjs';

export interface ExportTfjsOptions {
  /**
   * `layers`: a model of layers, which `tf.loadLayersModel` loads and which can be trained further.
   * `graph`: a graph for inference, which `tf.loadGraphModel` loads; it starts faster and needs no
   * tfjs-layers. @default 'layers'
   */
  format?: 'layers' | 'graph';
  /**
   * Maximal size of a weight file, in bytes. @default 4 MiB, as in TensorFlow.js's own converter
   */
  shardBytes?: number;
  /** Names of the classes, stored in `model.json` under `userDefinedMetadata`. @default none */
  classNames?: readonly string[];
}

const FORMATS = ['layers', 'graph'] as const;
const options = rule.object({
  format: rule.oneOf(FORMATS).optional(),
  shardBytes: rule.positiveInteger().optional(),
  classNames: rule.list(rule.string(), 'a list of names').optional(),
});

/** For each format, the function that builds `model.json` and the weights. */
const MODELS = {
  layers: (model: LayersModel) => layersModel(model, WHERE),
  graph: async (model: LayersModel) => graphModel(flatGraph(model, WHERE), WHERE),
};

/**
 * Writes `dir/model.json` and weight files `dir/group1-shard1of2.bin`, ... for TensorFlow.js
 * without deepend, mostly in a browser. Grouped convolutions are split into stock layers or nodes.
 * The folder changes as a whole: a process that is killed leaves the old files or the new ones. The
 * weight files of an earlier export are removed.
 * @param settings.format `layers` to train further, `graph` for inference @default 'layers'
 * @param settings.shardBytes maximal size of a weight file, in bytes @default 4 MiB
 * @throws Error for a layer that the format does not have (the error names the layer; nothing is
 *   written), or when the files cannot be written
 */
export async function exportTfjs(
  model: LayersModel,
  dir: string,
  settings: ExportTfjsOptions = {},
): Promise<void> {
  const {
    format = 'layers',
    shardBytes = 2 ** 22,
    classNames,
  } = checkOptions(WHERE, options, settings);
  const { json, tensors } = await MODELS[format](model);
  const bytes = await join(tensors);
  const weights = tensors.map(({ name, shape, dtype }) => ({ name, shape, dtype }));
  const about = {
    generatedBy: `deepend ${version}, TensorFlow.js tfjs-layers v${version_layers}`,
    convertedBy: null,
  };
  const write = async (prefix: string) => {
    const shards = cut(bytes, shardBytes, prefix);
    const contents = {
      ...about,
      ...json,
      weightsManifest: [{ paths: Object.keys(shards), weights }],
      ...(classNames && { userDefinedMetadata: { classNames } }),
    };
    const files = { ...shards, 'model.json': `${JSON.stringify(contents)}\n` };
    await writeFolderAtomic(dir, files, { where: WHERE, outdated: isShard });
  };
  // A model.json that is there must never meet the weights of another model: it is replaced by one
  // that names new files, and only then are its old weights replaced.
  if (existsSync(path.join(dir, 'model.json'))) await write(`group1-${randomUUID()}`);
  await write('group1');
}

const isShard = (name: string) =>
  /^group1(-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?-shard\d+of\d+\.bin$/.test(name);

async function join(tensors: readonly StoredTensor[]): Promise<Uint8Array> {
  const bytes = new Uint8Array(
    tensors.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0),
  );
  let offset = 0;
  for (const { values } of tensors) {
    const { buffer, byteOffset, byteLength } = await values();
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), offset);
    offset += byteLength;
  }
  return bytes;
}

function cut(bytes: Uint8Array, most: number, prefix: string): Record<string, Uint8Array> {
  const count = Math.max(1, Math.ceil(bytes.length / most));
  const shards = Array.from({ length: count }, (_, i) => [
    `${prefix}-shard${i + 1}of${count}.bin`,
    bytes.subarray(i * most, (i + 1) * most),
  ]);
  return Object.fromEntries(shards);
}
