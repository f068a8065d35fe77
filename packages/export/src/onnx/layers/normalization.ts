/** Batch and layer normalization, as inference computes them. */
import { sameList } from '../axes';
import type { OnnxGraph } from '../graph';
import { channelsSecond, inOrder, unrolled, type Value } from '../value';
import { type Call, type Emitted, only, type Rows } from './row';

const EPSILON = ({ config }: Call) => ({ epsilon: { float: config.epsilon as number } });

/** A layer's axes as non-negative numbers. */
const axesOf = ({ config, shape }: Call): number[] =>
  [config.axis as number | number[]].flat().map((axis) => (axis < 0 ? axis + shape.length : axis));

/**
 * ONNX normalizes along the second axis. A flattened image keeps its order, and the layer's weights
 * are reordered to match.
 */
function batchNorm(call: Call, graph: OnnxGraph): Emitted {
  const { layer, config, name, shape } = call;
  const [axis = 0] = axesOf(call);
  if (axis === 0)
    throw graph.refuse(layer, { expected: 'an axis behind the batch', got: 'axis 0' });
  const given = only(call);
  const x =
    given.order[1] === axis ? given : inOrder(graph, given, channelsSecond(shape.length, axis));
  const count = shape[axis] ?? 1;
  const { sizes, order } = x.row ?? { sizes: [count], order: [0] };
  const numbers = (kind: string) =>
    graph.weight(layer, kind, { view: sizes, order, shape: [count] });
  const scale = config.scale ? numbers('gamma') : graph.constant(1, [count]);
  const shift = config.center ? numbers('beta') : graph.constant(0, [count]);
  const inputs = [x.name, scale, shift, numbers('moving_mean'), numbers('moving_variance')];
  return {
    ...x,
    name: graph.node('BatchNormalization', inputs, { name, ...EPSILON(call) }),
    nonNegative: false,
  };
}

/** ONNX normalizes over the last axes jointly. */
function layerNorm(call: Call, graph: OnnxGraph): Emitted {
  const { layer, config, name, shape } = call;
  const axes = axesOf(call);
  const given = unrolled(graph, only(call));
  const others = given.order.filter((axis) => !axes.includes(axis));
  if (axes.includes(0))
    throw graph.refuse(layer, {
      expected: 'axes behind the batch',
      got: `axes [${axes.join(', ')}]`,
    });
  const x: Value = sameList(given.order.slice(others.length), axes)
    ? given
    : inOrder(graph, given, [...others, ...axes]);
  const view = axes.map((axis) => shape[axis] ?? 1);
  const numbers = (kind: string) =>
    graph.weight(layer, kind, { view, order: view.map((_, i) => i) });
  const inputs = [
    x.name,
    config.scale ? numbers('gamma') : graph.constant(1, view),
    ...(config.center ? [numbers('beta')] : []),
  ];
  const made = graph.node('LayerNormalization', inputs, {
    name,
    axis: -axes.length,
    ...EPSILON(call),
  });
  return { name: made, order: x.order };
}

export const NORMALIZATION_LAYERS: Rows = {
  BatchNormalization: { takes: ['row'], emit: batchNorm },
  LayerNormalization: { emit: layerNorm },
};
