/** Exports a model as an ONNX file, https://onnx.ai, for ONNX Runtime and other runtimes. */
import { checkOptions, rule, writeFileAtomic } from '@deepend/core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { version } from '../../package.json';
import { buildModel } from './build';
import { encodeModel, type OnnxModel } from './model-proto';
import { byteLength, pieces } from './protobuf';

export interface OnnxOptions {
  /**
   * The order of four-dimensional inputs and outputs: `'nhwc'`, [batch, height, width, channels],
   * is the model's own; `'nchw'`, [batch, channels, height, width], is PyTorch's. Inside, both use
   * [batch, channels, height, width]. @default 'nhwc'
   */
  layout?: 'nhwc' | 'nchw';
  /**
   * Whether batch normalization is folded into the convolution before it. This is faster where the
   * runtime does not do so itself, but the file then has other weights than the model. @default
   * false
   */
  fuse?: boolean;
  /**
   * Names of the classes in the order of the logits, stored in the file's metadata as `classNames`,
   * a list in JSON. @default none
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
 * Writes a model into an ONNX file (opset 17, IR version 8), as inference computes it. The batch
 * size is not fixed. Weights are float32 and have PyTorch's names and layouts
 * (`layer1.0.conv1.weight`, as `saveWeights` writes them); inputs and outputs have the names of
 * their layers. The metadata has the model's name (`model`), `layout` and `classNames`. The file
 * appears complete or not at all; weights are written one at a time.
 * @param options.layout order of images at the inputs and outputs @default 'nhwc'
 * @param options.fuse batch normalization inside convolutions @default false
 * @param options.classNames names of the classes @default none
 * @throws Error for a layer that ONNX or this exporter does not have (the error names the layer),
 *   and for a model of 2 GiB or more, before anything is written; RangeError when the number of
 *   class names differs from that of the logits
 * @example
 * await exportOnnx(model, 'resnet18.onnx', { layout: 'nchw', classNames: ['cat', 'dog'] });
 */
export async function exportOnnx(
  model: LayersModel,
  file: string,
  options: OnnxOptions = {},
): Promise<void> {
  const { layout = 'nhwc', fuse = false, classNames } = checkOptions(WHERE, onnxOptions, options);
  const metadata = {
    model: model.name,
    layout,
    ...(classNames && { classNames: JSON.stringify(classNames) }),
  };
  const graph = buildModel(model, { where: WHERE, layout, fuse, metadata });
  checkClassNames(model, classNames);
  await writeOnnx(file, graph);
}

function checkClassNames(model: LayersModel, classNames: readonly string[] | undefined): void {
  const logits = model.outputs[0]?.shape.at(-1);
  if (classNames === undefined || classNames.length === logits) return;
  throw new RangeError(
    `${WHERE}: option "classNames" must be a list of ${logits}, as many as the model ` +
      `'${model.name}' has outputs, got ${classNames.length}`,
  );
}

/**
 * @throws Error before anything is written when the file would be larger than a protobuf message
 *   can be
 */
export async function writeOnnx(file: string, model: OnnxModel): Promise<void> {
  const encoded = encodeModel(model, { name: 'deepend', version });
  const bytes = byteLength(encoded);
  if (bytes > MOST_BYTES) {
    throw new Error(
      `${WHERE}: model '${model.name}': expected a file of less than 2 GiB, the most that ` +
        `protobuf holds, got ${bytes} bytes; keep it with saveModel`,
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
