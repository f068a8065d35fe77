/**
 * The simd backend's kernels one by one, at ResNet-18's shapes, against what the machine can do.
 */
import { getThreads, simdInfo } from '@deepend/backend-simd';
import { activate } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import { type Contender, interleave, type Rounds, rate } from './interleave';
import { copyBandwidth, peakGflops } from './peak';
import { type Peer, peerContender, peerContenders } from './peer';
import type { Measured, Series } from './results';

interface Conv {
  readonly x: [images: number, height: number, width: number, channels: number];
  readonly filters: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

const conv = (
  images: number,
  size: number,
  channels: number,
  filters: number,
  [kernel, stride]: [number, number],
): Conv => ({
  x: [images, size, size, channels],
  ...{ filters, kernel, stride, padding: Math.floor(kernel / 2) },
});

/** ResNet-18's: at 224 px with a batch of 16, then at 28 px with a batch of 128. */
const CONVS: readonly Conv[] = [
  conv(16, 224, 1, 64, [7, 2]),
  conv(16, 56, 64, 64, [3, 1]),
  conv(16, 56, 64, 128, [3, 2]),
  conv(16, 56, 64, 128, [1, 2]),
  conv(16, 28, 128, 128, [3, 1]),
  conv(16, 14, 256, 256, [3, 1]),
  conv(16, 7, 512, 512, [3, 1]),
  conv(128, 7, 64, 64, [3, 1]),
  conv(128, 4, 128, 128, [3, 1]),
  conv(128, 2, 256, 256, [3, 1]),
  conv(128, 1, 512, 512, [3, 1]),
  conv(16, 56, 256, 64, [1, 1]),
];

/** Random numbers that a row's kernel takes, made when it is first asked for. */
type Make = () => { kernel: string; inputs: tf.NamedTensorMap; attrs?: object };

interface KernelRow {
  readonly title: string;
  readonly unit: 'GFLOP/s' | 'GB/s';
  /** In a call, in 10⁹ operations or bytes. */
  readonly work: number;
  readonly make: Make;
  /** What peer.py is asked for. */
  readonly peer?: object;
  readonly formats?: boolean;
}

const random = (...shape: number[]) => tf.randomUniform(shape, -1, 1, 'float32', 1);
const outSize = ({ x, kernel, stride, padding }: Conv) =>
  Math.floor((x[1] + 2 * padding - kernel) / stride) + 1;

/** Forward, the input's gradient (none for an image), the filter's gradient. */
function convRows(shape: Conv): KernelRow[] {
  const { x, filters, kernel, stride, padding } = shape;
  const [images, size, , channels] = x;
  const out = outSize(shape);
  const work = (2 * images * out * out * kernel * kernel * channels * filters) / 1e9;
  const sides = { top: padding, bottom: padding, left: padding, right: padding };
  const attrs = { strides: [stride, stride], dilations: [1, 1], padding: sides };
  const filterShape = [kernel, kernel, channels, filters];
  const dy = () => random(images, out, out, filters);
  const name = `${kernel}×${kernel}${stride > 1 ? ` stride ${stride}` : ''}, ${channels} → ${filters}, ${size} px, batch ${images}`;
  const row = (title: string, kind: string, make: Make): KernelRow => ({
    ...{
      title: `${title} ${name}`,
      unit: 'GFLOP/s',
      work,
      make,
      peer: { kind, ...shape },
      formats: true,
    },
  });
  return [
    row('convolution', 'conv', () => ({
      kernel: 'deepend.conv2d',
      inputs: { x: random(...x), filter: random(...filterShape) },
      attrs: { ...attrs, relu: false },
    })),
    ...(channels === 1
      ? []
      : [
          row('input gradient', 'conv_input', () => ({
            kernel: 'deepend.conv2dInputGradient',
            inputs: { dy: dy(), filter: random(...filterShape) },
            attrs: { ...attrs, xShape: x },
          })),
        ]),
    row('filter gradient', 'conv_filter', () => ({
      kernel: 'deepend.conv2dFilterGradient',
      inputs: { x: random(...x), dy: dy() },
      attrs: { ...attrs, filterShape },
    })),
  ];
}

const MATMUL: KernelRow = {
  title: 'matrix product 1024³',
  unit: 'GFLOP/s',
  work: (2 * 1024 ** 3) / 1e9,
  make: () => ({
    kernel: tf.BatchMatMul,
    inputs: { a: random(1, 1024, 1024), b: random(1, 1024, 1024) },
    attrs: { transposeA: false, transposeB: false },
  }),
  peer: { kind: 'matmul', size: 1024 },
};

/** `passes`: how often a number of the image must be read or written at least. */
function memoryRow(
  title: string,
  shape: number[],
  { passes, make }: { passes: number; make: Make },
): KernelRow {
  const bytes = 4 * passes * shape.reduce((a, b) => a * b, 1);
  return { title: `${title}, ${shape.join('×')}`, unit: 'GB/s', work: bytes / 1e9, make };
}

const POOL = { size: [3, 3], strides: [2, 2], padding: { top: 1, bottom: 1, left: 1, right: 1 } };
const NORMS = [
  [16, 56, 56, 64],
  [16, 14, 14, 256],
];
const WIDE = [16, 112, 112, 64];

/** Channels' vectors of a batch normalization. */
const vectors = (channels: number, ...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, tf.add(random(channels), 2)])) as tf.NamedTensorMap;

const MEMORY_ROWS: readonly KernelRow[] = [
  memoryRow('max-pool', WIDE, {
    passes: 1.25,
    make: () => ({ kernel: 'deepend.maxPool', inputs: { x: random(...WIDE) }, attrs: POOL }),
  }),
  memoryRow('max-pool gradient', WIDE, {
    passes: 2.5,
    make: () => {
      const [x, dy] = [random(...WIDE), random(16, 56, 56, 64)];
      const y = tf.engine().runKernel('deepend.maxPool', { x }, POOL as never) as tf.Tensor;
      return { kernel: 'deepend.maxPoolGradient', inputs: { x, y, dy }, attrs: POOL };
    },
  }),
  ...NORMS.flatMap((shape) => [
    memoryRow('batch norm and ReLU', shape, {
      passes: 3, // the statistics read x; then it is read again and y written
      make: () => ({
        kernel: 'deepend.batchNorm',
        inputs: {
          x: random(...shape),
          ...vectors(shape[3] ?? 1, 'gamma', 'beta', 'movingMean', 'movingVariance'),
        },
        attrs: { epsilon: 1e-5, momentum: 0.9, relu: true },
      }),
    }),
    memoryRow('batch norm and ReLU gradient', shape, {
      passes: 7, // x, y and dy are read twice and dx written
      make: () => ({
        kernel: 'deepend.batchNormGradient',
        inputs: {
          ...{ x: random(...shape), y: random(...shape), dy: random(...shape) },
          ...vectors(shape[3] ?? 1, 'mean', 'deviation', 'gamma'),
        },
        attrs: { relu: true, residual: false },
      }),
    }),
  ]),
];

const ROWS: readonly KernelRow[] = [MATMUL, ...CONVS.flatMap(convRows), ...MEMORY_ROWS];

function kernelContender({ work, make }: KernelRow): Contender {
  let made: ReturnType<Make> | undefined;
  const run = ({ kernel, inputs, attrs = {} }: ReturnType<Make>) =>
    tf.dispose(tf.engine().runKernel(kernel, inputs, attrs as never));
  return {
    name: 'simd',
    async round(seconds) {
      await activate({ backend: 'simd' });
      if (!made) {
        made = make();
        run(made);
      }
      const ready = made;
      return work * rate(seconds, () => run(ready));
    },
    dispose: () => tf.dispose(made?.inputs ?? {}),
  };
}

export interface KernelsOptions extends Rounds {
  words: readonly string[];
  peer?: Peer;
  onRow(row: Measured): void;
}

/**
 * Measures every row whose title has the words. The ratio is to the peak, or for what memory
 * limits, to copying on one thread. Both are
 * the machine's, so they are measured once: the best of a second.
 */
export async function measureKernels({
  words,
  peer,
  onRow,
  rounds,
  seconds,
}: KernelsOptions): Promise<void> {
  const peak = await peakGflops({
    threads: getThreads(),
    build: simdInfo().build,
    seconds: 1,
  });
  const limits = { 'GFLOP/s': limit('peak', peak), 'GB/s': limit('copy', copyBandwidth(1)) };
  for (const row of ROWS.filter(({ title }) => words.every((word) => title.includes(word)))) {
    const { title, unit } = row;
    const measured = await interleave([kernelContender(row), ...peersOf(row, peer)], {
      rounds,
      seconds,
    });
    onRow({
      kind: 'kernels',
      title,
      unit,
      series: [...measured, limits[unit]],
      reference: ['peak', 'copy'],
    });
  }
}

const limit = (name: string, value: number): Series => ({ name, rounds: [value], median: value });

function peersOf(
  { peer: job, formats, work: scale }: KernelRow,
  peer: Peer | undefined,
): Contender[] {
  if (!peer || !job) return [];
  return formats ? peerContenders(peer, job, { scale }) : [peerContender(peer, job, { scale })];
}
