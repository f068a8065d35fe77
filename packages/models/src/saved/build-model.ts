/** Builds a model from checked JSON, with no more memory for weights than the file declares. */
import { formatValue } from '@deepend/core';
import type { io } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { checkTopology } from './check-topology';

export interface BuildOptions {
  /** The most values that all weights may have together. @default any number */
  readonly maxValues?: number;
  /** The weights that will be loaded, so that initial values need not be computed. @default none */
  readonly specs?: readonly io.WeightsManifestEntry[];
}

type AddWeight = (
  this: tfl.layers.Layer,
  name: string,
  shape: number[],
  ...rest: unknown[]
) => unknown;
const prototype = tfl.layers.Layer.prototype as unknown as { addWeight: AddWeight };

/**
 * @param where the beginning of each error: the file
 * @throws Error that names the layer, when the model cannot be built or a weight has another shape
 *   than the file declares
 */
export function buildModel(
  where: string,
  modelTopology: object,
  { maxValues = Number.POSITIVE_INFINITY, specs }: BuildOptions = {},
): Promise<tfl.LayersModel> {
  checkTopology(where, modelTopology);
  const shapes = new Map(specs?.map(({ name, shape }) => [name, shape]));
  const { addWeight } = prototype;
  let numValues = 0;
  prototype.addWeight = function checked(name, shape, ...rest) {
    const declared = shapes.get(`${this.name}/${name}`);
    if (declared && declared.join() !== shape.join())
      throw new Error(
        `layer ${formatValue(this.name)}: expected the ${name} [${declared.join(', ')}] of the ` +
          `weights, got a layer with [${shape.join(', ')}]`,
      );
    numValues += shape.reduce((a, b) => a * b, 1);
    if (!(numValues <= maxValues))
      throw new Error(
        `layer ${formatValue(this.name)}: expected at most ${maxValues} values of weights in ` +
          `all, as the weights have, got ${name} of [${shape.join(', ')}]`,
      );
    if (specs) this.setFastWeightInitDuringBuild(true);
    return addWeight.call(this, name, shape, ...rest);
  };
  try {
    // Layers are built before it returns its promise, so no other model is built meanwhile.
    return tfl.models
      .modelFromJSON({ modelTopology } as never)
      .catch((error: Error) => Promise.reject(damaged(where, error)));
  } finally {
    prototype.addWeight = addWeight;
  }
}

export const damaged = (where: string, cause: Error) =>
  new Error(
    `${where}: the model cannot be built: ${cause.message}; the file is damaged or of another ` +
      'program, save the model again',
    { cause },
  );
