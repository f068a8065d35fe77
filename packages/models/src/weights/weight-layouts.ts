/** PyTorch's names and layouts of the weights of a model's layers. */
import type { LayersModel, LayerVariable, layers, Shape } from '@tensorflow/tfjs-layers';
import { isFixed, isLayerScale } from '../summary/calls';
import { type FlattenedImage, flattenedImages } from './flattened';

/** One weight of a model and its counterpart in PyTorch. */
export interface Parameter {
  /** PyTorch's name: `layer1.0.conv1.weight`. */
  readonly name: string;
  /** The layer, or the module, that has it. */
  readonly layer: Pick<layers.Layer, 'name'>;
  readonly variable: Pick<LayerVariable, 'read' | 'write'>;
  /** TensorFlow.js's shape. */
  readonly shape: readonly number[];
  readonly torch: TorchLayout;
  /** Whether it holds integers, which a file may store as such. */
  readonly isInteger?: boolean;
}

/**
 * PyTorch's shape, and our numbers viewed with three axes [a, b, c]; reversing the axes to [c, b,
 * a] gives PyTorch's order.
 */
interface TorchLayout {
  readonly shape: readonly number[];
  readonly view: readonly [number, number, number];
}

type Layout = (shape: readonly number[], image: FlattenedImage | undefined) => TorchLayout;

/**
 * [kh, kw, in, out] → [out, in, kh, kw]; in a grouped convolution `in` is the number of input
 * channels of one group.
 */
const convolution: Layout = ([height = 1, width = 1, input = 1, output = 1]) => ({
  shape: [output, input, height, width],
  view: [height * width, input, output],
});

/** [kh, kw, channels, multiplier] → [channels · multiplier, 1, kh, kw] */
const depthwise: Layout = ([height = 1, width = 1, channels = 1, multiplier = 1]) => ({
  shape: [channels * multiplier, 1, height, width],
  view: [height * width, 1, channels * multiplier],
});

/**
 * [in, out] → [out, in]; after a flattened image, `in` is ordered h·w·c here and c·h·w in PyTorch.
 */
const linear: Layout = ([input = 1, output = 1], image) => ({
  shape: [output, input],
  view: image ? [image.area, image.channels, output] : [input, 1, output],
});

/** [1, 1, channels, 1] → [channels, 1, 1]: the factors of `layerScale`. */
const factors: Layout = ([, , channels = 1]) => ({
  shape: [channels, 1, 1],
  view: [1, 1, channels],
});

/** [n], one number for each output. */
const outputs: Layout = ([size = 1]) => ({ shape: [size], view: [1, 1, size] });

/** [n], one number for each input, which may be a flattened image. */
const inputs: Layout = ([size = 1], image) => ({
  shape: [size],
  view: image ? [image.area, image.channels, 1] : [size, 1, 1],
});

/** By class of layer: TensorFlow.js's name of each weight → PyTorch's name and layout. */
const LAYERS: Record<string, Record<string, readonly [name: string, layout: Layout]>> = {
  Conv2D: { kernel: ['weight', convolution], bias: ['bias', outputs] },
  'deepend>GroupedConv2D': { kernel: ['weight', convolution], bias: ['bias', outputs] },
  DepthwiseConv2D: { depthwise_kernel: ['weight', depthwise], bias: ['bias', outputs] },
  Dense: { kernel: ['weight', linear], bias: ['bias', outputs] },
  LayerNormalization: { gamma: ['weight', inputs], beta: ['bias', inputs] },
  BatchNormalization: {
    gamma: ['weight', inputs],
    beta: ['bias', inputs],
    moving_mean: ['running_mean', inputs],
    moving_variance: ['running_var', inputs],
  },
};

/** Whether a layer's result depends on the order of its input row. */
const needsOrder = (layer: layers.Layer) =>
  layer.weights.length > 0 || layer.getClassName() === 'Reshape';

/**
 * Finds every weight of a model with its PyTorch name, in the order of the layers.
 * @param options.where the beginning of each error
 * @throws Error for a layer whose weights have no known counterpart in PyTorch; the error names the
 *   layer
 */
export function torchParameters(model: LayersModel, { where }: { where: string }): Parameter[] {
  const images = flattenedImages(model);
  const astray = model.layers.find((layer) => images.get(layer) === 'unclear' && needsOrder(layer));
  if (astray) throw unclear(astray, where);
  return model.layers
    .filter((layer) => layer.weights.length > 0 && !isFixed(layer))
    .flatMap((layer) => {
      const image = images.get(layer) as FlattenedImage | undefined;
      const known = LAYERS[layer.getClassName()];
      const names = layer.weights.map(({ originalName }) =>
        originalName.slice(originalName.lastIndexOf('/') + 1),
      );
      if (!known || names.some((name) => !Object.hasOwn(known, name)))
        throw unknownKind(layer, where);
      // PyTorch's batch norm has either both or none.
      if (names.includes('gamma') !== names.includes('beta') && 'gamma' in known)
        throw halfNorm(layer, where);
      return layer.weights.map((variable, i) => {
        const [suffix, usual] = known[names[i] as string] as readonly [string, Layout];
        const shape = sizes(variable.shape);
        const layout = isLayerScale(layer) ? factors : usual;
        return {
          name: isLayerScale(layer) ? layer.name : `${layer.name}.${suffix}`,
          layer,
          variable,
          shape,
          torch: layout(shape, image),
        };
      });
    });
}

// The sizes of a weight are always known.
const sizes = (shape: Shape) => shape.map((size) => size ?? 1);
const at = (layer: layers.Layer, where: string) =>
  `${where}: layer '${layer.name}' (${layer.getClassName()})`;

const unknownKind = (layer: layers.Layer, where: string) =>
  new Error(
    `${at(layer, where)}: expected weights of ${Object.keys(LAYERS).join(', ')}, the kinds ` +
      `with a counterpart in PyTorch, ` +
      `got ${layer.weights.map(({ originalName }) => originalName).join(', ')}; keep such a ` +
      `model with saveModel and loadModel`,
  );

const halfNorm = (layer: layers.Layer, where: string) =>
  new Error(
    `${at(layer, where)}: expected scale and center, or neither, as PyTorch has them, got ` +
      `one; build the layer with both`,
  );

const unclear = (layer: layers.Layer, where: string) =>
  new Error(
    `${at(layer, where)}: expected rows that one Flatten made of an image, whose order in ` +
      `PyTorch is known, ` +
      'got rows made in another way; keep such a model with saveModel and loadModel',
  );

/** Reverses the axes of an array of shape [a, b, c]: the result has shape [c, b, a]. */
export function reverseAxes(
  values: Float32Array,
  [a, b, c]: readonly [number, number, number],
): Float32Array {
  const result = new Float32Array(values.length);
  // Numbers per cache line; reading whole lines is several times faster for large matrices.
  const line = 16;
  for (let first = 0; first < c; first += line) {
    const last = Math.min(first + line, c);
    for (let j = 0; j < b; j++) {
      for (let i = 0; i < a; i++) {
        for (let k = first; k < last; k++)
          result[(k * b + j) * a + i] = values[(i * b + j) * c + k] as number;
      }
    }
  }
  return result;
}
