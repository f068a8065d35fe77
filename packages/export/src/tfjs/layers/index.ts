/** The table of layers: how each becomes nodes of a TensorFlow graph. */
import type { layers } from '@tensorflow/tfjs-layers';
import { nameOf } from '../../flat-graph';
import { channelsLast, first, INT32, type Row, reshaped, sizesOf } from '../graph-call';
import { ACTIVATION_ROWS } from './activations';
import { batchNorm, layerNorm } from './normalization';
import { PRODUCT_ROWS } from './products';
import { WINDOW_ROWS } from './windows';

const reshape: Row = (call) => {
  channelsLast(call);
  return reshaped(call, first(call), sizesOf(call));
};

const permute: Row = (call) => {
  const order = call.graph.integers(`${call.name}/order`, [0, ...(call.config.dims as number[])]);
  return call.graph.node('Transpose', [first(call), order], {
    name: `${call.name}/Transpose`,
    Tperm: INT32,
  });
};

/** Merges the inputs two at a time. */
const joined =
  (op: string): Row =>
  ({ graph, name, from }) =>
    from.reduce((sum, part) => graph.node(op, [sum, part], { name: `${name}/${op}` }));

const average: Row = (call) => {
  const { graph, name, from } = call;
  const share = graph.scalar(`${name}/share`, 1 / from.length);
  return graph.node('Mul', [joined('AddV2')(call), share], { name: `${name}/Mul` });
};

const concatenate: Row = ({ graph, name, config, from, output }) => {
  const rank = output.shape.length;
  const axis = graph.integers(`${name}/axis`, [((config.axis as number) + rank) % rank], []);
  return graph.node('ConcatV2', [...from, axis], {
    name: `${name}/ConcatV2`,
    N: { i: from.length },
    Tidx: INT32,
  });
};

/** By TensorFlow.js's class. */
const ROWS: Readonly<Record<string, Row>> = {
  ...PRODUCT_ROWS,
  BatchNormalization: batchNorm,
  LayerNormalization: layerNorm,
  ...ACTIVATION_ROWS,
  ...WINDOW_ROWS,
  Flatten: reshape,
  Reshape: reshape,
  Permute: permute,
  Add: joined('AddV2'),
  Multiply: joined('Mul'),
  Maximum: joined('Maximum'),
  Minimum: joined('Minimum'),
  Average: average,
  Concatenate: concatenate,
  // Layers that act only in training.
  Dropout: first,
  GaussianDropout: first,
  GaussianNoise: first,
  AlphaDropout: first,
};

/** @throws Error for a layer that has no row; the error names the layer */
export function rowOf(layer: layers.Layer, where: string): Row {
  const kind = layer.getClassName();
  const row = Object.hasOwn(ROWS, kind) ? ROWS[kind] : undefined;
  if (row) return row;
  const known = Object.keys(ROWS)
    .map((name) => name.replace('deepend>', ''))
    .join(', ');
  throw new Error(
    `${where}: ${nameOf(layer)}: expected a layer of ${known}, got another; export the model ` +
      `in the format 'layers'`,
  );
}
