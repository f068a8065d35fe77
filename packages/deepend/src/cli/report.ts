/** `deepend report`. */
import type { Command } from 'commander';
import { isMissing } from '../report/missing';
import { makeReport } from '../report/report';
import { readRunFolder } from '../report/run-folder';

interface ReportFlags {
  out?: string;
  samples?: number;
  data: boolean;
  device?: string;
  json?: boolean;
}

export function addReport(program: Command): void {
  program
    .command('report')
    .description(
      'writes a run as one HTML page: figures, curves, classes, confusions, worst examples, net, configuration, device',
    )
    .argument('<folder>', "the run's directory")
    .option('--out <file>', "the page; report.html in the run's directory unless given")
    .option(
      '--samples <number>',
      'test images with the largest losses that are shown (24 unless given)',
      Number,
    )
    .option('--no-data', 'leaves the test set alone, and out what it would fill')
    .option(
      '--device <name>',
      "auto, cuda:0, webgpu:0, cpu, or an engine; the run's own unless given",
    )
    .option('--json', 'figures for machines')
    .action(async (folder: string, { json = false, device, ...flags }: ReportFlags) => {
      const { settings } = await readRunFolder(folder);
      const chosen = device ?? (isMissing(settings) ? 'auto' : settings.device);
      const { file, evaluation, net, ...rest } = await makeReport(folder, {
        ...flags,
        device: chosen,
        progress: !json,
      });
      if (json) console.log(JSON.stringify({ file, ...rest, evaluation, net }));
      else {
        if (isMissing(evaluation)) console.log(`without the test set: ${evaluation.missing}`);
        else
          console.log(
            `test acc ${evaluation.accuracy.toFixed(3)} on ${evaluation.numSamples} images, by ${net}`,
          );
        console.log(`the report is in ${file}`);
      }
    });
}
