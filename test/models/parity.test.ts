// Zero weights: every weight gets its golden value.
/** The zoo against PyTorch; the values are test/golden/make-golden.py's. */
import { compile, type Plan, type StepResult } from '@deepend/compiler';
import { sgdStep, softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { Execution as Pass } from '../../packages/compiler/src/execution';
import { fuse } from '../../packages/compiler/src/fuse';
import { readGraph } from '../../packages/compiler/src/graph';
import { analyzeLiveness } from '../../packages/compiler/src/liveness';
import { lower } from '../../packages/compiler/src/lower';
import { backends, use } from '../helpers/backends';
import { isFull } from '../helpers/full';
import { expectClose, type Run, readGolden, setUp, type TrainingRun, trains } from './golden-runs';

const TOLERANCE = 1e-4; // of the largest value
/**
 * Five steps carry a ReLU that rounded to the other side of zero: PyTorch's float32 and float64
 * runs are up to 2e-4 apart by then.
 */
const TRAINED_TOLERANCE = 1e-3;
/** Such a ReLU shows at once in a gradient's norm, by up to 2.5e-3 between PyTorch's two runs. */
const GRADIENT_TOLERANCE = 1e-2;

const FILES = ['book.json', 'book-residual.json', 'torchvision.json', 'residual.json'];
const RUNS = FILES.flatMap((file) => readGolden<{ runs: Run[] }>(file).runs);
/** Of each family the run with the smallest batch that trains. */
const REPRESENTATIVE: readonly Run[] = [...new Set(RUNS.map(({ id }) => family(id)))].flatMap(
  (name) => {
    const runs = RUNS.filter(({ id }) => family(id) === name);
    const sizeOf = ({ id, shape }: Run) =>
      shape.reduce((a, b) => a * b, /^resnet50/.test(id) ? 9 : 1);
    const [smallest] = runs.filter(trains).sort((a, b) => sizeOf(a) - sizeOf(b));
    return smallest ? [smallest] : [];
  },
);
/** Other backends have the runs that are small enough for all. */
const isRepresentative = (run: Run, backend: string) =>
  backend === 'simd' ? REPRESENTATIVE.includes(run) : (run.everywhere ?? false);
/**
 * What plain JavaScript computes for seconds, and other backends do not; AlexNet and VGG, whose
 * millions of weights are in layers that others have, too; and ResNeXt, which is as RegNet is.
 */
const isSlow = ({ id }: Run, backend: string) =>
  /alexnet|vgg|resnext/.test(id) ||
  (backend === 'cpu-js' && /resnet8|regnetx32|golden|nin|googlenet/.test(id));
const LONG_RUNS = readGolden<{ runs: TrainingRun[] }>('long-run.json').runs;

interface Case {
  net: LayersModel;
  plan: Plan;
  features: tf.Tensor4D;
  labels: tf.Tensor1D;
}

function begin(run: Pick<Run, 'id' | 'options' | 'shape'>): Case {
  const made = setUp(run);
  return { ...made, plan: compile(made.net) };
}

function valuesOf(tensor: tf.Tensor): Float32Array {
  const values = tensor.dataSync() as Float32Array;
  tensor.dispose();
  return values;
}

/**
 * The logits of a pass in training mode, which a step keeps to itself. The statistics that it moves
 * are put back.
 */
function trainingLogits({ net, features }: Case): Float32Array {
  const statistics = net.weights.filter(({ originalName }) => originalName.includes('/moving_'));
  const kept = statistics.map((weight) => weight.read().clone());
  const pass = new Pass(
    analyzeLiveness(fuse(lower(readGraph(net))), { backward: true }),
    features,
    {
      training: true,
      seed: 0,
    },
  );
  const values = valuesOf(pass.forward());
  pass.dispose();
  statistics.forEach((weight, i) => {
    weight.write(kept[i] as tf.Tensor);
  });
  tf.dispose(kept);
  return values;
}

/** One step of SGD on the batch; `look` sees it before the weights move. */
function step(
  { plan, features, labels }: Case,
  lr: number,
  look?: (result: StepResult) => void,
): number {
  const result = plan.forwardBackward(features, labels, { loss: softmaxCrossEntropy });
  look?.(result);
  sgdStep(result.gradients, { lr });
  tf.dispose([result.correct, result.gradients.map(({ gradient }) => gradient)]);
  return valuesOf(result.loss)[0] as number;
}

const torchName = (name: string) =>
  name
    .replace(/(\.layer_scale)\/depthwise_kernel$/, '$1')
    .replace(/\/(kernel|gamma|depthwise_kernel)$/, '.weight')
    .replace(/\/(bias|beta)$/, '.bias');

/**
 * Each norm within the tolerance of itself and a hundredth of the largest: that of a bias before a
 * batch normalization is 0 but for rounding.
 */
function expectGradients(
  gradients: StepResult['gradients'],
  expected: TrainingRun['gradients'],
): void {
  const norms = new Map(
    gradients.map(({ parameter, gradient }) => [
      torchName(parameter.name),
      valuesOf(tf.norm(gradient))[0] as number,
    ]),
  );
  const largest = Math.max(...Object.values(expected));
  for (const [name, norm] of Object.entries(expected)) {
    const error = Math.abs((norms.get(name) ?? Number.NaN) - norm) / (norm + largest / 100);
    expect(error, `gradient of ${name}`).toBeLessThan(GRADIENT_TOLERANCE);
  }
}

function expectStatistics(
  net: LayersModel,
  kind: string,
  expected: Record<string, number[]>,
): void {
  for (const [layer, values] of Object.entries(expected)) {
    const weight = net
      .getLayer(layer)
      .weights.find(({ originalName }) => originalName.endsWith(kind));
    const actual = weight?.read().dataSync() as Float32Array;
    expectClose(actual.slice(0, values.length), values, `${layer}: ${kind}`, TOLERANCE);
  }
}

function expectSteps(made: Case, run: TrainingRun): void {
  expectClose(
    trainingLogits(made),
    run.trainingLogits.flat(),
    'logits in training mode',
    TOLERANCE,
  );
  const losses = [step(made, run.lr, ({ gradients }) => expectGradients(gradients, run.gradients))];
  expectStatistics(made.net, 'moving_mean', run.runningMean);
  expectStatistics(made.net, 'moving_variance', run.runningVar);
  while (losses.length < run.steps) losses.push(step(made, run.lr));
  expectClose(losses, run.losses, 'losses', TOLERANCE);
  expectClose(
    valuesOf(made.plan.logits(made.features)),
    run.trainedLogits.flat(),
    'logits after training',
    TRAINED_TOLERANCE,
  );
}

for (const { name: backend, title, absent } of backends) {
  describe.skipIf(absent)(`PyTorch's numbers on ${title}`, () => {
    beforeAll(() => use(backend));

    const runs = RUNS.filter(({ everywhere }) => everywhere || backend === 'simd');
    const ran = runs.filter(
      (run) => isFull || (isRepresentative(run, backend) && !isSlow(run, backend)),
    );
    const skipped = runs.length - ran.length;
    if (skipped > 0) it.skip(`${skipped} more runs: npm run test:full`, () => {});
    it.each(ran)('$id, $options, $shape, $steps steps', (run) => {
      const before = tf.memory().numTensors;
      const made = begin(run);
      const { net, plan, features, labels } = made;
      expectClose(valuesOf(plan.logits(features)), run.logits.flat(), 'logits', TOLERANCE);
      expectClose(
        valuesOf(net.predict(features) as tf.Tensor),
        run.logits.flat(),
        "stock tfjs's logits",
        TOLERANCE,
      );
      if (trains(run)) expectSteps(made, run);
      tf.dispose([features, labels]);
      net.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });

    it.skipIf(backend !== 'simd').each(LONG_RUNS)(
      '$id: the loss of every step, within 0.001 (5 steps; npm run test:full: $steps)',
      (run) => {
        const made = begin(run);
        const expected = isFull ? run.losses : run.losses.slice(0, 5);
        const losses = expected.map(() => step(made, run.lr));
        const worst = Math.max(
          ...expected.map((loss, i) => Math.abs(loss - (losses[i] as number))),
        );
        expect(worst).toBeLessThan(1e-3);
        tf.dispose([made.features, made.labels]);
        made.net.dispose();
      },
    );
  });
}

describe('the golden runs', () => {
  it('train every family somewhere, and run every family on every backend', () => {
    const families = (runs: readonly Run[]) => new Set(runs.map(({ id }) => family(id)));
    expect([...families(RUNS.filter(trains))].sort()).toEqual([...families(RUNS)].sort());
    expect([...families(RUNS.filter(({ everywhere }) => everywhere))].sort()).toEqual(
      [...families(RUNS)].sort(),
    );
  });
});

/** `book/vgg11`, `vgg13_bn`: vgg. */
function family(id: string): string {
  return (
    /(resnext|regnet|resnet|bottleneck|vgg|densenet|googlenet|alexnet|mobilenet|lenet|nin|mlp)/.exec(
      id,
    )?.[0] ?? id
  ).replace(/bottleneck/, 'resnet');
}
