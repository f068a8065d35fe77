/** The book's nets against PyTorch; the values are test/golden/make-golden.py's. */
import { compile, sgd } from '@deepend/compiler';
import { type BookNetOptions, createModel } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import lenet from '../golden/lenet.json';
import longRun from '../golden/long-run.json';
import resnet from '../golden/resnet.json';
import vgg from '../golden/vgg.json';
import { engines, use } from '../helpers/engines';
import { fillNet, goldenBatch } from '../helpers/fill';

const TOLERANCE = 1e-4; // of the largest value
/** Steps enlarge the last digit where a ReLU stood at zero: PyTorch's own float32 and float64 runs are 2e-3 apart by then. */
const TRAINED_TOLERANCE = 5e-3;

/** What every golden run says of itself. */
interface Run {
  net: string;
  options?: object;
  shape: number[];
  lr: number;
  steps: number;
  losses: number[];
}

interface ShortRun extends Run {
  logits: number[][];
  trainedLogits: number[][];
  /** By the first step, of batch normalization layers: `[channels]`, or the first of them. */
  movingMean?: Record<string, number[] | undefined>;
  movingVariance?: Record<string, number[] | undefined>;
}

const SHORT_RUNS: ShortRun[] = [...lenet.runs, ...vgg.runs, ...resnet.runs];

function expectClose(actual: ArrayLike<number>, expected: readonly number[], what: string, tolerance = TOLERANCE): void {
  const largest = Math.max(...expected.map(Math.abs));
  expect(actual.length, what).toBe(expected.length);
  const worst = Math.max(...expected.map((value, i) => Math.abs((actual[i] as number) - value)));
  expect(worst / largest, what).toBeLessThan(tolerance);
}

/** The net of a run, with its golden weights, and its batch. */
function setUp({ net: name, options, shape }: Run) {
  const [batch, ...inputShape] = shape as [number, number, number, number];
  const net = createModel(`book/${name}`, { ...options, inputShape, numClasses: 10 } as BookNetOptions);
  fillNet(net);
  return { net, plan: compile(net), ...goldenBatch([batch, ...inputShape], name) };
}

/** The loss of each step of SGD on one batch. */
function train(
  { plan, features, labels }: Pick<ReturnType<typeof setUp>, 'plan' | 'features' | 'labels'>,
  { steps, lr }: Pick<Run, 'steps' | 'lr'>,
): number[] {
  return Array.from({ length: steps }, () => {
    const { loss, correct, gradients } = plan.step(features, labels);
    sgd(gradients, { lr });
    const value = loss.dataSync()[0] as number;
    tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
    return value;
  });
}

const weight = (net: LayersModel, name: string) =>
  net.weights
    .find(({ originalName }) => originalName === name)
    ?.read()
    .dataSync() as Float32Array;

function expectStatistics(net: LayersModel, kind: string, expected: ShortRun['movingMean'] = {}): void {
  for (const [layer, values = []] of Object.entries(expected))
    expectClose(weight(net, `${layer}/${kind}`).slice(0, values.length), values, `${layer}: ${kind}`);
}

for (const { name: engine, title, absent } of engines.filter(({ name }) => name !== 'cpu-js')) {
  describe.skipIf(absent)(`PyTorch's numbers on ${title}`, () => {
    beforeAll(() => use(engine));

    it.each(SHORT_RUNS)('$net, $options', (run) => {
      const made = setUp(run);
      const { net, plan, features } = made;
      expectClose(plan.logits(features).dataSync(), run.logits.flat(), 'logits');
      const first = train(made, { steps: 1, lr: run.lr });
      expectStatistics(net, 'moving_mean', run.movingMean);
      expectStatistics(net, 'moving_variance', run.movingVariance);
      const rest = train(made, { steps: run.steps - 1, lr: run.lr });
      expectClose([...first, ...rest], run.losses, 'losses');
      expectClose(plan.logits(features).dataSync(), run.trainedLogits.flat(), 'logits after training', TRAINED_TOLERANCE);
      net.dispose();
    });

    // Stock wasm computes as portably as the others here, and would take a minute for it.
    it.skipIf(engine === 'wasm').each(longRun.runs)('$net: the loss of every one of $steps steps, within 0.001', (run) => {
      const made = setUp(run);
      const losses = train(made, run);
      const worst = Math.max(...run.losses.map((loss, i) => Math.abs(loss - (losses[i] as number))));
      expect(worst).toBeLessThan(1e-3);
      made.net.dispose();
    });
  });
}
