/** `deepend report`. */
import type { Command } from 'commander';
import { makeReport } from '../report/report';
import { isUnavailable, readRun } from '../run/read-run';
import { toCountOrZero } from './numbers';
import { deviceOf } from './settings-of-run';

interface ReportFlags {
  out?: string;
  samples?: number;
  data: boolean;
  device?: string;
  json?: boolean;
}

export function addReport(command: Command): void {
  command
    .argument('<folder>', 'folder of the run')
    .option('--out <file>', "page to write (default: report.html in the run's folder)")
    .option(
      '--samples <number>',
      'number of test images with the largest losses to show (default: 24)',
      toCountOrZero,
    )
    .option('--no-data', 'skip loading the test set, and omit the sections that need it')
    .option(
      '--device <name>',
      "device or backend: auto, cuda:0, webgpu:0, cpu, simd, ... (default: the run's own)",
    )
    .option('--json', 'print the results as JSON')
    .action(async (folder: string, { json = false, device, ...flags }: ReportFlags) => {
      const run = await readRun(folder, '[deepend] report');
      const { file, evaluation, model, ...rest } = await makeReport(folder, {
        ...flags,
        device: device ?? deviceOf(run),
        progress: !json,
      });
      if (json) {
        console.log(JSON.stringify({ file, ...rest, evaluation, model }));
        return;
      }
      if (isUnavailable(evaluation)) console.log(`without the test set: ${evaluation.reason}`);
      else {
        const { accuracy, numSamples } = evaluation;
        console.log(`test acc ${accuracy.toFixed(3)} on ${numSamples} images, by ${model}`);
      }
      console.log(`the report is in ${file}`);
    });
}
