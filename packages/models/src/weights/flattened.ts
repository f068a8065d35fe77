/**
 * Finds the layers whose input is a flattened image. An image is [height, width, channels] here and
 * [channels, height, width] in PyTorch, so flattening gives another order, and the weights of the
 * next layer must be reordered.
 */
import type {
  LayersModel,
  layers,
  Sequential,
  Shape,
  SymbolicTensor,
} from '@tensorflow/tfjs-layers';
import { ownCalls } from '../summary/calls';

/**
 * An image of `area` = height · width pixels as one row: area · channels numbers, channels last.
 */
export interface FlattenedImage {
  readonly area: number;
  readonly channels: number;
}

/**
 * What a tensor contains: an image with the order of its axes, or a flattened image. Undefined:
 * anything else, whose order does not matter.
 */
type Content = { readonly axes: string } | FlattenedImage | 'unclear' | undefined;

const FLATTENS = ['Flatten', 'Reshape'];
/** Layers that keep each number in its place. */
const ELEMENTWISE = [
  'Activation',
  'AlphaDropout',
  'BatchNormalization',
  'Dropout',
  'ELU',
  'GaussianDropout',
  'GaussianNoise',
  'LeakyReLU',
  'ReLU',
  'ThresholdedReLU',
];

/**
 * For each layer whose input is a flattened image, that image; `unclear` where its order cannot be
 * determined.
 */
export function flattenedImages(model: LayersModel): Map<layers.Layer, FlattenedImage | 'unclear'> {
  if (!model.built) (model as Sequential).build(); // a Sequential connects its layers only here
  const contents = new Map<SymbolicTensor, Content>(
    model.inputs.map((tensor) => [tensor, imageOf(tensor.shape)]),
  );
  const found = new Map<layers.Layer, FlattenedImage | 'unclear'>();
  for (const { layer, inputs, output } of ownCalls(model)) {
    const [from] = inputs;
    if (!from) continue; // the model's own input
    const given = inputs.map((tensor) => contents.get(tensor));
    const row = given.find(isRow);
    if (row) found.set(layer, found.has(layer) ? 'unclear' : row);
    if (makesImage(layer, from.shape)) found.set(layer, 'unclear');
    contents.set(
      output,
      contentAfter(layer, { inputs: given, from: from.shape, to: output.shape }),
    );
  }
  return found;
}

const isRow = (content: Content): content is FlattenedImage | 'unclear' =>
  content === 'unclear' || (content !== undefined && 'area' in content);

function contentAfter(
  layer: layers.Layer,
  { inputs, from, to }: { inputs: Content[]; from: Shape; to: Shape },
): Content {
  const kind = layer.getClassName();
  const [first] = inputs;
  const axes = first && first !== 'unclear' && 'axes' in first ? first.axes : undefined;
  if (to.length === 4)
    return { axes: kind === 'Permute' && axes ? permuted(axes, layer) : (axes ?? 'hwc') };
  if (to.length !== 2 || kind === 'Dense') return undefined;
  if (axes) return FLATTENS.includes(kind) ? flattened(axes, from) : undefined;
  if (ELEMENTWISE.includes(kind)) return first;
  return inputs.some((content) => content !== undefined) ? 'unclear' : undefined;
}

/**
 * Whether a Reshape makes an image of several pixels and channels from a row. PyTorch would fill
 * the channels one after the other.
 */
function makesImage(layer: layers.Layer, from: Shape): boolean {
  if (layer.getClassName() !== 'Reshape' || from.length !== 2) return false;
  const [height = 1, width = 1, channels = 1] = layer.getConfig().targetShape as Shape;
  return channels !== 1 && (height !== 1 || width !== 1);
}

const imageOf = (shape: Shape): Content => (shape.length === 4 ? { axes: 'hwc' } : undefined);

/** `Permute`'s dims count from 1. */
const permuted = (axes: string, layer: layers.Layer) =>
  (layer.getConfig().dims as number[]).map((dim) => axes[dim - 1]).join('');

function flattened(axes: string, shape: Shape): Content {
  // Sizes before a Flatten are always known.
  const size = (axis: string) => shape[axes.indexOf(axis) + 1] ?? 1;
  const image = { area: size('h') * size('w'), channels: size('c') };
  // With one pixel or one channel all orders are equal, and channels first is PyTorch's order.
  if (axes === 'chw' || image.area === 1 || image.channels === 1) return undefined;
  return axes === 'hwc' ? image : 'unclear';
}
