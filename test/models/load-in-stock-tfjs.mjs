/**
 * What a program without deepend does with a saved net: `node load-in-stock-tfjs.mjs DIR`, the
 * image's numbers
 * on stdin, logits on stdout.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as tfl from '@tensorflow/tfjs-layers';

const [dir] = process.argv.slice(2);
const handler = {
  load: async () => {
    const { modelTopology, weightsManifest } = JSON.parse(
      readFileSync(path.join(dir, 'model.json'), 'utf8'),
    );
    const [{ paths, weights }] = weightsManifest;
    return {
      modelTopology,
      weightSpecs: weights,
      weightData: new Uint8Array(readFileSync(path.join(dir, paths[0]))).buffer,
    };
  },
};
await tf.setBackend('cpu');
const { shape, values } = JSON.parse(readFileSync(0, 'utf8'));
try {
  const net = await tfl.loadLayersModel(handler);
  console.log(JSON.stringify([...net.predict(tf.tensor(values, shape)).dataSync()]));
} catch (error) {
  console.log(JSON.stringify(error.message));
}
