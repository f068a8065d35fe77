/** A script for a test: `default-device.ts CASE FOLDER` chooses no device, unless its case does. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel, LayerVariable } from '@tensorflow/tfjs-layers';
import {
  book,
  createModel,
  DataLoader,
  datasets,
  device,
  evaluate,
  loadModel,
  lrFind,
  predict,
  saveModel,
  train,
} from 'deepend';

const [name = '', folder = ''] = process.argv.slice(2);
const images = Uint8Array.from({ length: 40 * 784 }, (_, i) => (i * 2_654_435_761) >>> 24);
const labels = Uint8Array.from({ length: 40 }, (_, i) => i % 10);
const loader = () =>
  new DataLoader(datasets.arrayDataset({ images, labels, imageShape: [28, 28, 1] }), {
    batchSize: 20,
    workers: 0,
  });
const net = () => book.lenet({ seed: 1 });

/** TensorFlow.js's name of the backend that holds the first weight. */
function holder({ weights }: LayersModel): string | undefined {
  const { registry, state } = tf.engine() as unknown as {
    registry: Record<string, tf.KernelBackend>;
    state: { tensorInfo: { get(id: object): { backend: tf.KernelBackend } } };
  };
  const { backend } = state.tensorInfo.get((weights as [LayerVariable])[0].read().dataId);
  return Object.keys(registry).find((key) => registry[key] === backend);
}

const quiet = { numEpochs: 1, lr: 0.1, progress: false };

const CASES: Record<string, () => Promise<LayersModel>> = {
  builder: async () => net(),
  createModel: async () => createModel('book/lenet'),
  stock: async () => {
    const model = net();
    (model.predict(tf.zeros([1, 28, 28, 1])) as tf.Tensor).dispose();
    return model;
  },
  loadModel: () => loadModel(folder),
  train: async () => {
    const model = net();
    await train(model, loader(), loader(), { ...quiet, progress: true });
    return model;
  },
  evaluate: async () => {
    const model = net();
    await evaluate(model, loader());
    return model;
  },
  predict: async () => {
    const model = net();
    (await predict(model, loader())).dispose();
    return model;
  },
  lrFind: async () => {
    const model = net();
    await lrFind(model, loader(), { steps: 10 });
    return model;
  },
  save: async () => {
    const model = net();
    await saveModel(model, folder);
    return model;
  },
  'tf.setBackend': async () => {
    await tf.setBackend('cpu');
    const model = await loadModel(folder);
    await train(model, loader(), loader(), quiet);
    await evaluate(model, loader());
    return model;
  },
  'a device after the model': async () => {
    const model = net();
    await device('wasm'); // the model is on the default backend, and nothing moves it
    await evaluate(model, loader());
    return model;
  },
};

const model = await (CASES[name] as () => Promise<LayersModel>)();
console.log(`current ${tf.getBackend()}, weights ${holder(model)}`);
process.exit(0);
