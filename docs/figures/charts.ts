/** The pictures of the site's pages, each with a function that draws it. */
import * as tf from '@tensorflow/tfjs-core';
import {
  d2l,
  datasets,
  type Figure,
  loadFashionMnist,
  nn,
  plot,
  plots,
  schedules,
  showHeatmaps,
} from 'deepend';
import { CHAPTER_CHARTS } from './chapter-charts';
import { type Column, diagram } from './diagram';
import { bench, bookRun, type SiteRun, siteRun, speed, textRun } from './results';

export interface Chart {
  /** The file in docs/images, without `.svg`. */
  readonly name: string;
  readonly draw: () => Figure | Promise<Figure>;
  /** Why it cannot be drawn on every machine. */
  readonly needs?: string;
}

/** The book's curves of a run. */
const curvesOf = ({ history }: SiteRun, height = 320) =>
  plots.curves(history, { width: 480, height });

const BLOCK = ['3×3 conv', 'norm', 'ReLU', '3×3 conv', 'norm', '+', 'ReLU'];

const residualBlock = (): Figure =>
  diagram(
    [
      { title: 'plain: f(x)', steps: BLOCK.filter((step) => step !== '+'), joined: false },
      { title: 'residual: x + g(x)', steps: BLOCK },
      { title: 'with a 1×1 convolution', steps: BLOCK, shortcut: '1×1 conv' },
    ],
    {
      width: 236,
      description:
        'A plain block of two convolutions, a residual block that adds its input to their output, ' +
        'and one whose input passes a 1×1 convolution before the sum',
    },
  );

const STEPS = { norm: 'norm', relu: 'ReLU' } as const;

/** Every ordering from the table that the model builders read. */
function blockOrders(): Figure {
  const columns = Object.entries(nn.BLOCK_ORDERS).map(([name, order]): Column => {
    const words = (steps: readonly ('norm' | 'relu')[]) => steps.map((step) => STEPS[step]);
    return {
      title: name.replace(/-(?=addition|activation)|(?<=only)-/, '\n'),
      steps: [
        ...words(order.before),
        'conv',
        ...words(order.between),
        ...words(order.before),
        'conv',
        ...words(order.last),
        '+',
        ...words(order.sum),
      ],
    };
  });
  return diagram(columns, {
    description:
      'Five orderings of convolution, normalization, ReLU and the sum in a residual block',
  });
}

const orderCurves = (): Figure =>
  plots.plotRuns(
    Object.keys(nn.BLOCK_ORDERS).map((name) => ({
      name,
      history: siteRun(`block-orders-${name}`).history,
    })),
    { metric: 'testAcc', width: 640, height: 400 },
  );

/** The labels of the page's data over the second feature, and the line that training has to find. */
function linearRegression(): Figure {
  const [features, labels] = datasets.syntheticData([2, -3.4], 4.2, 200, { seed: 1 });
  const second = Array.from(labels.values, (_, i) => features.values[2 * i + 1] ?? 0);
  const ends = [-3, 3];
  return plot([second, ends], [Array.from(labels.values), ends.map((x) => -3.4 * x + 4.2)], {
    xlabel: 'second feature',
    ylabel: 'label',
    legend: ['data', '-3.4x + 4.2'],
    fmts: ['b.', 'r-'],
    width: 480,
    height: 320,
  });
}

function tangent(): Figure {
  const f = (x: number) => 3 * x ** 2 - 4 * x;
  const points = Array.from({ length: 31 }, (_, i) => i / 10);
  return plot(points, [points.map(f), points.map((x) => 2 * x - 3)], {
    xlabel: 'x',
    ylabel: 'f(x)',
    legend: ['f(x)', 'tangent at x = 1'],
    width: 480,
    height: 320,
  });
}

function activations(): Figure {
  const x = Array.from({ length: 161 }, (_, i) => -8 + i / 10);
  const sigmoid = x.map((v) => 1 / (1 + Math.exp(-v)));
  return plot(x, [x.map((v) => Math.max(v, 0)), sigmoid, x.map(Math.tanh)], {
    legend: ['relu', 'sigmoid', 'tanh'],
    ylim: [-1.2, 2],
    xlabel: 'x',
    width: 480,
    height: 320,
  });
}

function edges(): Figure {
  const image = Array.from({ length: 6 }, () => [1, 1, 0, 0, 0, 0, 1, 1]);
  const found = image.map((row) => row.slice(1).map((value, i) => (row[i] ?? 0) - value));
  return plots.heatmap(found, {
    cmap: 'coolwarm',
    vlim: [-1, 1],
    values: true,
    xlabel: 'column',
    ylabel: 'row',
  });
}

const bowl = (x1: number, x2: number) => 0.1 * x1 ** 2 + 2 * x2 ** 2;

/** The path of the page's gradient descent. */
function descent(lr: number, beta: number): Figure {
  let [x1, x2, v1, v2] = [-5, -2, 0, 0];
  const path = [[x1, x2]];
  for (let step = 0; step < 20; step++) {
    [v1, v2] = [beta * v1 + 0.2 * x1, beta * v2 + 4 * x2];
    [x1, x2] = [x1 - lr * v1, x2 - lr * v2];
    path.push([x1, x2]);
  }
  return plots.showTrace2d(bowl, path);
}

function rates(): Figure {
  const numEpochs = 30;
  const epochs = Array.from({ length: numEpochs }, (_, i) => i + 1);
  const rows = {
    step: schedules.step({ lr: 0.3, stepSize: 10, gamma: 0.3 }),
    cosine: schedules.cosine({ lr: 0.3 }),
    polynomial: schedules.polynomial({ lr: 0.3, power: 2 }),
    'warm-up, then cosine': schedules.warmUp(schedules.cosine({ lr: 0.3 }), { epochs: 5 }),
  };
  const values = Object.values(rows).map((schedule) => {
    const run = schedule.start();
    return epochs.map((epoch) =>
      run.at({ epoch, update: epoch - 1, updatesPerEpoch: 1, numEpochs }),
    );
  });
  const axes = { xlabel: 'epoch', ylabel: 'learning rate', width: 480, height: 320 };
  return plot(epochs, values, { ...axes, legend: Object.keys(rows) });
}

/** Rows of the benchmark: the book's nets at 96 pixels. */
export const BOOK_SPEED = {
  AlexNet: 'train AlexNet, 96 px',
  'VGG-11 ÷ 4': 'train VGG-11 ÷ 4, 96 px',
  NiN: 'train NiN, 96 px',
  GoogLeNet: 'train GoogLeNet, 96 px',
  'ResNet-18': 'train ResNet-18, 96 px',
  DenseNet: "train The book's DenseNet, 96 px",
} as const;

function bookSpeed(): Figure {
  const figures = bench('speed');
  const of = (name: string) => Object.values(BOOK_SPEED).map((row) => speed(figures, row, name));
  return plots.plotBars([of('simd'), of('PyTorch')], {
    labels: Object.keys(BOOK_SPEED),
    legend: ['deepend', 'PyTorch'],
    ylabel: 'images/s, 96 px',
  });
}

function threads(): Figure {
  const figures = bench('scaling');
  const names = ['1 thread', '2 threads'];
  return plots.plotBars(
    names.map((name) => speed(figures, 'train ResNet-18, 96 px', name)),
    { labels: names, ylabel: 'images/s', width: 360, height: 300 },
  );
}

async function clothes(): Promise<Figure> {
  const [trainIter] = await loadFashionMnist(18, { seed: 1, workers: 0 });
  for await (const { features, labels } of trainIter) {
    const titles = d2l.getFashionMnistLabels(labels.dataSync());
    const figure = await plots.showImages(features, 2, 9, { titles });
    tf.dispose([features, labels]);
    return figure;
  }
  throw new Error('[figures] clothes: the loader is empty');
}

/** The perplexity of the book's language models, epoch by epoch. */
function perplexities(): Figure {
  const runs = ['gru', 'lstm'].map((cell) => textRun(`language-model-${cell}`));
  const epochs = (runs[0]?.losses ?? []).map((_, i) => i + 1);
  const curves = runs.map(({ losses }) => losses.map((loss) => Math.exp(loss)));
  return plot(epochs, curves, {
    ...{ xlabel: 'epoch', ylabel: 'perplexity', yscale: 'log', legend: ['GRU', 'LSTM'] },
    ...{ width: 480, height: 320 },
  });
}

/** The losses of the three translation models, epoch by epoch. */
function translationLosses(): Figure {
  const names = { seq2seq: 'seq2seq', attention: 'with attention', transformer: 'Transformer' };
  const losses = Object.keys(names).map((name) => textRun(`translation-${name}`).losses);
  const epochs = (losses[0] ?? []).map((_, i) => i + 1);
  return plot(epochs, losses, {
    ...{ xlabel: 'epoch', ylabel: 'loss', yscale: 'log', legend: Object.values(names) },
    ...{ width: 480, height: 320 },
  });
}

/** Where a decoder looks while it translates "I'm home.". */
function attentionOf(name: string): Figure {
  const { attention } = textRun(name);
  if (!attention) throw new Error(`[figures] the run ${name} has no attention weights`);
  const { weights, xticks, yticks } = attention;
  const heads = weights[0]?.length ?? 0;
  return showHeatmaps(weights, {
    ...{ xticks, yticks, xlabel: 'English', ylabel: 'French' },
    ...(heads > 1 ? { titles: weights[0]?.map((_, i) => `head ${i + 1}`) } : { width: 360 }),
  });
}

export const CHARTS: readonly Chart[] = [
  { name: 'function-classes', draw: () => plots.showFunctionClasses() },
  { name: 'residual-block', draw: residualBlock },
  { name: 'block-orders', draw: blockOrders },
  { name: 'block-orders-curves', draw: orderCurves },
  { name: 'ten-lines', draw: () => curvesOf(siteRun('ten-lines'), 260) },
  { name: 'tangent', draw: tangent },
  { name: 'linear-regression', draw: linearRegression },
  { name: 'clothes', draw: clothes, needs: 'Fashion-MNIST' },
  { name: 'softmax-regression', draw: () => curvesOf(siteRun('softmax-regression')) },
  { name: 'activations', draw: activations },
  { name: 'mlp', draw: () => curvesOf(siteRun('mlp')) },
  { name: 'edges', draw: edges },
  { name: 'lenet', draw: () => curvesOf(bookRun('lenet')) },
  { name: 'book-speed', draw: bookSpeed },
  { name: 'descent', draw: () => descent(0.4, 0) },
  { name: 'momentum', draw: () => descent(0.4, 0.5) },
  { name: 'schedules', draw: rates },
  ...CHAPTER_CHARTS,
  { name: 'threads', draw: threads },
  { name: 'language-models', draw: perplexities },
  { name: 'translation-losses', draw: translationLosses },
  { name: 'translation-attention', draw: () => attentionOf('translation-attention') },
  { name: 'translation-heads', draw: () => attentionOf('translation-transformer') },
  { name: 'sentiment', draw: () => curvesOf(siteRun('sentiment-birnn')) },
];
