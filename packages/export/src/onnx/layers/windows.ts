/**
 * Windows that move over an image, a convolution's or a pool's: their sizes, steps and borders as
 * ONNX has them.
 */
import type { layers } from '@tensorflow/tfjs-layers';
import type { OnnxGraph } from '../graph';
import type { Attributes } from '../model-proto';
import { padded, type Value } from '../value';

export interface Windows {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  /** @default 1 */
  readonly dilations?: readonly number[];
  /** TensorFlow.js's. */
  readonly padding: string;
}

export const isTrivial = (numbers: readonly number[], value: number) =>
  numbers.every((number) => number === value);

/** kernel_shape, strides, pads and dilations; those that say nothing are left out. */
export function windowAttributes(
  x: Value,
  { kernel, strides, dilations = kernel.map(() => 1), padding }: Windows,
): Attributes {
  const pads =
    padding === 'same'
      ? samePads(x, { kernel, strides, dilations })
      : kernel.map((_, i) => waitingPads(x, i));
  return {
    kernel_shape: kernel,
    strides,
    ...(pads === 'SAME_UPPER' && { auto_pad: pads }),
    ...(pads !== 'SAME_UPPER' &&
      !isTrivial(pads.flat(), 0) && {
        pads: [0, 1].flatMap((end) => pads.map((pair) => pair[end] ?? 0)),
      }),
    ...(!isTrivial(dilations, 1) && { dilations }),
  };
}

/** The zeros that wait at an axis of the image in the file. */
const waitingPads = ({ padding, order }: Value, axis: number): [number, number] => {
  const [before = 0, after = 0] = padding?.[order[axis + 2] as number] ?? [];
  return [before, after];
};

/**
 * TensorFlow's `same`: ⌈size / stride⌉ windows, and of an odd number of zeros the larger half
 * behind the image. At stride 1 they do not depend on
 * the size; where they do and it is open, the runtime computes them, as ONNX's SAME_UPPER.
 */
function samePads(x: Value, { kernel, strides, dilations }: Required<Omit<Windows, 'padding'>>) {
  const totals = kernel.map((size, i) => {
    const [length, stride] = [x.shape[x.order[i + 2] as number] ?? null, strides[i] as number];
    const span = (size - 1) * (dilations[i] as number) + 1;
    if (stride === 1) return span - 1;
    return length === null
      ? undefined
      : Math.max((Math.ceil(length / stride) - 1) * stride + span - length, 0);
  });
  if (totals.includes(undefined)) return 'SAME_UPPER' as const;
  return totals.map((total = 0, i): [number, number] => {
    const [before, after] = waitingPads(x, i);
    return [before + Math.floor(total / 2), after + Math.ceil(total / 2)];
  });
}

/** Zeros that wait are added by a node where the runtime is to compute others. */
export const withOwnPads = (graph: OnnxGraph, x: Value, { padding }: Windows): Value =>
  padding === 'same' && x.padding && x.shape.slice(1).includes(null) ? padded(graph, x) : x;

/** @throws Error for a padding that no layer of TensorFlow.js computes either */
export function checkPadding(graph: OnnxGraph, layer: layers.Layer, padding: string): void {
  if (padding === 'same' || padding === 'valid') return;
  throw graph.refuse(layer, { expected: "padding 'same' or 'valid'", got: `'${padding}'` });
}
