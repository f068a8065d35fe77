/**
 * A model as an ONNX file, https://onnx.ai, which ONNX Runtime and the runtimes of phones, browsers
 * and GPUs' makers read.
 */
import { checkOptions, rule, writeFileAtomic } from '@deepend/core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { version } from '../package.json';
import { buildModel } from './onnx/build';
import { encodeModel, type OnnxModel } from './onnx/model-proto';
import { byteLength, pieces } from './onnx/protobuf';

export interface OnnxOptions {
  /**
   * The order of four-dimensional inputs and outputs: `'nhwc'`, [batch, height, width, channels],
   * is the model's own, so that the file takes what the
   * model takes; `'nchw'`, [batch, channels, height, width], is PyTorch's. The inside is [batch,
   * channels, height, width] in both. @default 'nhwc'
   */
  layout?: 'nhwc' | 'nchw';
  /**
   * Batch normalization becomes a part of the convolution before it: faster where the runtime does
   * not do so itself, but no longer the model's weights. @default false
   */
  fuse?: boolean;
  /**
   * The classes in the order of the logits; they stand in the file's metadata as `classNames`, a
   * list in JSON. @default none
   */
  classNames?: readonly string[];
}

const WHERE = '[export] exportOnnx';
const MOST_BYTES = 2 ** 31 - 1;

const onnxOptions = rule.object({
  layout: rule.oneOf(['nhwc', 'nchw']).optional(),
  fuse: rule.boolean().optional(),
  classNames: rule.list(rule.string(), 'a list of strings').optional(),
});

/**
 * Writes a model into an ONNX file (opset 17, IR version 8), as inference computes it. The batch is
 * open; weights are float32 and have PyTorch's names
 * and layouts (`layer1.0.conv1.weight`, as `saveWeights` writes them), inputs and outputs the names
 * of their layers. Its metadata say the model's
 * name (`model`), `layout` and `classNames`. The file appears whole or not at all; one weight at a
 * time is held.
 * @param options.layout order of images at the inputs and outputs @default 'nhwc'
 * @param options.fuse batch normalization inside convolutions @default false
 * @param options.classNames names of the classes @default none
 * @throws Error for a layer that ONNX, or this exporter, does not have (it names the layer), and
 *   for a model of 2 GiB, before anything is written;
 *   RangeError for class names that are not as many as the logits
 */
export async function exportOnnx(
  net: LayersModel,
  file: string,
  options: OnnxOptions = {},
): Promise<void> {
  const { layout = 'nhwc', fuse = false, classNames } = checkOptions(WHERE, onnxOptions, options);
  const metadata = {
    model: net.name,
    layout,
    ...(classNames && { classNames: JSON.stringify(classNames) }),
  };
  const model = buildModel(net, { where: WHERE, layout, fuse, metadata });
  checkClassNames(net, classNames);
  await writeOnnx(file, model);
}

function checkClassNames(net: LayersModel, classNames: readonly string[] | undefined): void {
  const logits = net.outputs[0]?.shape.at(-1);
  if (classNames === undefined || classNames.length === logits) return;
  throw new RangeError(
    `${WHERE}: option "classNames" must be a list of ${logits}, as many as the net '${net.name}' has outputs, got ${classNames.length}`,
  );
}

/**
 * @throws Error before anything is written when the file would be larger than a protobuf message
 * can be
 */
export async function writeOnnx(file: string, model: OnnxModel): Promise<void> {
  const encoded = encodeModel(model, { name: 'deepend', version });
  const bytes = byteLength(encoded);
  if (bytes > MOST_BYTES) {
    throw new Error(
      `${WHERE}: net '${model.name}': expected a file of less than 2 GiB, the most that protobuf holds, got ${bytes} bytes; keep it with saveModel`,
    );
  }
  await writeFileAtomic(
    file,
    async (handle) => {
      for await (const piece of pieces(encoded)) await handle.writeFile(piece);
    },
    { where: WHERE },
  );
}
