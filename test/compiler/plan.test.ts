import { compile, type Plan } from '@deepend/compiler';
import { toDevice } from '@deepend/device';
import { sgdStep, softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { rowsOf } from '../helpers/full';
import { expectNoLeak } from '../helpers/leaks';
import { buildNet, isFrozen, NETS, NO_TAPE, NOT_ON_WASM, ON_WEBGPU } from './nets';

const BATCH = 5;

/** Every fourth net: by default the `simd` backend has all. */
const isRepresentative = (name: string) => Object.keys(NETS).indexOf(name) % 4 === 0;

interface Case {
  net: LayersModel;
  plan: Plan;
  features: tf.Tensor4D;
  labels: tf.Tensor1D;
}

function makeCase(name: string): Case {
  const net = buildNet(name);
  for (const weight of net.weights) {
    const shape = weight.shape.map((size) => size ?? 1);
    const size = tf.util.sizeFromShape(shape);
    const kind = weight.originalName.split('/').at(-1) ?? '';
    const spread = mix(size, kind).map((value) =>
      /gamma|variance/.test(kind) ? 0.5 + value : value - 0.5,
    );
    weight.write(tf.tensor(spread, shape));
  }
  const features = tf.tensor4d(mix(BATCH * 9 * 7 * 2, 'image'), [BATCH, 9, 7, 2]);
  return { net, plan: compile(net), features, labels: tf.tensor1d([0, 2, 1, 1, 0], 'int32') };
}

/** The statistics of batch normalization, which a training step moves. */
const statistics = (net: LayersModel) => net.weights.filter(({ trainable }) => !trainable);

/** Gradients by tfjs's tape, layer by layer, on stock cpu: each by its weight's name. */
function tapeGradients(
  { net, features, labels }: Case,
  { training }: { training: boolean },
): Record<string, Float32Array> {
  const softmaxed = JSON.stringify(net.getConfig()).match(/"softmax"|"Softmax"/);
  const loss = () => {
    const output = net.apply(features, { training }) as tf.Tensor2D;
    const logits = softmaxed ? tf.log(output) : output;
    return tf.losses.softmaxCrossEntropy(tf.oneHot(labels, 3), logits) as tf.Scalar;
  };
  const variables = net.trainableWeights.map((weight) => weight.read() as tf.Variable);
  const { grads } = tf.variableGrads(loss, variables);
  return Object.fromEntries(
    net.trainableWeights.map(({ name }, i) => [
      name,
      grads[(variables[i] as tf.Variable).name]?.dataSync() as Float32Array,
    ]),
  );
}

function relativeError(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  scale: number,
): number {
  let worst = actual.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++)
    worst = Math.max(worst, Math.abs((actual[i] ?? 0) - (expected[i] ?? 0)));
  return worst / scale;
}

for (const { name: backend, title, absent } of allBackends) {
  describe.skipIf(absent)(`a plan on ${title}`, () => {
    beforeAll(() => use(backend));

    const names = backend === 'webgpu' ? ON_WEBGPU : Object.keys(NETS);
    for (const name of backend === 'simd' ? names : rowsOf(names, isRepresentative)) {
      describe(name, () => {
        it('gives the logits that the layers give', async () => {
          const { net, plan, features } = makeCase(name);
          const logits = plan.logits(features);
          let expected = net.predict(features) as tf.Tensor;
          if (/softmax/.test(name))
            expected = tf.add(tf.log(expected), tf.logSumExp(logits, 1, true));
          expect(relativeError(await logits.data(), await expected.data(), 1)).toBeLessThan(2e-5);
        });

        const untaped =
          NO_TAPE.includes(name) || (backend === 'wasm' && NOT_ON_WASM.includes(name));
        it.skipIf(untaped)("gives the gradients of tfjs's tape", async () => {
          const made = makeCase(name);
          const kept = statistics(made.net).map((weight) => weight.read().clone());
          await use('cpu-js');
          const expected = tapeGradients(made, { training: !isFrozen(name) });
          await use(backend);
          await toDevice(made.net, { backend: backend });
          statistics(made.net).forEach((weight, i) => {
            weight.write(kept[i] as tf.Tensor);
          });
          const { gradients } = made.plan.forwardBackward(made.features, made.labels, {
            loss: softmaxCrossEntropy,
          });
          expect(gradients.map(({ parameter }) => parameter.name).sort()).toEqual(
            Object.keys(expected).sort(),
          );
          const scale = Math.max(
            ...Object.values(expected).flatMap((values) => Array.from(values, Math.abs)),
          );
          for (const { parameter, gradient } of gradients) {
            expect(gradient.shape, parameter.name).toEqual(parameter.shape);
            const error = relativeError(
              gradient.dataSync(),
              expected[parameter.name] as Float32Array,
              scale,
            );
            expect(error, parameter.name).toBeLessThan(5e-5);
          }
        });

        it.skipIf(backend === 'wasm' && NOT_ON_WASM.includes(name))(
          'leaves no tensor behind',
          async () => {
            const { plan, features, labels } = makeCase(name);
            await expectNoLeak(() => {
              const { loss, correct, gradients } = plan.forwardBackward(features, labels, {
                loss: softmaxCrossEntropy,
              });
              sgdStep(gradients, { lr: 0.1 });
              tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
            });
            await expectNoLeak(() => plan.logits(features).dispose());
            await expectNoLeak(() =>
              tf.dispose({ ...plan.evaluate(features, labels, { loss: softmaxCrossEntropy }) }),
            );
          },
        );
      });
    }
  });
}

describe('finite differences', () => {
  beforeAll(() => use('cpu-js'));

  // Along one random direction for each weight: (L(w + εd) − L(w − εd)) / 2ε = ∇L·d. float32 loss,
  // so ε is large.
  const smooth = Object.keys(NETS).filter(
    (key) => !/ReLU|block|max-pool|twice|stride|net in|1×1/.test(key),
  );
  for (const name of rowsOf(smooth, isRepresentative)) {
    it(name, () => {
      const { plan, features, labels } = makeCase(name);
      const { gradients } = plan.forwardBackward(features, labels, { loss: softmaxCrossEntropy });
      const lossNow = () =>
        plan
          .forwardBackward(features, labels, { loss: softmaxCrossEntropy })
          .loss.dataSync()[0] as number;
      for (const { parameter, gradient } of gradients) {
        const direction = tf.tensor(
          mix(gradient.size, 'direction').map((value) => value - 0.5),
          gradient.shape,
        );
        const epsilon = 5e-3;
        const start = parameter.variable.clone();
        const shifted = (by: number) => {
          parameter.variable.assign(tf.add(start, tf.mul(direction, by)));
          return lossNow();
        };
        const slope = (shifted(epsilon) - shifted(-epsilon)) / (2 * epsilon);
        parameter.variable.assign(start);
        const expected = tf.sum(tf.mul(gradient, direction)).dataSync()[0] as number;
        const size =
          (tf.norm(gradient).dataSync()[0] as number) *
          (tf.norm(direction).dataSync()[0] as number);
        expect(Math.abs(slope - expected), parameter.name).toBeLessThan(
          0.01 * Math.abs(expected) + 2e-3 * size + 2e-4,
        );
      }
    });
  }
});
