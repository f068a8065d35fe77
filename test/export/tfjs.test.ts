// Zero weights: every weight gets its golden value.
/**
 * TensorFlow.js loads what exportTfjs writes, in Node and in a browser, and gives the same logits.
 */
import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ExportTfjsOptions, exportTfjs } from '@deepend/export';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupedConv2d } from '../../packages/nn/src/grouped-conv';
import { use } from '../helpers/backends';
import { noBrowser, openBrowser } from '../helpers/browser';
import {
  EXPORT_NETS,
  type Expected,
  type ExportNet,
  expectedOf,
  expectLogits,
} from '../helpers/export-nets';
import { expectNoLeak } from '../helpers/leaks';
import { serve, type TestServer } from '../helpers/server';

/** The whole of TensorFlow.js as a page takes it; it comes with tfjs-node. */
const BUNDLE = (() => {
  try {
    return path.join(
      path.dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs/package.json')),
      'dist/tf.min.js',
    );
  } catch {
    return undefined;
  }
})();

let dir: string;
let server: TestServer;
const at = (...names: string[]) => path.join(dir, ...names);
beforeAll(async () => {
  await use('simd');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  server = await serve((request, response) => {
    const name = (request.url ?? '/').slice(1);
    if (name === '')
      return void response
        .setHeader('content-type', 'text/html')
        .end('<!doctype html><script src="tf.min.js"></script>');
    if (name === 'favicon.ico') return void response.end();
    const file = name === 'tf.min.js' ? (BUNDLE as string) : at(name);
    if (!fs.existsSync(file)) return void response.writeHead(404).end();
    createReadStream(file).pipe(response);
  });
});
afterAll(async () => {
  await server.close();
  await fs.remove(dir);
});

type Format = NonNullable<ExportTfjsOptions['format']>;
const LOADERS: Record<
  Format,
  (url: string) => Promise<Pick<tf.InferenceModel, 'predict'> & { dispose(): unknown }>
> = {
  layers: (url) => tfl.loadLayersModel(url),
  graph: (url) => loadGraphModel(url),
};

async function loaded(
  place: string,
  format: Format,
  { images, shape }: Expected,
): Promise<number[]> {
  const net = await LOADERS[format](`${server.url}${place}/model.json`);
  const features = tf.tensor(images, shape);
  const logits = net.predict(features, {}) as tf.Tensor;
  const values = [...(await logits.data())];
  tf.dispose([features, logits]);
  net.dispose();
  return values;
}

const jsonOf = async (place: string) => fs.readJson(at(place, 'model.json'));

describe.each(['layers', 'graph'] as const)('the format %s', (format) => {
  // What stock TensorFlow.js cannot load again is refused below.
  const nets = EXPORT_NETS.filter(
    ({ name }) => format === 'graph' || !['stock layers', 'shared layers'].includes(name),
  );

  it.each(nets)('gives the logits of $name', async ({ name, make }) => {
    const net = make();
    const place = `${format}-${EXPORT_NETS.findIndex((one) => one.name === name)}`;
    const expected = await expectedOf(net, name);
    await exportTfjs(net, at(place), { format });
    net.dispose();
    expectLogits(await loaded(place, format, expected), expected.logits);
    expect(JSON.stringify(await jsonOf(place))).not.toContain('deepend>'); // no class that stock TensorFlow.js lacks
  });

  it('cuts the weights into files of the size asked for, and takes away those of an earlier export', async () => {
    const net = (EXPORT_NETS.find(({ name }) => name === 'book/lenet') as ExportNet).make();
    const expected = await expectedOf(net, 'shards');
    await fs.outputFile(at('shards', format, 'notes.txt'), 'mine');
    await exportTfjs(net, at('shards', format), { format, shardBytes: 100_000 });
    const shards = ['group1-shard1of3.bin', 'group1-shard2of3.bin', 'group1-shard3of3.bin'];
    expect((await fs.readdir(at('shards', format))).sort()).toEqual([
      ...shards,
      'model.json',
      'notes.txt',
    ]);
    expect((await fs.stat(at('shards', format, 'group1-shard2of3.bin'))).size).toBe(100_000);
    expectLogits(await loaded(`shards/${format}`, format, expected), expected.logits);
    await exportTfjs(net, at('shards', format), { format, classNames: ['a', 'b'] });
    expect((await fs.readdir(at('shards', format))).sort()).toEqual([
      'group1-shard1of1.bin',
      'model.json',
      'notes.txt',
    ]);
    expect((await jsonOf(`shards/${format}`)).userDefinedMetadata).toEqual({
      classNames: ['a', 'b'],
    });
  });

  it('leaves no tensor behind', async () => {
    const [one, grouped] = ['book/bn_lenet', 'book/resnext18'].map((name) =>
      (EXPORT_NETS.find((net) => net.name === name) as ExportNet).make(),
    );
    await expectNoLeak(async () => {
      await exportTfjs(one as tfl.LayersModel, at('leak'), { format });
      await exportTfjs(grouped as tfl.LayersModel, at('leak'), { format });
    });
  });
});

class Unheard extends tfl.layers.Layer {
  static readonly className = 'Unheard';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor;
  }
}

const sequential = (layer: tfl.layers.Layer) =>
  tfl.sequential({ layers: [tfl.layers.inputLayer({ inputShape: [6, 6, 4] }), layer] });

const REFUSED: [title: string, format: Format, layer: () => tfl.layers.Layer, message: RegExp][] = [
  [
    'a layer of somebody else',
    'layers',
    () => new Unheard({ name: 'odd' }),
    /layer 'odd' \(Unheard\): expected a layer of stock TensorFlow\.js/,
  ],
  [
    'a layer of somebody else',
    'graph',
    () => new Unheard({ name: 'odd' }),
    /layer 'odd' \(Unheard\): expected a layer of Conv2D, GroupedConv2D, .*; export the model in the format 'layers'/,
  ],
  [
    'what TensorFlow.js would not load again',
    'layers',
    () =>
      tfl.layers.separableConv2d({ filters: 2, kernelSize: 1, depthMultiplier: 2, name: 'odd' }),
    /layer 'odd' \(SeparableConv2D\): expected depthMultiplier 1, .*, got 2/,
  ],
  [
    'groups that a Sequential cannot branch into',
    'layers',
    () => groupedConv2d({ filters: 4, kernelSize: 1, groups: 2, name: 'odd' }),
    /layer 'odd' .*: expected a grouped convolution in a model of tfl\.model, got it in a Sequential/,
  ],
  [
    'an activation',
    'graph',
    () => tfl.layers.activation({ activation: 'softsign', name: 'odd' }),
    /layer 'odd' \(Activation\): expected an activation of linear, relu, .*, got 'softsign'/,
  ],
  [
    'another order of axes',
    'graph',
    () => tfl.layers.maxPooling2d({ poolSize: 2, dataFormat: 'channelsFirst', name: 'odd' }),
    /layer 'odd' \(MaxPooling2D\): expected dataFormat 'channelsLast', got channelsFirst/,
  ],
  [
    'a normalization of another axis',
    'graph',
    () => tfl.layers.batchNormalization({ axis: 1, name: 'odd' }),
    /layer 'odd' \(BatchNormalization\): expected the last axis, got 1/,
  ],
  [
    'a layer normalization of other axes',
    'graph',
    () => tfl.layers.layerNormalization({ axis: 1, name: 'odd' }),
    /layer 'odd' \(LayerNormalization\): expected the last axes, got \[1\]/,
  ],
];

describe('the format graph', () => {
  it.each<[string, () => tfl.layers.Layer]>([
    ...(['swish', 'mish', 'gelu', 'gelu_new'] as const).map(
      (activation) =>
        [activation, () => tfl.layers.activation({ activation: activation as 'relu' })] as [
          string,
          () => tfl.layers.Layer,
        ],
    ),
    ['layer normalization of all axes', () => tfl.layers.layerNormalization({ axis: [1, 2, 3] })],
    [
      'layer normalization without weights',
      () => tfl.layers.layerNormalization({ scale: false, center: false, epsilon: 0.1 }),
    ],
  ])('has %s', async (name, layer) => {
    const net = sequential(layer());
    const place = `layer-${name.replaceAll(' ', '-')}`;
    const expected = await expectedOf(net, name);
    await exportTfjs(net, at(place), { format: 'graph' });
    expectLogits(await loaded(place, 'graph', expected), expected.logits);
  });
});

describe('exportTfjs', () => {
  it.each(REFUSED)(
    'refuses %s in the format %s by its name, and writes nothing',
    async (_, format, layer, message) => {
      await expect(exportTfjs(sequential(layer()), at('refused'), { format })).rejects.toThrow(
        message,
      );
      expect(await fs.pathExists(at('refused'))).toBe(false);
    },
  );

  /** A net with a net inside, whose layer of the same name is another. */
  function namesakes(): tfl.LayersModel {
    const image = tfl.input({ shape: [6, 6, 4] });
    const dense = (): tfl.layers.Layer => tfl.layers.dense({ units: 4, name: 'same' });
    const inside = tfl.input({ shape: [6, 6, 4] });
    const inner = tfl.model({
      inputs: inside,
      outputs: dense().apply(inside) as tfl.SymbolicTensor,
    });
    return tfl.model({
      inputs: image,
      outputs: dense().apply(inner.apply(image)) as tfl.SymbolicTensor,
    });
  }

  const shared = () =>
    (EXPORT_NETS.find(({ name }) => name === 'shared layers') as ExportNet).make();
  const CONFUSED: [title: string, make: () => tfl.LayersModel, message: RegExp][] = [
    [
      'two layers of one name',
      namesakes,
      /layer 'same' \(Dense\): expected each layer with weights to have a name of its own, got two/,
    ],
    [
      'calls of a shared layer that TensorFlow.js would mix up',
      shared,
      /layer 'conv' \(Conv2D\): expected calls that TensorFlow\.js makes in this order/,
    ],
  ];

  it.each(CONFUSED)(
    'refuses %s in the format layers, and writes nothing',
    async (_, make, message) => {
      await expect(exportTfjs(make(), at('refused'))).rejects.toThrow(message);
      expect(await fs.pathExists(at('refused'))).toBe(false);
    },
  );

  it('refuses what is no option', async () => {
    const net = sequential(tfl.layers.reLU({}));
    await expect(exportTfjs(net, at('refused'), { format: 'tflite' as never })).rejects.toThrow(
      /option "format" must be one of 'layers', 'graph'/,
    );
    await expect(exportTfjs(net, at('refused'), { shardBytes: 0 })).rejects.toThrow(
      /option "shardBytes" must be an integer of at least 1/,
    );
    await fs.writeFile(at('file'), '');
    await expect(exportTfjs(net, at('file', 'net'))).rejects.toThrow(
      /\[export\] exportTfjs: cannot write .*; choose another place/,
    );
  });
});

const noPage =
  noBrowser ??
  (BUNDLE && fs.existsSync(BUNDLE)
    ? undefined
    : '@tensorflow/tfjs is not installed: npm run peers');

describe.skipIf(noPage)(`a page in Chromium${noPage ? ` (skipped: ${noPage})` : ''}`, () => {
  const NETS = ['resnet8, original', 'grouped'];
  let page: Page;
  const faults: string[] = [];
  beforeAll(async () => {
    const browser = await openBrowser();
    page = await browser.newPage();
    page.on('pageerror', (error) => faults.push(String(error)));
    await page.goto(server.url);
  });
  afterAll(() => page?.context().browser()?.close());

  /** A net with grouped convolutions, one of them called twice. */
  function grouped(): tfl.LayersModel {
    const image = tfl.input({ shape: [8, 8, 4] });
    const layer = groupedConv2d({
      filters: 4,
      kernelSize: 3,
      groups: 2,
      name: 'twice',
      kernelInitializer: 'heNormal',
    });
    const once = tfl.layers.reLU({}).apply(layer.apply(image));
    const pooled = tfl.layers
      .globalAveragePooling2d({})
      .apply(layer.apply(once)) as tfl.SymbolicTensor;
    return tfl.model({ inputs: image, outputs: pooled, name: 'grouped' });
  }

  const make = (name: string) => (EXPORT_NETS.find((net) => net.name === name)?.make ?? grouped)();

  it.each(NETS.flatMap((name) => [[name, 'layers'] as const, [name, 'graph'] as const]))(
    'gives the logits of %s, %s',
    async (name, format) => {
      const net = make(name);
      const expected = await expectedOf(net, name);
      const place = `page-${NETS.indexOf(name)}-${format}`;
      await exportTfjs(net, at(place), { format, shardBytes: 50_000 });
      const given = {
        format,
        url: `${place}/model.json`,
        images: [...expected.images],
        shape: expected.shape,
      };
      const logits = await page.evaluate(async ({ format, url, images, shape }) => {
        const { tf } = globalThis as unknown as {
          tf: typeof import('@tensorflow/tfjs-core') & {
            loadLayersModel: typeof tfl.loadLayersModel;
            loadGraphModel: typeof loadGraphModel;
          };
        };
        await tf.setBackend('cpu');
        const loaded =
          format === 'graph' ? await tf.loadGraphModel(url) : await tf.loadLayersModel(url);
        return [...(await (loaded.predict(tf.tensor(images, shape)) as tf.Tensor).data())];
      }, given);
      expectLogits(logits, expected.logits);
      expect(faults).toEqual([]);
    },
  );
});
