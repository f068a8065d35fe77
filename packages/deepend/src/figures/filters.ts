import { checkOptions, closest, rule } from '@deepend/core';
import { featureExtractor } from '@deepend/models';
import {
  drawFeatureMaps,
  drawFilters,
  type FeatureMapsOptions,
  type Figure,
  type FiltersOptions,
} from '@deepend/plot';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel, layers } from '@tensorflow/tfjs-layers';

type Layer = layers.Layer;

/**
 * Draws the filters of a convolution, each with its number: in colour if the layer has three input
 * channels, else one input channel with negative weights in blue and positive ones in red.
 * @throws RangeError when the model has no such layer or the layer is not a convolution
 * @example
 * await (await showFilters(net, 'conv1')).save('filters.png');
 */
export async function showFilters(
  net: LayersModel,
  layerName: string,
  options: FiltersOptions = {},
): Promise<Figure> {
  const convolutions = layersOf(net).filter((layer) => kernelOf(layer)?.rank === 4);
  const layer = convolutions.find(({ name }) => name === layerName);
  if (!layer) throw noConvolution(net, layerName, convolutions);
  const kernel = kernelOf(layer) as tf.Tensor; // [kh, kw, in, out]; the layer's own, which stays
  const [height = 1, width = 1, inputs = 1, outputs = 1] = kernel.shape;
  // A depthwise convolution has a filter, or some, for each channel, and none that sees two.
  const isDepthwise = ['DepthwiseConv2D', 'SeparableConv2D'].includes(layer.getClassName());
  return drawFilters(
    await kernel.data(),
    isDepthwise ? [height, width, 1, inputs * outputs] : kernel.shape,
    options,
  );
}

const kernelOf = (layer: Layer): tf.Tensor | undefined => layer.getWeights()[0];

/** All layers of a model, including those of models inside it. */
function layersOf(net: LayersModel): Layer[] {
  return net.layers.flatMap((layer) =>
    'layers' in layer ? layersOf(layer as unknown as LayersModel) : [layer],
  );
}

function noConvolution(
  net: LayersModel,
  layerName: string,
  convolutions: readonly Layer[],
): RangeError {
  const names = convolutions.map(({ name }) => name);
  const near = closest(String(layerName), names);
  const hint = near
    ? `did you mean '${near}'?`
    : names.length > 0
      ? `the first is '${names[0]}'`
      : 'it has none at all';
  return new RangeError(
    `[deepend] showFilters: the model '${net.name}' has no convolution '${layerName}'; ${hint}`,
  );
}

const mapsRules = rule.object({ image: rule.nonNegativeInteger().optional() });

/**
 * Draws a layer's output for an image, each channel with its number.
 * @param features float32 `[batch, height, width, channels]`, of which `image` is taken, or one
 *   image `[height, width, channels]`; it stays the caller's
 * @param layerName a layer, or a block by the part of its layers' names before a dot: what comes
 *   out at its end
 * @param options.image which of the batch @default 0
 * @throws RangeError when the model has no such layer, its output is not an image, or the batch has
 *   no such image
 * @example
 * await (await showFeatureMaps(net, features, 'layer1')).save('maps.png');
 */
export async function showFeatureMaps(
  net: LayersModel,
  features: tf.Tensor,
  layerName: string,
  options: FeatureMapsOptions & { image?: number } = {},
): Promise<Figure> {
  const where = '[deepend] showFeatureMaps';
  const { image: index = 0, ...rest } = options;
  checkOptions(where, mapsRules, { image: index });
  const extractor = featureExtractor(net, layerName);
  let maps: tf.Tensor | undefined;
  try {
    const [, height, width, channels] = outputShape(where, extractor, layerName);
    // [1, height, width, channels]
    maps = tf.tidy(() => extractor.predict(takeImage(where, features, index)) as tf.Tensor);
    const shape = [maps.shape[1] ?? height, maps.shape[2] ?? width, channels] as number[];
    return await drawFeatureMaps(await maps.data(), shape, rest);
  } finally {
    maps?.dispose();
    extractor.dispose();
  }
}

function outputShape(where: string, extractor: LayersModel, layerName: string): (number | null)[] {
  const shape = extractor.outputs[0]?.shape ?? [];
  if (shape.length === 4) return shape;
  throw new RangeError(
    `${where}: '${layerName}' gives [${shape.map((side) => side ?? 'batch').join(', ')}]; ` +
      'expected a layer that gives [batch, height, width, channels]',
  );
}

/** `[1, height, width, channels]` */
function takeImage(where: string, features: tf.Tensor, index: number): tf.Tensor {
  if (features.rank === 3) return tf.expandDims(features, 0);
  const count = features.rank === 4 ? (features.shape[0] ?? 0) : 0;
  if (index >= count) {
    throw new RangeError(
      `${where}: expected features [batch, height, width, channels] of more than ${index} ` +
        `images, got [${features.shape}]`,
    );
  }
  return tf.slice(features, [index, 0, 0, 0], [1, -1, -1, -1]);
}
