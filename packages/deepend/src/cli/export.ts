/** `deepend export`: a run, or a saved net, for other programs. */
import path from 'node:path';
import { closest } from '@deepend/core';
import { device } from '@deepend/device';
import { loadModel } from '@deepend/models';
import type { Command } from 'commander';
import fs from 'fs-extra';
import { deviceOf, loadersOf } from '../experiment';
import { isMissing } from '../report/missing';
import { netOfRun } from '../report/net';
import { type RunFolder, readRunFolder } from '../report/run-folder';
import { EXPORT_FORMATS, type ExportFormatName, type ExportSource } from './export-formats';

interface ExportFlags {
  to: string;
  out?: string;
  probabilities?: boolean;
  device?: string;
  json?: boolean;
}

const ROWS = Object.entries(EXPORT_FORMATS)
  .map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`)
  .join('\n');

export function addExport(program: Command): void {
  program
    .command('export')
    .description("writes a run's net, history or predictions for other programs")
    .argument('<folder>', "a run's directory, or the folder of a saved net")
    .requiredOption('--to <format>', Object.keys(EXPORT_FORMATS).join(', '))
    .option('--out <file>', "where to; in the directory's folder exports unless given")
    .option('--probabilities', 'predictions: a column for the probability of each class')
    .option(
      '--device <name>',
      "predictions: auto, cuda:0, cpu, or an engine; the run's own unless given",
    )
    .option('--json', 'format, place and bytes for machines')
    .addHelpText(
      'after',
      `\nFormats:\n${ROWS}\n\nExample:\n  deepend export runs/resnet18 --to onnx`,
    )
    .action(async (folder: string, flags: ExportFlags) => {
      const { to, json = false, probabilities = false } = flags;
      const name = formatOf(to);
      const format = EXPORT_FORMATS[name];
      const out = flags.out ?? placeOf(folder, name);
      await format.write(await sourceOf(folder, { device: flags.device, progress: !json }), out, {
        probabilities,
      });
      if (json) console.log(JSON.stringify({ to: name, out, bytes: await bytesOf(out) }));
      else console.log(`${format.about.split(/[,:]/)[0]}: ${out}`);
    });
}

function formatOf(name: string): ExportFormatName {
  if (Object.hasOwn(EXPORT_FORMATS, name)) return name as ExportFormatName;
  const names = Object.keys(EXPORT_FORMATS);
  const near = closest(name, names);
  const next = near ? `did you mean '${near}'?` : `it has ${names.join(', ')}`;
  throw new RangeError(`--to: there is no format '${name}'; ${next}`);
}

function placeOf(folder: string, name: ExportFormatName): string {
  const format = EXPORT_FORMATS[name];
  if ('file' in format && format.file) return path.join(folder, 'exports', format.file);
  throw new RangeError(
    `--to ${name}: the run has the like already, ${path.join(folder, 'history.jsonl')}; name a file by --out`,
  );
}

/** What a folder has to export; a saved net's has a net alone. */
async function sourceOf(
  folder: string,
  options: { device: string | undefined; progress: boolean },
): Promise<ExportSource> {
  if (await fs.pathExists(path.join(folder, 'config.json')))
    return runSource(await readRunFolder(folder), options);
  if (await fs.pathExists(path.join(folder, 'model.json'))) return netSource(folder);
  throw new Error(
    `${folder}: expected a run's directory (config.json) or a saved net (model.json), found neither; name another folder`,
  );
}

function netSource(folder: string): ExportSource {
  const refuse = async (): Promise<never> => {
    throw new Error(
      `${folder}: expected a run's directory, which has a history and a test set, got a saved net; name the run's`,
    );
  };
  return {
    net: async () => {
      await device('cpu-js'); // weights are moved, nothing is computed
      return loadModel(folder);
    },
    classNames: async () => undefined,
    history: refuse,
    stepsPerEpoch: refuse,
    endedAt: refuse,
    testSet: refuse,
  };
}

function runSource(
  run: RunFolder,
  { device: chosen, progress }: { device: string | undefined; progress: boolean },
): ExportSource {
  const { dir, config, history } = run;
  let computing = false;
  return {
    net: async () => {
      if (!computing) await device('cpu-js'); // weights are moved, nothing is computed
      const found = await netOfRun(run);
      if (isMissing(found)) throw new Error(`${dir}: ${found.missing}; ${found.fill}`);
      if (progress) console.log(`the weights are those of ${found.from}`);
      return found.net;
    },
    classNames: async () => config.classNames,
    history: async () => {
      if (history.length > 0) return history;
      throw new Error(
        `${path.join(dir, 'history.jsonl')}: has no epoch yet; npx deepend resume ${dir} goes on with the run`,
      );
    },
    stepsPerEpoch: async () => {
      const { numSamples, batchSize } = config;
      return numSamples && batchSize ? Math.ceil(numSamples / batchSize) : undefined;
    },
    endedAt: async () => (await fs.stat(path.join(dir, 'history.jsonl'))).mtime,
    testSet: async () => {
      const { settings } = run;
      if (isMissing(settings))
        throw new Error(
          `${dir}: ${settings.missing}, so its test set is not known; ${settings.fill}`,
        );
      await deviceOf(chosen ?? settings.device);
      computing = true;
      const [, testIter] = await loadersOf(settings, { progress });
      return testIter;
    },
  };
}

/** Of a file, or of all in a folder. */
async function bytesOf(place: string): Promise<number> {
  const stat = await fs.stat(place);
  if (!stat.isDirectory()) return stat.size;
  const sizes = await Promise.all(
    (await fs.readdir(place)).map((name) => bytesOf(path.join(place, name))),
  );
  return sizes.reduce((a, b) => a + b, 0);
}
