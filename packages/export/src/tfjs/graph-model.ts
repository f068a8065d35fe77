/** A model as a graph model of TensorFlow.js: a TensorFlow graph for inference. */
import type { layers } from '@tensorflow/tfjs-layers';
import { type FlatGraph, uniqueNames, type Value } from '../flat-graph';
import { type Numbers, refusal } from './graph-call';
import { GraphDef, type StoredTensor, shapeOf, typeOf } from './graph-def';
import { rowOf } from './layers';

export interface GraphModel {
  /** The contents of `model.json` without its weights. */
  readonly json: object;
  readonly tensors: readonly StoredTensor[];
}

const VERSIONS = { producer: 2474, minConsumer: 0 }; // the format's versions in TensorFlow 2.21

/** Replaces characters that TensorFlow does not allow in a node's name. */
const plain = (name: string) => name.replace(/[^\w./-]/g, '_').replace(/^[^\w.]/, 'n$&');

/**
 * @param where beginning of each error
 * @throws Error for a layer, or a setting of one, that graph models here do not have; the error
 *   names the layer
 */
export function graphModel(flat: FlatGraph, where: string): GraphModel {
  const graph = new GraphDef();
  const names = uniqueNames(flat, plain);
  const nodes = new Map<Value, string>();
  const inputs = flat.inputs.map((input) => {
    const dtype = typeOf(input.dtype);
    if (!dtype)
      throw new Error(
        `${where}: input '${input.name}': expected float32 or int32, got ${input.dtype}; ` +
          `save the model with saveModel`,
      );
    const name = graph.placeholder(names.get(input) as string, { shape: input.shape, dtype });
    nodes.set(input, name);
    return [name, tensorInfo(name, input)] as const;
  });
  const constants = new Map<layers.Layer, Map<string, string>>();
  for (const call of flat.calls) {
    const { layer } = call;
    const name = names.get(layer) as string;
    const own = constants.get(layer) ?? new Map<string, string>();
    constants.set(layer, own);
    const constant = (kind: string, numbers: Numbers) => {
      const made =
        own.get(kind) ?? graph.constant({ name: `${name}/${kind}`, dtype: 'float32', ...numbers });
      own.set(kind, made);
      return made;
    };
    const from = call.inputs.map((input) => nodes.get(input) as string);
    const place = {
      graph,
      name,
      from,
      config: layer.getConfig(),
      constant,
      refuse: refusal(layer, where),
    };
    nodes.set(call.output, rowOf(layer, where)({ ...call, ...place }));
  }
  const outputs = flat.outputs.map((output, i) => {
    const name = graph.node('Identity', [nodes.get(output) as string], { name: 'Identity' });
    return [`output_${i}`, tensorInfo(name, output)] as const;
  });
  const signature = { inputs: Object.fromEntries(inputs), outputs: Object.fromEntries(outputs) };
  return {
    json: {
      format: 'graph-model',
      signature,
      modelTopology: { node: graph.nodes, versions: VERSIONS },
    },
    tensors: graph.tensors,
  };
}

const tensorInfo = (name: string, { shape, dtype }: Value) => ({
  name: `${name}:0`,
  dtype: typeOf(dtype) ?? 'DT_FLOAT',
  tensorShape: shapeOf(shape),
});
