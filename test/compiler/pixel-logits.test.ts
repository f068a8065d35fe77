/** Plans of models with logits for each pixel, compared with the same model on the tape. */
import { type AnyLoss, Plan, planOf, TapePlan, type TrainingPlan } from '@deepend/compiler';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { backends, use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const CLASSES = 3;

/** Options of the transposed convolution. */
type Last = Partial<Parameters<typeof tfl.layers.conv2dTranspose>[0]>;

/** `[batch, 16, 24, 2]` → logits of three classes at each pixel, through 2 × 3 positions. */
function fullyConvolutional(last: Last = {}) {
  const input = tfl.input({ shape: [16, 24, 2] });
  const init = (seed: number) => tfl.initializers.randomNormal({ stddev: 0.3, seed });
  const conv = tfl.layers.conv2d({
    name: 'shrink',
    ...{ filters: 4, kernelSize: 8, strides: 8, padding: 'same', activation: 'relu' },
    kernelInitializer: init(1),
  });
  const upsample = tfl.layers.conv2dTranspose({
    name: 'enlarge',
    ...{ filters: CLASSES, kernelSize: 16, strides: 8, padding: 'same' },
    ...{ kernelInitializer: init(2), ...last },
  });
  const outputs = upsample.apply(conv.apply(input)) as tfl.SymbolicTensor;
  return tfl.model({ inputs: input, outputs });
}

/** Features, and a label for each pixel of the outputs. */
function batchFor(model: tfl.LayersModel) {
  const [, height = 0, width = 0] = (model.outputs[0]?.shape ?? []) as number[];
  const classes = Int32Array.from(
    { length: 2 * height * width },
    (_, i) => (5 * i + (i >> 4)) % CLASSES,
  );
  const features = tf.randomNormal<tf.Rank.R4>([2, 16, 24, 2], 0, 1, 'float32', 3);
  return { features, labels: tf.tensor(classes, [2, height, width], 'int32') };
}

const loss = softmaxCrossEntropy as AnyLoss<tf.Scalar>;

/** The numbers of a step. */
function stepOf(plan: TrainingPlan, { features, labels }: ReturnType<typeof batchFor>) {
  const { loss: value, correct, gradients } = plan.forwardBackward(features, labels, { loss });
  const read = (tensor: tf.Tensor) => [...tensor.dataSync()];
  const result = {
    ...{ loss: read(value), correct: read(correct) },
    ...Object.fromEntries(
      gradients.map(({ parameter, gradient }) => [parameter.name, read(gradient)]),
    ),
  };
  tf.dispose([value, correct, gradients.map(({ gradient }) => gradient)]);
  return result;
}

/** What plain JavaScript computes on the tape, of the same model and batch. */
async function expectedOf(last: Last) {
  await use('cpu-js');
  const model = fullyConvolutional(last);
  const batch = batchFor(model);
  const step = stepOf(new TapePlan(model), batch);
  tf.dispose([batch.features, batch.labels]);
  model.dispose();
  return step;
}

const ROWS: [string, Last][] = [
  ['a padded one', {}],
  ['an unpadded one', { padding: 'valid', kernelSize: 10 }],
  ['one without a bias', { useBias: false }],
  ['one of a small stride', { kernelSize: 3, strides: [2, 3] }],
];

for (const { name: backend, title, absent } of backends) {
  describe.skipIf(absent)(`plans of logits for each pixel on ${title}`, () => {
    it.each(ROWS)('compute what the tape does through %s, and leave nothing', async (_, last) => {
      const expected = await expectedOf(last);
      await use(backend);
      const model = fullyConvolutional(last);
      const batch = batchFor(model);
      const plan = planOf(model);
      expect(plan).toBeInstanceOf(Plan);
      expect(plan.numClasses).toBeUndefined();
      const step = stepOf(plan, batch) as typeof expected;
      expect(Object.keys(step).sort()).toEqual(Object.keys(expected).sort());
      for (const [name, values] of Object.entries(expected)) {
        const own = step[name as keyof typeof step];
        const differences = values.map((value, i) => Math.abs(value - (own[i] ?? Number.NaN)));
        expect(Math.max(...differences), name).toBeLessThan(1e-4);
      }
      const logits = plan.logits(batch.features) as tf.Tensor;
      const stock = model.predict(batch.features) as tf.Tensor;
      const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(logits, stock))));
      expect(difference.dataSync()[0]).toBeLessThan(1e-4);
      tf.dispose([logits, stock, difference]);
      await expectNoLeak(() => void stepOf(plan, batch));
      tf.dispose([batch.features, batch.labels]);
      model.dispose();
    });
  });
}

describe('logits for each pixel', () => {
  beforeAll(() => use('cpu-js'));

  it('that end with a softmax stay on the tape, which looks through it', () => {
    const model = fullyConvolutional({ activation: 'softmax' });
    expect(planOf(model)).toBeInstanceOf(TapePlan);
    model.dispose();
  });

  it('have labels that the loss checks', () => {
    const model = fullyConvolutional();
    const { features, labels } = batchFor(model);
    const wrong = tf.tidy(() => tf.add(labels, tf.scalar(1, 'int32')));
    const numTensors = tf.memory().numTensors;
    const step = () => planOf(model).forwardBackward(features, wrong, { loss });
    expect(step).toThrow(/labels from 0 to 2/);
    expect(tf.memory().numTensors).toBe(numTensors);
    tf.dispose([features, labels, wrong]);
    model.dispose();
  });
});
