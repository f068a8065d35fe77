/** Functions of nn with the gradients of all their inputs, step by step, next to PyTorch's. */
import { activate } from '@deepend/device';
import { functional } from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { type Contender, interleave, type Rounds, rate } from './interleave';
import { PEERS, type Peer, peerContenders } from './peer';
import type { Measured } from './results';

interface FunctionRow {
  readonly title: string;
  /** What peer.py is asked for, a row of peer_functions.py. */
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  run(inputs: readonly tf.Tensor[]): tf.Tensor;
}

const transposed = (kernel: number, stride: number, padding: number): FunctionRow => ({
  title: `transposed convolution ${kernel}×${kernel} stride ${stride}, 21 channels, 12×16 px, batch 16`,
  name: `conv_transpose2d_${kernel}`,
  shapes: [[16, 12, 16, 21], [kernel, kernel, 21, 21], [21]],
  run: ([x, filter, bias]) =>
    functional.convTranspose2d(x as tf.Tensor4D, filter as tf.Tensor4D, {
      bias: bias as tf.Tensor1D,
      stride,
      padding,
    }),
});

const ROWS: readonly FunctionRow[] = [
  {
    title: 'convolution of sequences 3, 256 → 256, 128 steps, batch 32',
    name: 'conv1d',
    shapes: [[32, 128, 256], [3, 256, 256], [256]],
    run: ([x, filter, bias]) =>
      functional.conv1d(x as tf.Tensor3D, filter as tf.Tensor3D, {
        bias: bias as tf.Tensor1D,
        padding: 1,
      }),
  },
  transposed(4, 2, 1),
  transposed(64, 32, 16), // the book's, chapter 14.11
  {
    title: 'bilinear upsampling ×2, 64 channels, 48×64 px, batch 16',
    name: 'upsample',
    shapes: [[16, 48, 64, 64]],
    run: ([x]) => functional.upsampleBilinear(x as tf.Tensor4D, [96, 128]),
  },
];

/** Steps per second: the output, and from a gradient of ones the gradient of every input. */
function contender({ shapes, run }: FunctionRow): Contender {
  let made: { inputs: tf.Tensor[]; dy: tf.Tensor } | undefined;
  const step = ({ inputs, dy }: { inputs: tf.Tensor[]; dy: tf.Tensor }) =>
    tf.dispose(tf.grads((...xs: tf.Tensor[]) => run(xs))(inputs, dy));
  return {
    name: 'simd',
    async round(seconds) {
      await activate({ backend: 'simd' });
      if (!made) {
        const inputs = shapes.map((shape) => tf.randomUniform([...shape], -1, 1, 'float32', 1));
        made = { inputs, dy: tf.tidy(() => tf.onesLike(run(inputs))) };
        step(made);
      }
      const ready = made;
      return rate(seconds, () => step(ready));
    },
    dispose: () => tf.dispose(made ?? {}),
  };
}

export interface FunctionsOptions extends Rounds {
  words: readonly string[];
  peer?: Peer;
  onRow(row: Measured): void;
}

/** Measures every row whose title has the words. */
export async function measureFunctions({
  words,
  peer,
  onRow,
  rounds,
  seconds,
}: FunctionsOptions): Promise<void> {
  for (const row of ROWS.filter(({ title }) => words.every((word) => title.includes(word)))) {
    const peers = peer ? peerContenders(peer, { kind: 'function', name: row.name }) : [];
    const series = await interleave([contender(row), ...peers], { rounds, seconds });
    onRow({ kind: 'kernels', title: row.title, unit: 'steps/s', series, reference: PEERS });
  }
}
