/** `deepend devices`, `models` and `summary`. */
import { type Device, deviceReport, formatReport } from '@deepend/device';
import { createModel, listModels, summary } from '@deepend/models';
import type { ImageShape } from '@deepend/nn';
import type { Command } from 'commander';
import { startDevice } from '../start-device';
import { toCount } from './numbers';

export function addDevices(command: Command): void {
  command
    .argument(
      '[name]',
      'only this device: auto, cuda:0, webgpu:0, cpu, simd, tensorflow, wasm or cpu-js',
    )
    .option('--json', 'print the report as JSON')
    .action(async (name: string | undefined, { json = false }: { json?: boolean }) => {
      const taken = await startDevice(name ?? 'auto');
      const report = name ? undefined : await deviceReport();
      const text = [...(report ? [formatReport(report), ''] : []), describeDevice(taken)];
      console.log(json ? JSON.stringify({ ...report, taken }, null, 2) : text.join('\n'));
    });
}

const describeDevice = ({ name, hardware, backend, why }: Device) =>
  `${name}: ${hardware}\nbackend: ${backend}\nwhy: ${why}`;

export function addModels(command: Command): void {
  command.argument('[pattern]', 'part of a name; * matches anything').action((pattern?: string) => {
    const found = listModels(pattern?.includes('*') ? pattern : `*${pattern ?? ''}*`);
    if (found.length === 0)
      throw new RangeError(`no model matches '${pattern}'; deepend models lists them all`);
    console.log(found.join('\n'));
  });
}

interface SummaryFlags {
  size?: number;
  channels?: number;
  classes?: number;
  batchSize: number;
  layers?: boolean;
  explain?: boolean;
}

export function addSummary(command: Command): void {
  command
    .argument('<id>', 'such as resnet18 or book/resnet18')
    .option('--size <pixels>', "image height and width (default: the model's own)", toCount)
    .option('--channels <number>', "image channels (default: the model's own)", toCount)
    .option('--classes <number>', "number of classes (default: the model's own)", toCount)
    .option('--batch-size <images>', 'batch size of the shapes and activations', toCount, 1)
    .option('--layers', 'show a row for each layer')
    .option('--explain', "show each layer's arithmetic, such as ⌊(224 − 7 + 2·3)/2⌋ + 1 = 112")
    .action((id: string, flags: SummaryFlags) => {
      const { classes: numClasses, batchSize, layers, explain = false } = flags;
      const inputShape = findInputShape(id, flags);
      const model = createModel(id, {
        ...(inputShape && { inputShape }),
        ...(numClasses && { numClasses }),
      });
      const rows = layers || explain ? 'layers' : 'blocks';
      console.log(summary(model, { batchSize, rows, explain }));
      model.dispose();
    });
}

/** The shape that the flags ask for, completed by the model's own; undefined without flags. */
function findInputShape(
  id: string,
  { size, channels }: Pick<SummaryFlags, 'size' | 'channels'>,
): ImageShape | undefined {
  if (size === undefined && channels === undefined) return undefined;
  if (size !== undefined && channels !== undefined) return [size, size, channels];
  const model = createModel(id);
  const [height, width, own] = (model.inputs[0]?.shape.slice(1) ?? []) as unknown as ImageShape;
  model.dispose();
  return [size ?? height, size ?? width, channels ?? own];
}
