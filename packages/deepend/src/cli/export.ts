/** `deepend export`: writes a run or a saved model for other programs. */
import { access, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { closest } from '@deepend/core';
import { device } from '@deepend/device';
import { loadModel } from '@deepend/models';
import type { Command } from 'commander';
import { runFile } from '../run/layout';
import { type Run, readRun } from '../run/read-run';
import { requireTestSet } from '../run/run-data';
import { requireRunModel } from '../run/run-model';
import { startDevice } from '../start-device';
import { EXPORT_FORMATS, type ExportFormatName, type ExportSource } from './export-formats';
import { deviceOf } from './settings-of-run';

interface ExportFlags {
  to: string;
  out?: string;
  probabilities?: boolean;
  device?: string;
  json?: boolean;
}

interface SourceOptions {
  device: string | undefined;
  progress: boolean;
}

const FORMAT_HELP = Object.entries(EXPORT_FORMATS)
  .map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`)
  .join('\n');

export function addExport(command: Command): void {
  command
    .argument('<folder>', 'folder of a run, or of a saved model')
    .requiredOption('--to <format>', Object.keys(EXPORT_FORMATS).join(', '))
    .option('--out <place>', "file or folder to write (default: in the run's folder exports)")
    .option('--probabilities', 'predictions: add a column with the probability of each class')
    .option(
      '--device <name>',
      "predictions: device or backend: auto, cuda:0, cpu, ... (default: the run's own)",
    )
    .option('--json', 'print format, place and bytes as JSON')
    .addHelpText(
      'after',
      `\nFormats:\n${FORMAT_HELP}\n\nExample:\n  deepend export runs/resnet18 --to onnx`,
    )
    .action(async (folder: string, flags: ExportFlags) => {
      const { to, json = false, probabilities = false } = flags;
      const name = parseFormat(to);
      const format = EXPORT_FORMATS[name];
      const out = flags.out ?? defaultPlace(folder, name);
      const source = await findSource(folder, { device: flags.device, progress: !json });
      await format.write(source, out, { probabilities });
      if (json) console.log(JSON.stringify({ to: name, out, bytes: await countBytes(out) }));
      else console.log(`${format.about.split(/[,:]/)[0]}: ${out}`);
    });
}

function parseFormat(name: string): ExportFormatName {
  if (Object.hasOwn(EXPORT_FORMATS, name)) return name as ExportFormatName;
  const names = Object.keys(EXPORT_FORMATS);
  const near = closest(name, names);
  const next = near ? `did you mean '${near}'?` : `expected one of ${names.join(', ')}`;
  throw new RangeError(`--to: there is no format '${name}'; ${next}`);
}

function defaultPlace(folder: string, name: ExportFormatName): string {
  const format = EXPORT_FORMATS[name];
  if ('file' in format && format.file) return path.join(runFile(folder, 'exports'), format.file);
  throw new RangeError(
    `--to ${name}: the run already has this file, ${runFile(folder, 'history')}; ` +
      'name another file with --out',
  );
}

const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );

async function findSource(folder: string, options: SourceOptions): Promise<ExportSource> {
  if (await exists(runFile(folder, 'config')))
    return runSource(await readRun(folder, '[deepend] export'), options);
  if (await exists(path.join(folder, 'model.json'))) return modelSource(folder);
  throw new Error(
    `${folder}: expected the folder of a run (config.json) or of a saved model (model.json), ` +
      'found neither; name another folder',
  );
}

/** A saved model has no history and no test set. */
function modelSource(folder: string): ExportSource {
  const refuse = async (): Promise<never> => {
    throw new Error(
      `${folder}: expected the folder of a run, which has a history and a test set, ` +
        "got a saved model; name the run's folder",
    );
  };
  return {
    model: async () => {
      await device('cpu-js'); // weights are only copied
      return loadModel(folder);
    },
    classNames: async () => undefined,
    history: refuse,
    stepsPerEpoch: refuse,
    endedAt: refuse,
    testSet: refuse,
  };
}

function runSource(run: Run, { device: chosen, progress }: SourceOptions): ExportSource {
  const { dir, config, history } = run;
  const historyFile = runFile(dir, 'history');
  let isComputing = false;
  return {
    model: async () => {
      if (!isComputing) await device('cpu-js'); // weights are only copied
      const found = await requireRunModel(run);
      if (progress) console.log(`using ${found.from}`);
      return found.model;
    },
    classNames: async () => config.classNames,
    history: async () => {
      if (history.length > 0) return history;
      throw new Error(
        `${historyFile}: has no epoch yet; npx deepend resume ${dir} continues the run`,
      );
    },
    stepsPerEpoch: async () => {
      const { numSamples, batchSize } = config;
      return numSamples && batchSize ? Math.ceil(numSamples / batchSize) : undefined;
    },
    endedAt: async () => (await stat(historyFile)).mtime,
    testSet: async () => {
      await startDevice(chosen ?? deviceOf(run));
      isComputing = true;
      return requireTestSet(run, { progress });
    },
  };
}

/** The size of a file, or of all files in a folder. */
async function countBytes(place: string): Promise<number> {
  const found = await stat(place);
  if (!found.isDirectory()) return found.size;
  const names = await readdir(place);
  const sizes = await Promise.all(names.map((name) => countBytes(path.join(place, name))));
  return sizes.reduce((a, b) => a + b, 0);
}
