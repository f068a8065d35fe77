/** Convolutions and linear layers. */
import {
  first,
  type GraphCall,
  INT32,
  type Row,
  readWeight,
  reshaped,
  sizesOf,
  weight,
  weightOf,
  windows,
} from '../graph-call';
import { groupsOf } from '../groups';
import { ended } from './activations';

const ONES = [1, 1];
const stepsOf = ({ config: { strides, dilationRate = ONES } }: GraphCall) => ({
  strides,
  dilations: dilationRate,
});

const convolution =
  (op: string, kernel: string): Row =>
  (call) => {
    const attributes = windows(call, stepsOf(call));
    return ended(
      call,
      call.graph.node(op, [first(call), weight(call, kernel)], {
        name: `${call.name}/${op}`,
        ...attributes,
      }),
    );
  };

/** Splits the channels, convolves each group and concatenates the results. */
const grouped: Row = (call) => {
  const { graph, name, layer } = call;
  const groups = call.config.groups as number;
  const shape = weightOf(layer, 'kernel')?.shape as number[];
  const kernels = groupsOf(
    { shape, values: async () => (await readWeight(layer, 'kernel')) as Float32Array },
    groups,
  );
  const axis = graph.integers(`${name}/axis`, [3], []);
  const split = graph.node('Split', [axis, first(call)], {
    name: `${name}/Split`,
    num_split: { i: groups },
  });
  const attributes = windows(call, stepsOf(call));
  const convolved = kernels.map((kernel, group) => {
    const part = group === 0 ? split : `${split}:${group}`; // [batch, h, w, channels / groups]
    const inputs = [part, call.constant(`kernel_group${group}`, kernel)];
    return graph.node('Conv2D', inputs, { name: `${name}/Conv2D_group${group}`, ...attributes });
  });
  return ended(
    call,
    graph.node('ConcatV2', [...convolved, axis], {
      name: `${name}/ConcatV2`,
      N: { i: groups },
      Tidx: INT32,
    }),
  );
};

const separable: Row = (call) => {
  const { graph, name } = call;
  const depthwise = [first(call), weight(call, 'depthwise_kernel')];
  const op = 'DepthwiseConv2dNative';
  const deep = graph.node(op, depthwise, {
    name: `${name}/${op}`,
    ...windows(call, stepsOf(call)),
  });
  const pointwise = [deep, weight(call, 'pointwise_kernel')];
  const steps = windows(call, { strides: ONES, dilations: ONES });
  return ended(call, graph.node('Conv2D', pointwise, { name: `${name}/Conv2D`, ...steps }));
};

const NOT_TRANSPOSED = { transpose_a: { b: false }, transpose_b: { b: false } };

/** With more than two axes, all but the last are flattened to rows. */
const dense: Row = (call) => {
  const shape = call.inputs[0]?.shape ?? [];
  const product = (rows: string) =>
    ended(
      call,
      call.graph.node('MatMul', [rows, weight(call, 'kernel')], {
        name: `${call.name}/MatMul`,
        ...NOT_TRANSPOSED,
      }),
    );
  if (shape.length === 2) return product(first(call));
  return reshaped(
    call,
    product(reshaped(call, first(call), [-1, shape.at(-1) as number])),
    sizesOf(call),
  );
};

export const PRODUCT_ROWS: Readonly<Record<string, Row>> = {
  Conv2D: convolution('Conv2D', 'kernel'),
  'deepend>GroupedConv2D': grouped,
  DepthwiseConv2D: convolution('DepthwiseConv2dNative', 'depthwise_kernel'),
  SeparableConv2D: separable,
  Dense: dense,
};
