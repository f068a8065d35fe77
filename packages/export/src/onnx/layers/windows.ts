/**
 * The windows of convolutions and pools: ONNX's attributes for their sizes, strides, padding and
 * dilation.
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
  /** TensorFlow.js's `padding`: 'same' or 'valid'. */
  readonly padding: string;
}

export const isTrivial = (numbers: readonly number[], value: number) =>
  numbers.every((number) => number === value);

/** kernel_shape, strides, pads and dilations; defaults are left out. */
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

/** The pending zeros at an axis of the image in the file. */
const waitingPads = ({ padding, order }: Value, axis: number): [number, number] => {
  const [before = 0, after = 0] = padding?.[order[axis + 2] as number] ?? [];
  return [before, after];
};

/**
 * The padding of TensorFlow's `same`: ⌈size / stride⌉ windows; of an odd number of zeros the larger
 * half comes after the image. At stride 1 it does not depend on the size. Where it does and the
 * size is unknown, the runtime computes it as ONNX's SAME_UPPER.
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

/** Adds pending zeros by a node where the runtime computes the padding itself. */
export const withOwnPads = (graph: OnnxGraph, x: Value, { padding }: Windows): Value =>
  padding === 'same' && x.padding && x.shape.slice(1).includes(null) ? padded(graph, x) : x;

/** @throws Error for any other padding, which TensorFlow.js does not compute either */
export function checkPadding(graph: OnnxGraph, layer: layers.Layer, padding: string): void {
  if (padding === 'same' || padding === 'valid') return;
  throw graph.refuse(layer, { expected: "padding 'same' or 'valid'", got: `'${padding}'` });
}
