/** Window pools and global pools. */
import { padded, reshaped, type Value } from '../value';
import { type Emitted, each, imageOf, type Row, type Rows } from './row';
import { checkPadding, type Windows, windowAttributes } from './windows';

type Kind = 'MaxPool' | 'AveragePool';

/** Whether the pending zeros around an image can become the pool's own padding. */
function takesZeros(
  kind: Kind,
  { padding = [], nonNegative }: Value,
  { kernel, padding: mode }: Windows,
): boolean {
  // ONNX pads a maximum with −∞; a mean excludes the padding, or counts zeros. TensorFlow.js's own
  // padding is excluded.
  const fits = padding.every((ends) => ends.every((count) => count < Math.min(...kernel)));
  return fits && mode === 'valid' && (kind === 'AveragePool' || nonNegative === true);
}

/** By TensorFlow.js's paddings. */
const AUTO_PADS: Readonly<Record<string, string>> = { same: 'SAME_UPPER', valid: 'VALID' };

const windowPool = (kind: Kind): Row => ({
  takes: ['padding'],
  emit(call, graph) {
    const { layer, config, name } = call;
    const x = imageOf(graph, call);
    const count = x.shape.length - 2;
    const kernel = each(config.poolSize, count);
    const windows = {
      kernel,
      strides: each(config.strides ?? config.poolSize, count),
      padding: config.padding as string,
    };
    checkPadding(graph, layer, windows.padding);
    const emitted = { order: x.order, nonNegative: x.nonNegative };
    if (x.padding && !takesZeros(kind, x, windows)) {
      // ONNX Runtime merges a Pad into the pool after it as if its zeros were −∞, but not into one
      // with `auto_pad`.
      const attributes = {
        kernel_shape: kernel,
        strides: windows.strides,
        auto_pad: AUTO_PADS[windows.padding] as string,
      };
      return {
        ...emitted,
        name: graph.node(kind, [padded(graph, x).name], { name, ...attributes }),
      };
    }
    const zeros = kind === 'AveragePool' && x.padding !== undefined;
    const attributes = { ...windowAttributes(x, windows), ...(zeros && { count_include_pad: 1 }) };
    return { ...emitted, name: graph.node(kind, [x.name], { name, ...attributes }) };
  },
});

/** The mean or maximum of each channel of an image: [batch, ..., channels] → [batch, channels]. */
const globalPool = (op: 'GlobalAveragePool' | 'GlobalMaxPool'): Row => ({
  emit(call, graph): Emitted {
    const x = imageOf(graph, call);
    const made = graph.node(op, [x.name], { name: `${call.name}/${op}` });
    const [batch = null, channels = null] = x.order.map((axis) => x.shape[axis] ?? null);
    const pixel: Value = {
      ...x,
      name: made,
      shape: [batch, channels, ...x.order.slice(2).map(() => 1)],
      order: x.order.map((_, i) => i),
    };
    return reshaped(graph, pixel, { shape: [batch, channels], order: [0, 1], name: call.name });
  },
});

export const POOL_LAYERS: Rows = {
  MaxPooling1D: windowPool('MaxPool'),
  MaxPooling2D: windowPool('MaxPool'),
  MaxPooling3D: windowPool('MaxPool'),
  AveragePooling1D: windowPool('AveragePool'),
  AveragePooling2D: windowPool('AveragePool'),
  AveragePooling3D: windowPool('AveragePool'),
  GlobalAveragePooling1D: globalPool('GlobalAveragePool'),
  GlobalAveragePooling2D: globalPool('GlobalAveragePool'),
  GlobalMaxPooling1D: globalPool('GlobalMaxPool'),
  GlobalMaxPooling2D: globalPool('GlobalMaxPool'),
};
