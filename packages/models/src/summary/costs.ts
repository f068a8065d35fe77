/** What a layer costs: its parameters and its multiply-accumulates (MACs), as formulas. */
import type * as tfl from '@tensorflow/tfjs-layers';
import { isFixed, type LayerCall } from './calls';
import { type Formula, number, product, share, sum } from './formula';

const NOTHING = number(0);
const shapeOf = (weight: tfl.LayerVariable): number[] => weight.shape.map((size) => size ?? 1);
const isStatistic = ({ originalName }: tfl.LayerVariable) =>
  /moving_(mean|variance)$/.test(originalName);
const groupsOf = (layer: tfl.layers.Layer) =>
  Number((layer.getConfig() as { groups?: number }).groups ?? 1);

/** The weights that training may change, whether they are frozen now or not. */
export const parametersOf = (layer: tfl.layers.Layer): tfl.LayerVariable[] =>
  isFixed(layer) ? [] : layer.weights.filter((weight) => !isStatistic(weight));

/** Batch normalization's moving mean and variance. */
export const statisticsOf = (layer: tfl.layers.Layer): tfl.LayerVariable[] =>
  layer.weights.filter(isStatistic);

/** How many numbers these weights hold. */
export const countOf = (weights: readonly tfl.LayerVariable[]): number =>
  weights.reduce((count, weight) => count + shapeOf(weight).reduce((a, b) => a * b, 1), 0);

/** `7·7·3·64 + 64`; of vectors alone `2·64`. */
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

/** A grouped kernel `[kh, kw, in / groups, out]` says where its third number comes from. */
function weightFormula(layer: tfl.layers.Layer, weight: tfl.LayerVariable): Formula {
  const shape = shapeOf(weight);
  const groups = groupsOf(layer);
  if (groups === 1 || shape.length < 2) return product(shape);
  const own = shape.at(-2) ?? 1;
  return product([...shape.slice(0, -2), share(own * groups, groups), shape.at(-1) ?? 1]);
}

/** The pixels, or places in a sequence, of a tensor without batch and channels. */
function positions({ layer }: LayerCall, { shape }: tfl.SymbolicTensor): number[] {
  const first = (layer.getConfig() as { dataFormat?: string }).dataFormat === 'channelsFirst';
  return (first ? shape.slice(2) : shape.slice(1, -1)).map((size) => size ?? 1);
}

/**
 * Where each of a layer's kernels is applied. `output`: each weight is used once for each place of
 * the output.
 */
const KERNELS: Record<string, 'output' | 'input'> = {
  Conv1D: 'output',
  Conv2D: 'output',
  Conv3D: 'output',
  'deepend>GroupedConv2D': 'output',
  DepthwiseConv2D: 'output',
  SeparableConv2D: 'output', // both of its kernels: the depthwise one has made the image small before the pointwise one
  Conv2DTranspose: 'input',
  Dense: 'output', // once for each row where its input is an image
};

/**
 * Multiply-accumulates of convolutions and linear layers for one image: `7·7·3·64·112·112`. All
 * other layers count none, as is
 * usual: a bias or a normalization is an addition or two for each number.
 */
export function macFormula(call: LayerCall): Formula {
  const where = KERNELS[call.layer.getClassName()];
  if (!where || isFixed(call.layer)) return NOTHING;
  const places = positions(
    call,
    where === 'output' ? call.output : (call.inputs[0] as tfl.SymbolicTensor),
  );
  const kernels = parametersOf(call.layer).filter(({ originalName }) =>
    originalName.endsWith('kernel'),
  );
  return sum(kernels.map((kernel) => product([weightFormula(call.layer, kernel), ...places])));
}
