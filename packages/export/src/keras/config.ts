/** The `config.json` of a Keras 3 file: a functional model. */
import type { layers, Shape } from '@tensorflow/tfjs-layers';
import { type FlatGraph, uniqueNames, type Value } from '../flat-graph';
import { type KerasLayer, kerasLayer } from './layers';
import { kerasOrder, type Operation } from './order';

export interface KerasModel {
  readonly config: object;
  /** In Keras's order. */
  readonly layers: readonly {
    readonly operation: Operation;
    readonly name: string;
    readonly group: string;
  }[];
}

/** Keras on PyTorch allows no dots in names, and no backend allows slashes. */
const plain = (name: string) => name.replace(/[./]/g, '_');

/**
 * @param options.where who asks: beginning of each error
 * @throws Error for a layer that Keras does not have; the error names the layer
 */
export function kerasModel(
  graph: FlatGraph,
  { name, where }: { name: string; where: string },
): KerasModel {
  const names = uniqueNames(graph, plain);
  const known = new Map<layers.Layer, KerasLayer>();
  for (const { layer } of graph.calls)
    if (!known.has(layer)) known.set(layer, kerasLayer(layer, where));
  const operations = kerasOrder(graph).map((operation) => ({
    operation,
    name: names.get(operation) as string,
  }));
  const history = historyOf(graph, names);
  const config = {
    name: plain(name),
    trainable: true,
    layers: operations.map((one) =>
      'getClassName' in one.operation
        ? {
            ...named(known.get(one.operation) as KerasLayer, one.name),
            inbound_nodes: nodesOf(graph, one.operation, history),
          }
        : { ...inputLayer(one.operation, one.name), inbound_nodes: [] },
    ),
    input_layers: single(graph.inputs.map(history)),
    output_layers: single(graph.outputs.map(history)),
  };
  return {
    config: {
      module: 'keras.src.models.functional',
      class_name: 'Functional',
      config,
      registered_name: 'Functional',
      build_config: { input_shape: null },
    },
    layers: withGroups(operations, known),
  };
}

const named = ({ className, config }: KerasLayer, name: string) => ({
  module: 'keras.layers',
  class_name: className,
  config: { name, ...config },
  registered_name: null,
  name,
});

const inputLayer = ({ shape, dtype }: Value, name: string) =>
  named({ className: 'InputLayer', config: { batch_shape: shape, dtype } }, name);

type History = (value: Value) => [layer: string, call: number, output: number];

/** Finds the layer that computes a value, and which of its calls. */
function historyOf({ inputs, calls }: FlatGraph, names: ReadonlyMap<Operation, string>): History {
  const found = new Map<Value, [string, number, number]>(
    inputs.map((input) => [input, [names.get(input) as string, 0, 0]]),
  );
  const counts = new Map<layers.Layer, number>();
  for (const { layer, output } of calls) {
    const count = counts.get(layer) ?? 0;
    counts.set(layer, count + 1);
    found.set(output, [names.get(layer) as string, count, 0]);
  }
  return (value) => found.get(value) as [string, number, number];
}

/** The calls of one layer. */
function nodesOf({ calls }: FlatGraph, layer: layers.Layer, history: History): object[] {
  const tensor = (value: Value) => ({
    class_name: '__keras_tensor__',
    config: { shape: value.shape as Shape, dtype: value.dtype, keras_history: history(value) },
  });
  const own = calls.filter((call) => call.layer === layer);
  return own.map(({ inputs }) => ({ args: [single(inputs.map(tensor))], kwargs: {} }));
}

const single = <T>(values: T[]): T | T[] => (values.length === 1 ? (values[0] as T) : values);

/**
 * Names of groups: `layers/conv2d`, `layers/conv2d_1`, ..., numbered by class. From
 * keras/src/saving/saving_lib.py, _save_container_state, of 3.15.
 */
function withGroups(
  operations: readonly { operation: Operation; name: string }[],
  known: ReadonlyMap<layers.Layer, KerasLayer>,
) {
  const counts = new Map<string, number>();
  return operations.map(({ operation, name }) => {
    const kind = snakeCase(
      'getClassName' in operation ? (known.get(operation) as KerasLayer).className : 'InputLayer',
    );
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return { operation, name, group: count === 0 ? kind : `${kind}_${count}` };
  });
}

/** keras/src/utils/naming.py, to_snake_case. */
const snakeCase = (name: string) =>
  name
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
