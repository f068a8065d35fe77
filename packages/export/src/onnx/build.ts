/**
 * Builds an ONNX model from a model. Weights are read later, when the file is written; a model that
 * ONNX cannot represent is refused here.
 */
import type { LayersModel, Shape } from '@tensorflow/tfjs-layers';
import { type Call, type Value as FlatValue, flatGraph, uniqueNames } from '../flat-graph';
import { range } from './axes';
import { foldBatchNorms } from './fold';
import { OnnxGraph } from './graph';
import { LAYERS } from './layers';
import type { OnnxModel, OnnxValue } from './model-proto';
import { nameOutputs, withoutUnused } from './outputs';
import { channelsSecond, inOrder, padded, settled, unrolled, type Value } from './value';

export interface BuildOptions {
  /** Beginning of each error. */
  readonly where: string;
  readonly layout: 'nhwc' | 'nchw';
  readonly fuse: boolean;
  readonly metadata: Readonly<Record<string, string>>;
}

/** @throws Error for a layer that ONNX or this exporter does not have; the error names the layer */
export function buildModel(
  model: LayersModel,
  { where, layout, fuse, metadata }: BuildOptions,
): OnnxModel {
  const flat = flatGraph(model, where);
  const names = uniqueNames(flat, (name) => name);
  const graph = new OnnxGraph({ where, names });
  const orderOf = ({ length }: Shape) =>
    layout === 'nchw' && length === 4 ? channelsSecond(4, 3) : range(length);
  const values = new Map<FlatValue, Value>();
  for (const input of flat.inputs) {
    if (input.dtype !== 'float32') throw wrongInput(where, input);
    const { shape } = input;
    values.set(input, {
      name: graph.unique(names.get(input) as string),
      shape,
      order: orderOf(shape),
    });
  }
  const inputs = flat.inputs.map((input) => values.get(input) as Value);
  for (const call of flat.calls) values.set(call.output, emit(graph, call, values));
  const results = flat.outputs
    .map((output) => settled(graph, values.get(output) as Value))
    .map((value) => inOrder(graph, value, orderOf(value.shape)));
  const outputs = nameOutputs(graph, results, { wanted: model.outputNames, inputs });
  const ends = outputs.map(({ name }) => name);
  const used = withoutUnused(graph.nodes, ends);
  const nodes = fuse ? foldBatchNorms(graph, used, ends) : used;
  const mentioned = new Set(nodes.flatMap((node) => node.inputs));
  const tensors = [...graph.tensors.values()].filter(({ name }) => mentioned.has(name));
  return {
    name: model.name,
    nodes,
    tensors,
    inputs: inputs.map(valueInfo),
    outputs: outputs.map(valueInfo),
    metadata,
  };
}

/** Adds the nodes of one call. */
function emit(
  graph: OnnxGraph,
  { layer, inputs }: Call,
  values: ReadonlyMap<FlatValue, Value>,
): Value {
  const kind = layer.getClassName();
  const row = Object.hasOwn(LAYERS, kind) ? LAYERS[kind] : undefined;
  if (!row)
    throw graph.refuse(layer, {
      expected: `a layer of ${Object.keys(LAYERS).join(', ')}`,
      got: kind,
    });
  const takes = row.takes ?? [];
  const given = inputs
    .map((input) => values.get(input) as Value)
    .map((value) => (takes.includes('padding') ? value : padded(graph, value)))
    .map((value) => (takes.includes('row') ? value : unrolled(graph, value)));
  const shapes = given.map((value) => value.shape);
  const shape = layer.computeOutputShape(
    shapes.length === 1 ? (shapes[0] as Shape) : shapes,
  ) as Shape;
  return {
    ...row.emit(
      { layer, config: layer.getConfig(), inputs: given, shape, name: graph.nameOf(layer) },
      graph,
    ),
    shape,
  };
}

/** Unknown sizes get names; all batch sizes share the name `batch`. */
function valueInfo({ name, shape, order }: Value): OnnxValue {
  const open = (place: number) => (place === 0 ? 'batch' : `${name}.axis${place}`);
  return { name, shape: order.map((axis, place) => shape[axis] ?? open(place)) };
}

const wrongInput = (where: string, { name, dtype }: { name: string; dtype: string }) =>
  new Error(
    `${where}: input '${name}': expected float32, got ${dtype}; build the model with an ` +
      `input of numbers, or keep it with saveModel`,
  );
