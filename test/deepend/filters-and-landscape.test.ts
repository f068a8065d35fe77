/** Filters, feature maps and the loss landscape of a model. */

import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { evaluate, plots } from 'deepend';
import { beforeAll, describe, expect, it } from 'vitest';
import { filterNormalized } from '../../packages/deepend/src/figures/loss-landscape';
import { backends, use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader } from '../helpers/loaders';

const init = (seed: number) => tfl.initializers.glorotUniform({ seed });
const smallNet = () =>
  tfl.sequential({
    name: 'small',
    layers: [
      tfl.layers.conv2d({
        name: 'stem.conv',
        inputShape: [6, 6, 3],
        filters: 4,
        kernelSize: 3,
        kernelInitializer: init(1),
      }),
      tfl.layers.batchNormalization({ name: 'stem.bn' }),
      tfl.layers.depthwiseConv2d({
        name: 'deep',
        kernelSize: 3,
        depthMultiplier: 2,
        depthwiseInitializer: init(2),
      }),
      tfl.layers.flatten({ name: 'flat' }),
      tfl.layers.dense({ name: 'fc', units: 3, kernelInitializer: init(3) }),
    ],
  });
const loader = () => fakeLoader(6, 6, { shape: [6, 6, 3] });
const firstBatch = async () =>
  (await loader()[Symbol.asyncIterator]().next()).value as {
    features: tf.Tensor;
    labels: tf.Tensor;
  };
const bytesOf = (net: tfl.LayersModel) =>
  net
    .getWeights()
    .map((weight) =>
      Buffer.from(new Uint8Array((weight.dataSync() as Float32Array).slice().buffer)).toString(
        'hex',
      ),
    );
const imagesOf = (svg: string) => svg.match(/<image /g)?.length ?? 0;

describe.for(backends.filter(({ name }) => name === 'cpu-js' || name === 'simd'))(
  'on $title',
  ({ name, absent }) => {
    beforeAll(async () => {
      if (!absent) await use(name);
    });

    it.skipIf(absent)('showFilters draws each filter once', async () => {
      const net = smallNet();
      expect(imagesOf((await plots.showFilters(net, 'stem.conv')).svg)).toBe(4);
      expect(imagesOf((await plots.showFilters(net, 'deep')).svg)).toBe(8);
      await expect(plots.showFilters(net, 'stem.con')).rejects.toThrow(
        "the model 'small' has no convolution 'stem.con'; did you mean 'stem.conv'?",
      );
      await expect(plots.showFilters(net, 'fc')).rejects.toThrow(
        "has no convolution 'fc'; the first is 'stem.conv'",
      );
    });

    it.skipIf(absent)(
      'showFeatureMaps draws each channel of a layer or a block, for the image that is asked for',
      async () => {
        const net = smallNet();
        const { features, labels } = await firstBatch();
        const maps = async (layer: string, options?: object) =>
          (await plots.showFeatureMaps(net, features, layer, options)).svg;
        expect(imagesOf(await maps('stem'))).toBe(4);
        expect(imagesOf(await maps('deep'))).toBe(8);
        expect(await maps('deep', { image: 1, scaleEach: false })).not.toBe(
          await maps('deep', { image: 0, scaleEach: false }),
        );
        const alone = tf.tidy(() =>
          tf.squeeze(tf.slice(features, [1, 0, 0, 0], [1, -1, -1, -1]), [0]),
        );
        expect((await plots.showFeatureMaps(net, alone, 'deep')).svg).toBe(
          await maps('deep', { image: 1 }),
        );
        await expect(maps('fc')).rejects.toThrow(
          "'fc' gives [batch, 3]; expected a layer that gives [batch, height, width, channels]",
        );
        await expect(maps('deep', { image: 6 })).rejects.toThrow(
          'of more than 6 images, got [6,6,6,3]',
        );
        tf.dispose([features, labels, alone]);
      },
    );

    it.skipIf(absent)('neither leaves a tensor behind', async () => {
      const net = smallNet();
      const { features, labels } = await firstBatch();
      await expectNoLeak(async () => {
        await plots.showFilters(net, 'deep');
        await plots.showFeatureMaps(net, features, 'deep');
        await plots.showFeatureMaps(net, features, 'fc').catch(() => {});
      });
      tf.dispose([features, labels]);
    });

    it.skipIf(absent)(
      'lossLandscape has the net in its middle, and leaves it bit for bit',
      async () => {
        const net = smallNet();
        const [before, batch] = [bytesOf(net), await firstBatch()];
        const seen: string[] = [];
        const options = {
          steps: 3,
          range: 0.5,
          onPoint: (done: number, total: number) => seen.push(`${done}/${total}`),
        };
        const grid = await plots.lossLandscape(net, batch, options);
        expect(bytesOf(net)).toEqual(before);
        expect(grid.x).toEqual([-0.5, 0, 0.5]);
        expect(grid.z[1]?.[1]).toBe((await evaluate(net, loader())).loss);
        expect(new Set(grid.z.flat()).size).toBe(9);
        expect(seen).toEqual(Array.from({ length: 9 }, (_, i) => `${i + 1}/9`));
        expect(await plots.lossLandscape(net, loader(), { steps: 3, range: 0.5 })).toEqual(grid);
        expect(
          (await plots.lossLandscape(net, batch, { steps: 3, range: 0.5, seed: 1 })).z,
        ).not.toEqual(grid.z);
        expect(plots.plotContours(grid).svg).toContain('<path');
        tf.dispose([batch.features, batch.labels]);
      },
    );

    it.skipIf(absent)(
      'lossLandscape puts the weights back after an error too, and leaves no tensor',
      async () => {
        const net = smallNet();
        const [before, batch] = [bytesOf(net), await firstBatch()];
        const failing = () =>
          plots.lossLandscape(net, batch, {
            steps: 3,
            onPoint: () => {
              throw new Error('enough');
            },
          });
        await expect(failing()).rejects.toThrow('enough');
        expect(bytesOf(net)).toEqual(before);
        await expectNoLeak(async () => {
          await plots.lossLandscape(net, batch, { steps: 2 });
          await failing().catch(() => {});
        });
        tf.dispose([batch.features, batch.labels]);
      },
    );
  },
);

describe('a direction', () => {
  it('has in each filter the length of its weights, and none where they are 0', () => {
    let next = 0;
    const gaussian = () => Math.sin(++next) + 0.1;
    const lengths = (values: ArrayLike<number>, filters: number) =>
      Array.from({ length: filters }, (_, f) =>
        Math.hypot(...Array.from(values).filter((__, i) => i % filters === f)),
      );
    const weights = Float32Array.from({ length: 3 * 3 * 2 * 4 }, (_, i) =>
      i % 4 === 3 ? 0 : Math.cos(i),
    );
    const direction = filterNormalized(gaussian, weights, {
      shape: [3, 3, 2, 4],
      name: 'conv/kernel',
    });
    const close = (some: ArrayLike<number>, filters: number) => {
      for (const [f, length] of lengths(some, filters).entries())
        expect(length).toBeCloseTo(lengths(weights, filters)[f] as number, 5);
    };
    close(direction, 4);
    const depthwise = filterNormalized(gaussian, weights, {
      shape: [3, 3, 2, 4],
      name: 'deep/depthwise_kernel',
    });
    close(depthwise, 8);
  });

  it('is refused where there is nothing to move, or to evaluate', async () => {
    await use('cpu-js');
    const net = tfl.sequential({
      name: 'none',
      layers: [tfl.layers.flatten({ inputShape: [6, 6, 3] })],
    });
    await expect(plots.lossLandscape(net, loader())).rejects.toThrow(
      "the model 'none' has no layer with a matrix of weights",
    );
    await expect(plots.lossLandscape(smallNet(), loader(), { steps: 1 })).rejects.toThrow(
      '"steps" must be an integer from 2 to 501',
    );
  });
});
