/** Training steps of deepend by `train`, the same in Node and in a browser. */
import type * as deepend from 'deepend/browser';

/** What this uses of `deepend` and of `deepend/browser`. */
export type Toolkit = Pick<typeof deepend, 'book' | 'device' | 'nn' | 'tf' | 'train'>;

export type Net = 'lenet' | 'cnn';

/** A function that trains for about so many seconds and gives the samples per second. */
export type Steps = (seconds: number) => Promise<number>;

const BATCH: Record<Net, number> = { lenet: 128, cnn: 64 };
/** More steps than there are. */
const ENDLESS = 1e6;
const IMAGE: [number, number, number] = [28, 28, 1];

/** Two convolutions with max-pooling and a dense layer, as jax-steps.mjs has them. */
function cnn({ nn: { conv, dense, flatten, maxPool, relu, sequential } }: Toolkit) {
  const stage = (filters: number) => [
    conv(filters, { kernel: 3, padding: 1 }),
    relu(),
    maxPool({ size: 2 }),
  ];
  return sequential([...stage(16), ...stage(32), flatten(), dense(10)], { inputShape: IMAGE });
}

/**
 * Starts a training that waits for rounds: its loader gives the same batch until a round's time is
 * over.
 */
export async function startSteps(toolkit: Toolkit, net: Net): Promise<Steps> {
  const { book, device, tf, train } = toolkit;
  const simd = await device('simd');
  const batch = BATCH[net];
  const features = tf.randomUniform([batch, ...IMAGE], 0, 1, 'float32', 1);
  const classes = Int32Array.from({ length: batch }, (_, i) => (7 * i + 3) % 10);
  const labels = tf.tensor1d(classes, 'int32');
  let begin: (seconds: number) => void = () => {};
  let finish: (rate: number) => void = () => {};
  async function* batches() {
    for (;;) {
      const seconds = await new Promise<number>((resolve) => {
        begin = resolve;
      });
      const start = performance.now();
      let count = 0;
      while (performance.now() < start + 1000 * seconds) {
        yield { features: tf.clone(features), labels: tf.clone(labels) };
        count++;
      }
      finish((1000 * batch * count) / (performance.now() - start));
    }
  }
  const loader = {
    numSamples: ENDLESS * batch,
    numBatches: ENDLESS,
    batchSize: batch,
    [Symbol.asyncIterator]: batches,
  };
  const model = net === 'lenet' ? book.lenet() : cnn(toolkit);
  const options = { numEpochs: 1, lr: 0.01, device: simd, progress: false };
  void train(model, loader, null, options);
  const steps: Steps = (seconds) =>
    new Promise((resolve) => {
      finish = resolve;
      begin(seconds);
    });
  await new Promise((resolve) => setTimeout(resolve)); // until the loader waits
  await steps(0.2); // the first steps compile
  return steps;
}
