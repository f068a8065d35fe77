/** What there is and what it costs: `deepend devices`, `models`, `summary`. */
import { type Device, device, deviceReport, formatReport, tryGpu } from '@deepend/device';
import { createModel, listModels, summary } from '@deepend/models';
import type { ImageShape } from '@deepend/nn';
import { type Command, InvalidArgumentError } from 'commander';

export function addInspection(program: Command): void {
  addDevices(program);
  addModels(program);
  addSummary(program);
}

function addDevices(program: Command): void {
  program
    .command('devices')
    .alias('device')
    .description('what computes here, and why not a better one')
    .argument(
      '[name]',
      'one device alone: auto, cuda:0, webgpu:0, cpu, simd, tensorflow, wasm or cpu-js',
    )
    .option('--json', 'prints the report as JSON')
    .action(async (name: string | undefined, { json = false }: { json?: boolean }) => {
      const found =
        !name || name === 'auto'
          ? await tryGpu()
          : await device(name as Parameters<typeof device>[0]);
      const report = name ? undefined : await deviceReport();
      if (json) console.log(JSON.stringify({ ...(report ?? {}), taken: found }, null, 2));
      else
        console.log(
          [...(report ? [formatReport(report), ''] : []), describeTaken(found)].join('\n'),
        );
    });
}

const describeTaken = ({ name, hardware, backend: engine, why }: Device) =>
  `${name}: ${hardware}\nengine: ${engine}\nwhy: ${why}`;

function addModels(program: Command): void {
  program
    .command('models')
    .description('the nets that there are')
    .argument('[pattern]', 'part of a name, with * for anything')
    .action((pattern?: string) => {
      const found = listModels(pattern);
      if (found.length === 0)
        throw new RangeError(`no net is like '${pattern}'; deepend models lists them all`);
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

function addSummary(program: Command): void {
  program
    .command('summary')
    .description("a net's blocks: output shapes, parameters, multiply-accumulates, activations")
    .argument('<id>', 'such as resnet18 or book/resnet18')
    .option(
      '--size <pixels>',
      "height and width of an image; the net's own unless given",
      wholeNumber,
    )
    .option('--channels <number>', "channels of an image; the net's own unless given", wholeNumber)
    .option('--classes <number>', "classes to tell apart; the net's own unless given", wholeNumber)
    .option('--batch-size <images>', 'the batch that shapes and activations show', wholeNumber, 1)
    .option('--layers', 'a row for each layer')
    .option('--explain', 'each layer with its arithmetic, such as ⌊(224 − 7 + 2·3)/2⌋ + 1 = 112')
    .action(
      (
        id: string,
        { size, channels, classes: numClasses, batchSize, layers, explain = false }: SummaryFlags,
      ) => {
        const inputShape = shapeOf(id, { size, channels });
        const net = createModel(id, {
          ...(inputShape && { inputShape }),
          ...(numClasses && { numClasses }),
        });
        console.log(
          summary(net, { batchSize, rows: layers || explain ? 'layers' : 'blocks', explain }),
        );
        net.dispose();
      },
    );
}

/**
 * What the flags leave open is as in the net that its id alone gives; undefined where they leave
 * all open.
 */
function shapeOf(
  id: string,
  { size, channels }: Pick<SummaryFlags, 'size' | 'channels'>,
): ImageShape | undefined {
  if (size === undefined && channels === undefined) return undefined;
  if (size !== undefined && channels !== undefined) return [size, size, channels];
  const net = createModel(id);
  const [height, width, own] = (net.inputs[0]?.shape ?? []).slice(1) as ImageShape;
  net.dispose();
  return [size ?? height, size ?? width, channels ?? own];
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('expected an integer of at least 1');
}
