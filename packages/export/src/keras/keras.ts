/** Exports a model as a file of Keras 3. Format: keras/src/saving/saving_lib.py of 3.15. */
import path from 'node:path';
import { formatValue, stagingName, writeFileAtomic } from '@deepend/core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type FlatGraph, flatGraph, nameOf, weightKind } from '../flat-graph';
import { type WeightGroup, writeArchive } from './archive';
import { kerasModel } from './config';
import { placeOf } from './layers';

const WHERE = '[export] exportKeras';
const KERAS = '3.15.1'; // the version whose format this is
const MOST_BYTES = 2 ** 32 - 2 ** 24; // a plain zip archive ends at 4 GiB

/**
 * Writes a model as a `.keras` file, which `keras.models.load_model` of Keras 3 reads on each of
 * its backends: architecture and weights. Dots and slashes in layers' names become `_`; grouped
 * convolutions become `Conv2D(groups=...)`; nested models are flattened. Initializers, regularizers
 * and constraints are not written. The file appears complete or not at all.
 * @param file ends in `.keras`
 * @throws Error for a layer that Keras does not have or computes differently (the error names the
 *   layer; nothing is written), or when the file cannot be written
 */
export async function exportKeras(model: LayersModel, file: string): Promise<void> {
  if (typeof file !== 'string' || path.extname(file) !== '.keras') {
    throw new RangeError(
      `${WHERE}: expected a file whose name ends in .keras, as Keras asks for, got ` +
        `${formatValue(file)}`,
    );
  }
  const graph = flatGraph(model, WHERE);
  const { config, layers } = kerasModel(graph, { name: model.name, where: WHERE });
  checkWeights(graph);
  const groups = layers.map(({ operation, name, group }): WeightGroup => {
    const weights = 'getClassName' in operation ? [...operation.weights] : [];
    weights.sort((a, b) => placeOf(weightKind(a)) - placeOf(weightKind(b)));
    return {
      group,
      name,
      weights: weights.map((weight) => ({
        shape: weight.shape as number[],
        values: async () => (await weight.read().data()) as Float32Array,
      })),
    };
  });
  const metadata = {
    keras_version: KERAS,
    date_saved: new Date().toISOString().slice(0, 19).replace('T', '@'),
  };
  const texts = {
    'metadata.json': JSON.stringify(metadata),
    'config.json': JSON.stringify(config),
  };
  const weightsFile = stagingName(file); // libhdf5 writes by a path, not by an open file
  await writeFileAtomic(file, (archive) => writeArchive(archive, { texts, groups, weightsFile }), {
    where: WHERE,
  });
}

function checkWeights({ calls }: FlatGraph): void {
  const layers = [...new Set(calls.map(({ layer }) => layer))];
  const strange = layers.find((layer) =>
    layer.weights.some((weight) => placeOf(weightKind(weight)) < 0),
  );
  if (strange) {
    const got = strange.weights.map(weightKind).join(', ');
    throw new Error(
      `${WHERE}: ${nameOf(strange)}: expected weights that Keras has too, got ${got}; keep ` +
        `such a model with saveModel`,
    );
  }
  const bytes = layers.reduce((sum, layer) => sum + 4 * layer.countParams(), 0);
  if (bytes <= MOST_BYTES) return;
  throw new RangeError(
    `${WHERE}: expected at most ${MOST_BYTES} bytes of weights, which a zip archive holds, ` +
      `got ${bytes}; keep the model with saveModel`,
  );
}
