/** A layer's parameters and multiply-accumulates (MACs), as formulas. */
import type * as tfl from '@tensorflow/tfjs-layers';
import { isFixed, isLayerScale, type LayerCall } from './calls';
import { type Formula, number, product, share, sum } from './formula';

const NOTHING = number(0);
const shapeOf = (weight: tfl.LayerVariable): number[] => weight.shape.map((size) => size ?? 1);
const isStatistic = ({ originalName }: tfl.LayerVariable) =>
  /moving_(mean|variance)$/.test(originalName);
const groupsOf = (layer: tfl.layers.Layer) =>
  Number((layer.getConfig() as { groups?: number }).groups ?? 1);

/** A layer's parameters, frozen or not. */
export const parametersOf = (layer: tfl.layers.Layer): tfl.LayerVariable[] =>
  isFixed(layer) ? [] : layer.weights.filter((weight) => !isStatistic(weight));

/** Batch normalization's moving mean and variance. */
export const statisticsOf = (layer: tfl.layers.Layer): tfl.LayerVariable[] =>
  layer.weights.filter(isStatistic);

/** The number of elements of these weights. */
export const countOf = (weights: readonly tfl.LayerVariable[]): number =>
  weights.reduce((count, weight) => count + shapeOf(weight).reduce((a, b) => a * b, 1), 0);

/** `7·7·3·64 + 64`; `2·64` where all weights are vectors. */
export function parameterFormula(layer: tfl.layers.Layer): Formula {
  return weightsFormula(layer, parametersOf(layer));
}

/** `2·64` for batch normalization's moving mean and variance. */
export function statisticFormula(layer: tfl.layers.Layer): Formula {
  return weightsFormula(layer, statisticsOf(layer));
}

function weightsFormula(layer: tfl.layers.Layer, weights: readonly tfl.LayerVariable[]): Formula {
  const vectors = new Set(
    weights.map((weight) => (weight.shape.length === 1 ? weight.shape[0] : undefined)),
  );
  const [length] = vectors;
  if (weights.length > 1 && vectors.size === 1 && length != null)
    return product([weights.length, length]);
  return weights.length === 0
    ? NOTHING
    : sum(weights.map((weight) => weightFormula(layer, weight)));
}

/** The third factor of a grouped kernel `[kh, kw, in / groups, out]` is written as a quotient. */
function weightFormula(layer: tfl.layers.Layer, weight: tfl.LayerVariable): Formula {
  const shape = shapeOf(weight);
  const groups = groupsOf(layer);
  if (groups === 1 || shape.length < 2) return product(shape);
  const own = shape.at(-2) ?? 1;
  return product([...shape.slice(0, -2), share(own * groups, groups), shape.at(-1) ?? 1]);
}

/**
 * The sizes of a tensor without batch and channels: height and width, or the length of a sequence.
 */
function positions({ layer }: LayerCall, { shape }: tfl.SymbolicTensor): number[] {
  const first = (layer.getConfig() as { dataFormat?: string }).dataFormat === 'channelsFirst';
  return (first ? shape.slice(2) : shape.slice(1, -1)).map((size) => size ?? 1);
}

/**
 * Which tensor's positions a kernel is applied at. `output`: each weight is used once for each
 * position of the output.
 */
const KERNELS: Record<string, 'output' | 'input'> = {
  Conv1D: 'output',
  Conv2D: 'output',
  Conv3D: 'output',
  'deepend>GroupedConv2D': 'output',
  DepthwiseConv2D: 'output',
  // Both kernels: the depthwise one applies the stride, before the pointwise one.
  SeparableConv2D: 'output',
  Conv2DTranspose: 'input',
  Dense: 'output', // once for each position where its input has several
};

/**
 * Multiply-accumulates of convolutions and linear layers for one image: `7·7·3·64·112·112`. All
 * other layers count as 0, as is usual: a bias or a normalization is one or two operations for each
 * number.
 */
export function macFormula(call: LayerCall): Formula {
  const where = KERNELS[call.layer.getClassName()];
  if (!where || isFixed(call.layer) || isLayerScale(call.layer)) return NOTHING;
  const places = positions(
    call,
    where === 'output' ? call.output : (call.inputs[0] as tfl.SymbolicTensor),
  );
  const kernels = parametersOf(call.layer).filter(({ originalName }) =>
    originalName.endsWith('kernel'),
  );
  return sum(kernels.map((kernel) => product([weightFormula(call.layer, kernel), ...places])));
}
