/** Grad-CAM on nets whose maps have a formula, and its figure. */
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { nn, plots } from 'deepend';
import { beforeAll, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));

const [height, width, filters, numClasses] = [5, 4, 3, 2];
const init = (seed: number) => tfl.initializers.randomNormal({ seed });

/** A convolution, and `head` on it. */
const netOf = (...head: tfl.layers.Layer[]) =>
  tfl.sequential({
    name: 'small',
    layers: [
      tfl.layers.conv2d({
        name: 'conv',
        inputShape: [height, width, 1],
        filters,
        kernelSize: 3,
        padding: 'same',
        activation: 'relu',
        kernelInitializer: init(1),
      }),
      ...head,
    ],
  });
const dense = (activation?: 'softmax') =>
  tfl.layers.dense({
    name: 'fc',
    units: numClasses,
    kernelInitializer: init(2),
    ...(activation && { activation }),
  });
const pooled = (activation?: 'softmax') =>
  netOf(tfl.layers.globalAveragePooling2d({ name: 'pool' }), dense(activation));
const imagesOf = (count: number) =>
  tf.tensor(mix(count * height * width, 'cam'), [count, height, width, 1]);

/** The convolution's output `[batch, height, width, filters]` and the weights of the last layer. */
function partsOf(net: tfl.LayersModel, images: tf.Tensor) {
  const half = tfl.model({ inputs: net.inputs, outputs: net.getLayer('conv').output });
  const kernel = net.getLayer('fc').getWeights()[0] as tf.Tensor;
  return {
    activations: (half.predict(images) as tf.Tensor).dataSync(),
    kernel: kernel.dataSync(),
  };
}

/** relu(Σ weights[k] · A[k]) of each place of each image. */
const weighted = (activations: ArrayLike<number>, weightOf: (k: number, image: number) => number) =>
  Array.from({ length: activations.length / filters }, (_, at) => {
    const image = Math.floor(at / (height * width));
    let sum = 0;
    for (let k = 0; k < filters; k++)
      sum += weightOf(k, image) * (activations[at * filters + k] as number);
    return Math.max(0, sum);
  });

function expectClose(got: ArrayLike<number>, expected: readonly number[]) {
  expect(got).toHaveLength(expected.length);
  expect(Math.max(...expected)).toBeGreaterThan(0); // else an empty map would pass
  expected.forEach((value, i) => {
    expect(got[i]).toBeCloseTo(value, 6);
  });
}

it.each(['softmax', undefined] as const)(
  'equals CAM behind global average pooling, before a final %s',
  async (activation) => {
    const [net, images] = [pooled(activation), imagesOf(2)];
    const { activations, kernel } = partsOf(net, images);
    for (const classes of [
      [0, 1],
      [1, 0],
    ]) {
      const cam = await plots.gradCam(net, images, { classes });
      expect(cam).toMatchObject({ shape: [2, height, width], classes });
      const weightOf = (k: number, image: number) =>
        (kernel[k * numClasses + (classes[image] as number)] as number) / (height * width);
      expectClose(cam.data, weighted(activations, weightOf));
    }
  },
);

it('weights channels by the mean of their gradients', async () => {
  const [net, images] = [netOf(tfl.layers.flatten(), dense()), imagesOf(1)];
  const { activations, kernel } = partsOf(net, images);
  const weightOf = (k: number) => {
    let sum = 0;
    for (let place = 0; place < height * width; place++)
      sum += kernel[(place * filters + k) * numClasses + 1] as number;
    return sum / (height * width);
  };
  const cam = await plots.gradCam(net, images, { layer: 'conv', classes: 1 });
  expectClose(cam.data, weighted(activations, weightOf));
});

it('explains the predicted class by default', async () => {
  const [net, images] = [pooled('softmax'), imagesOf(3)];
  const best = tf.argMax(net.predict(images) as tf.Tensor, 1).dataSync();
  expect((await plots.gradCam(net, images)).classes).toEqual([...best]);
});

/** The same net as a module: the convolution's activation is a function in `forward`. */
class Small extends nn.Module {
  readonly conv = new nn.Conv2d(1, filters, 3, { padding: 1 });
  readonly act = new nn.ReLU();
  readonly fc = new nn.Linear(filters, numClasses);
  readonly out = new nn.Softmax();

  constructor(net: tfl.LayersModel) {
    super();
    const weightsOf = (name: string) => net.getLayer(name).getWeights() as [tf.Tensor, tf.Tensor];
    const [kernel, bias] = weightsOf('conv');
    const [weight, offset] = weightsOf('fc');
    this.loadStateDict({
      'conv.weight': tf.transpose(kernel, [3, 2, 0, 1]),
      'conv.bias': bias,
      'fc.weight': tf.transpose(weight),
      'fc.bias': offset,
    });
  }

  forward(x: tf.Tensor): tf.Tensor {
    const maps = this.act.forward(this.conv.forward(x)); // [batch, height, width, filters]
    return this.out.forward(this.fc.forward(tf.mean(maps, [1, 2])));
  }
}

it.each([
  ['a module, before its final softmax', (net: nn.Module) => net],
  ['a compiled module', (net: nn.Module) => nn.compile(net, imagesOf(2))],
])('%s has the maps of the model of layers', async (_, wrap) => {
  const [net, images] = [pooled('softmax'), imagesOf(2)];
  const module = wrap(new Small(net));
  const expected = await plots.gradCam(net, images, { classes: [0, 1] });
  for (const layer of [undefined, 'act']) {
    const options = { classes: [0, 1], ...(layer && { layer }) };
    const cam = await plots.gradCam(module, images, options);
    expect(cam).toMatchObject({ shape: expected.shape, classes: expected.classes });
    expectClose(cam.data, [...expected.data]);
  }
  const before = await plots.gradCam(module, images, { classes: [0, 1], layer: 'conv' });
  expect([...before.data]).not.toEqual([...expected.data]); // without the ReLU
  await expectNoLeak(async () => {
    await plots.showGradCam(module, images, { classNames: ['shirt', 'coat'] });
    await plots.gradCam(module, images, { layer: 'fc' }).catch(() => {});
  });
});

it.each([
  [
    'an unknown module',
    { layer: 'con' },
    "calls no module 'con' that gives a tensor; did you mean 'conv'?",
  ],
  ['a module without images', { layer: 'fc' }, "'fc' gives 2 axes"],
  ['a class that does not exist', { classes: 2 }, '"classes" below 2 for 1 images, got 2'],
])('refuses %s of a module', async (_, options, message) => {
  const module = new Small(pooled());
  await expect(plots.gradCam(module, imagesOf(1), options)).rejects.toThrow(message);
});

it('takes the output of what follows the last convolution, and a layer that is called twice', async () => {
  const norm = tfl.layers.batchNormalization({ name: 'norm', gammaInitializer: init(4) });
  const relu = tfl.layers.reLU({ name: 'relu' });
  const x = tfl.input({ shape: [height, width, 1] });
  const conv = (name: string, seed: number) =>
    tfl.layers.conv2d({
      name,
      filters,
      kernelSize: 3,
      padding: 'same',
      kernelInitializer: init(seed),
    });
  const first = relu.apply(conv('a', 1).apply(x));
  const second = relu.apply(norm.apply(conv('b', 3).apply(first)));
  const pool = tfl.layers.globalAveragePooling2d({ name: 'pool' }).apply(second);
  const net = tfl.model({ inputs: x, outputs: dense().apply(pool) as tfl.SymbolicTensor });
  const images = imagesOf(2);
  const maps = tfl.model({ inputs: x, outputs: second as tfl.SymbolicTensor });
  const activations = (maps.predict(images) as tf.Tensor).dataSync();
  const kernel = (net.getLayer('fc').getWeights()[0] as tf.Tensor).dataSync();
  const cam = await plots.gradCam(net, images, { classes: 1 });
  expectClose(
    cam.data,
    weighted(activations, (k) => (kernel[k * numClasses + 1] as number) / (height * width)),
  );
});

it('leaves no tensor behind, and the net as it was', async () => {
  const [net, images] = [pooled('softmax'), imagesOf(2)];
  const before = (net.predict(images) as tf.Tensor).dataSync();
  await expectNoLeak(async () => {
    await plots.showGradCam(net, images, { classNames: ['shirt', 'coat'] });
    await plots.gradCam(net, images, { layer: 'fc' }).catch(() => {});
    await plots.gradCam(net, images, { classes: 7 }).catch(() => {});
  });
  expect((net.predict(images) as tf.Tensor).dataSync()).toEqual(before);
});

it('draws the images under their classes', async () => {
  const [net, images] = [pooled(), imagesOf(2)];
  const figure = await plots.showGradCam(net, images, { classes: [1, 0], classNames: ['a', 'b'] });
  expect(figure.svg.match(/<image /g)).toHaveLength(2);
  expect(figure.description).toBe('2 images: b; a');
});

it('refuses images of another shape than the model takes', async () => {
  const wide = tf.zeros([1, 99, 4, 3]);
  await expect(plots.gradCam(pooled(), wide)).rejects.toThrow("images of the model's shape");
  wide.dispose();
});

it.each([
  ['a class that does not exist', { classes: 2 }, '"classes" below 2 for 1 images, got 2'],
  ['classes of other images', { classes: [0, 1] }, '"classes" below 2 for 1 images, got [0, 1]'],
  ['a layer without images', { layer: 'fc' }, "'fc' gives 2 axes"],
  ['an unknown layer', { layer: 'con' }, "did you mean 'conv'"],
  ['an unknown option', { classs: 1 }, 'there is no option "classs"; did you mean "classes"?'],
])('refuses %s', async (_, options, message) => {
  await expect(plots.gradCam(pooled(), imagesOf(1), options as object)).rejects.toThrow(message);
});

it('a heat map of 0 leaves its image, and the largest value has the colour of the map', async () => {
  const images = { data: Uint8Array.of(100, 100, 100, 100), shape: [2, 1, 2] };
  const maps = { data: [0, 0, 0, 5], shape: [2, 1, 2] };
  const options = { opacity: 1, size: 2 };
  const figure = await plots.showHeatOverlay(images, maps, options);
  const yellow = await plots.showImages(
    { data: Uint8Array.of(100, 100, 100, 253, 231, 37), shape: [1, 1, 2, 3] },
    { size: 2 },
  );
  const hrefs = (svg: string) => [...svg.matchAll(/href="([^"]+)"/g)].map(([, href]) => href);
  const rgb = await plots.showImages(
    { data: Uint8Array.of(100, 100, 100, 100, 100, 100), shape: [1, 1, 2, 3] },
    { size: 2 },
  );
  expect(hrefs(figure.svg)).toEqual([...hrefs(rgb.svg), ...hrefs(yellow.svg)]);
  await expect(plots.showHeatOverlay(images, { ...maps, shape: [1, 2, 2] })).rejects.toThrow(
    '[plot] showHeatOverlay: expected maps [2, height, width], one for each image, got [1, 2, 2]',
  );
  const damaged = { ...maps, data: Array.from(maps.data, (value, i) => (i === 1 ? NaN : value)) };
  await expect(plots.showHeatOverlay(images, damaged)).rejects.toThrow(
    '[plot] showHeatOverlay: expected finite values, got NaN in map 0',
  );
});

it('draws heat maps of hundreds of thousands of pixels', async () => {
  const side = 600;
  const image = { data: new Uint8Array(3), shape: [1, 1, 1, 3] };
  const maps = { data: new Float32Array(side ** 2).fill(1), shape: [1, side, side] };
  expect((await plots.showHeatOverlay(image, maps)).svg).toContain('<svg');
});
