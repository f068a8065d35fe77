/** Models in the browser: kept in IndexedDB, downloaded, and loaded from addresses. */
import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import { mayHavePage, post } from './output';

const WHERE = '[deepend]';

/**
 * Keeps a model in the browser's IndexedDB, where it stays until the user clears the site's data.
 * @param name what `loadModel` finds it by
 * @throws Error when the browser has no room for it
 */
export async function saveModel(net: LayersModel, name: string): Promise<void> {
  checkName('saveModel', name);
  await net.save(`indexeddb://${name}`);
}

/**
 * Loads a model: one that `saveModel` kept, or that of an address, such as the `model.json` of
 * `exportTfjs` or `saveModel` in Node.
 * @param place a name, or an address that ends with `.json`
 * @throws Error when there is no such model
 */
export function loadModel(place: string): Promise<LayersModel> {
  checkName('loadModel', place);
  return loadLayersModel(place.endsWith('.json') ? place : `indexeddb://${place}`);
}

/**
 * Gives the user a model as two files, `model.json` and `model.weights.bin`, which `loadModel`
 * loads in Node and in a browser.
 * @throws Error outside of a worker that `startWorker` started or was given
 */
export async function downloadModel(net: LayersModel): Promise<void> {
  if (!mayHavePage()) {
    throw new Error(
      `${WHERE} downloadModel: expected a worker whose page has called startWorker of ` +
        'deepend/browser/page, which gives the files to the user; on the page itself use ' +
        "net.save('downloads://model')",
    );
  }
  await net.save(
    tf.io.withSaveHandler(async (artifacts) => {
      const { weightData, weightSpecs: weights, ...rest } = artifacts;
      const data = new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData));
      const manifest = [{ paths: ['model.weights.bin'], weights }];
      const json = JSON.stringify({ ...rest, weightsManifest: manifest });
      post({ deepend: 'file', name: 'model.json', data: new TextEncoder().encode(json) });
      post({ deepend: 'file', name: 'model.weights.bin', data });
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    }),
  );
}

function checkName(call: string, name: unknown): asserts name is string {
  if (typeof name === 'string' && name !== '') return;
  throw new TypeError(
    `${WHERE} ${call}: expected a name or an address, got ${JSON.stringify(name)}`,
  );
}
