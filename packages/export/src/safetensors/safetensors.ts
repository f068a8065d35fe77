/** Exports a model's weights as a safetensors file for PyTorch. */
import { checkOptions, rule } from '@deepend/core';
import { writeWeights } from '@deepend/models';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { version } from '../../package.json';

export interface ExportSafetensorsOptions {
  /**
   * Names of the classes in the order of the logits, stored in the file's metadata as `classNames`,
   * a list in JSON. @default none
   */
  classNames?: readonly string[];
  /** More strings for the file's metadata. @default none */
  metadata?: Readonly<Record<string, string>>;
}

const WHERE = '[export] exportSafetensors';
const isTexts = (value: unknown) =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((text) => typeof text === 'string');
const options = rule.object({
  classNames: rule.list(rule.string(), 'a list of strings').optional(),
  metadata: rule.custom<Record<string, string>>(isTexts, 'an object of strings').optional(),
});

/**
 * Writes what `saveWeights` writes, a state dict for a PyTorch module with the same layers
 * (`load_state_dict(safetensors.torch.load_file(file))`), and metadata that describes it: `format`
 * ('pt'), `producer`, `model`, `inputShape` ([height, width, channels] in JSON) and `classNames`.
 * The file appears complete or not at all.
 * @param settings.classNames names of the classes @default none
 * @param settings.metadata more strings @default none
 * @throws Error when a layer's weights have no known counterpart in PyTorch (the error names the
 *   layer; nothing is written), or the file cannot be written
 */
export async function exportSafetensors(
  model: LayersModel,
  file: string,
  settings: ExportSafetensorsOptions = {},
): Promise<void> {
  const { classNames, metadata } = checkOptions(WHERE, options, settings);
  const about = {
    ...metadata,
    format: 'pt', // loaders of other libraries expect it
    producer: `deepend ${version}`,
    model: model.name,
    inputShape: JSON.stringify(model.inputs[0]?.shape.slice(1) ?? []),
    ...(classNames && { classNames: JSON.stringify(classNames) }),
  };
  await writeWeights(model, file, { where: WHERE, metadata: about });
}
