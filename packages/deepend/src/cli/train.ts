/** `deepend train` and `deepend resume`. */
import { readFile } from 'node:fs/promises';
import { broadcast, rank } from '@deepend/distributed';
import type { Command } from 'commander';
import { runExperiment } from '../experiment';
import { checkRunFolder } from '../run/prepare-folder';
import { type Run, readRun, readRunResult } from '../run/read-run';
import { resumeScriptRun } from '../run/resume-script';
import { SETTINGS, type Settings, settingsFrom } from '../settings';
import { toSetting } from './numbers';
import { requireSettings } from './settings-of-run';

const EXAMPLES = `
Examples:
  deepend train --model book/lenet --lr 0.9 --batch-size 256 --out runs/lenet
  deepend train --model book/resnet18 --data fashion-mnist --resize 96 --epochs 10 \\
    --lr 0.05 --batch-size 128 --device auto --out runs/resnet18
  deepend train --task language-model --data book.txt --epochs 100 --out runs/book
  deepend train --config recipe.json --lr 0.01 --out runs/again
  deepend resume runs/resnet18

A recipe is a JSON file of settings: { "model": "book/lenet", "lr": 0.9, "batchSize": 256 }`;

interface TrainFlags {
  out: string;
  config?: string;
  modelOption?: string[];
  overwrite?: boolean;
  resumeOrStart?: boolean;
  json?: boolean;
  [setting: string]: unknown;
}

export function addTrain(command: Command): void {
  command.addHelpText('after', EXAMPLES);
  for (const { flag, about, kind, rule, ...entry } of Object.values(SETTINGS)) {
    const help = 'default' in entry ? `${about} (default: ${entry.default})` : about;
    if (kind === 'number') command.option(flag, help, toSetting(rule));
    else command.option(flag, help);
  }
  command
    .option(
      '--model-option <key=value>',
      'option of the model, such as blockOrder=full-pre-activation; can be repeated',
      collect,
    )
    .option('--config <file>', 'recipe: a JSON file of settings; flags override it')
    .requiredOption('--out <folder>', 'folder of the run')
    .option('--overwrite', 'remove an earlier run in the folder; files of yours stay')
    .option(
      '--resume-or-start',
      'resume the run in the folder, or start it where there is none: for jobs that are restarted',
    )
    .option('--json', 'print one line of JSON an epoch and nothing else')
    .action(async ({ out, config, modelOption, overwrite, json, ...given }: TrainFlags) => {
      const { resumeOrStart = false, ...flags } = given;
      const recipe = config === undefined ? {} : await readRecipe(config);
      const modelOptions = modelOption && Object.fromEntries(modelOption.map(parseKeyAndValue));
      const settings = settingsFrom('deepend train', recipe, {
        ...flags,
        ...(modelOptions && { modelOptions }),
      });
      // Before the data is loaded. Under mpirun the folder is the first process's.
      const use = resumeOrStart ? { overwrite: true, resumed: true } : { overwrite };
      if (rank() === 0) await checkRunFolder('deepend train', out, use);
      if (resumeOrStart) {
        if (!(await hasFinished('deepend train', out, settings.epochs)))
          await trainInto(out, settings, { json, resume: true });
        else if (rank() === 0) sayFinished(out, settings.epochs, { json });
        return;
      }
      await trainInto(out, settings, { json, overwrite });
    });
}

export function addResume(command: Command): void {
  command
    .argument('<folder>', 'folder of the run')
    .option(
      '--epochs <number>',
      "total number of epochs (default: the run's own setting)",
      toSetting(SETTINGS.epochs.rule),
    )
    .option('--json', 'print one line of JSON an epoch and nothing else')
    .action(
      async (folder: string, { epochs, json = false }: { epochs?: number; json?: boolean }) => {
        const where = 'deepend resume';
        const run = await readRun(folder, where);
        const isScripted = run.config.settings === undefined;
        const more = epochs === undefined ? {} : { epochs };
        const settings = isScripted
          ? undefined
          : settingsFrom(where, requireSettings(folder, run), more);
        const numEpochs = settings?.epochs ?? epochs ?? run.config.numEpochs ?? Infinity;
        if (await hasFinished(where, folder, numEpochs)) {
          if (rank() === 0) sayFinished(folder, numEpochs, { json });
          return;
        }
        if (settings) await trainInto(folder, settings, { json, resume: true });
        else await resumeScript(run, { json, numEpochs: epochs });
      },
    );
}

async function resumeScript(
  run: Run,
  { json, numEpochs }: { json: boolean; numEpochs: number | undefined },
): Promise<void> {
  const callbacks = json ? [printRecord] : [];
  const result = await resumeScriptRun(run, { numEpochs, progress: !json, callbacks });
  if (!json && rank() === 0) console.log(describeEnd(run.dir, result));
}

const printRecord = { onEpochEnd: (record: object) => console.log(JSON.stringify(record)) };

const describeEnd = (out: string, { stopped }: { stopped?: string }) =>
  `${stopped ? `stopped: ${stopped}; ` : ''}the run is in ${out}`;

async function trainInto(
  out: string,
  settings: Settings,
  { json = false, ...use }: { json?: boolean; resume?: boolean; overwrite?: boolean },
): Promise<void> {
  const result = await runExperiment(settings, {
    out,
    ...use,
    progress: !json,
    callbacks: json ? [printRecord] : [],
  });
  if (!json && rank() === 0) console.log(describeEnd(out, result));
}

/** Whether a folder's run has done its epochs: as the first process reads it, for all. */
async function hasFinished(where: string, folder: string, numEpochs: number): Promise<boolean> {
  const result = rank() === 0 ? await readRunResult(folder, where) : undefined;
  const own = Number(result !== undefined && result.epochs >= numEpochs);
  return (await broadcast(Int32Array.of(own)))[0] === 1;
}

function sayFinished(folder: string, numEpochs: number, { json = false }): void {
  const text = `${folder} has finished all ${numEpochs} epochs; use --epochs for more`;
  console.log(json ? JSON.stringify({ finished: true }) : text);
}

const collect = (text: string, previous: string[] = []) => [...previous, text];

function parseKeyAndValue(text: string): [string, unknown] {
  const [key = '', ...rest] = text.split('=');
  if (rest.length === 0 || key === '')
    throw new TypeError(`--model-option: expected key=value, got '${text}'`);
  const value = rest.join('=');
  try {
    return [key, JSON.parse(value)];
  } catch {
    return [key, value];
  }
}

async function readRecipe(file: string): Promise<object> {
  const bytes = await readFile(file).catch((error: Error) => {
    throw new Error(
      `${file}: cannot be read (${error.message}); expected a recipe, a JSON file of settings`,
    );
  });
  try {
    return JSON.parse(decodeText(bytes));
  } catch (error) {
    throw new Error(`${file}: expected JSON, got something else (${(error as Error).message})`);
  }
}

/** Decodes UTF-8, or UTF-16 if a byte order mark says so, as editors on Windows may save it. */
function decodeText(bytes: Buffer): string {
  const encodings = { fffe: 'utf-16le', feff: 'utf-16be' } as Record<string, string>;
  const mark = bytes.subarray(0, 2).toString('hex');
  return new TextDecoder(encodings[mark] ?? 'utf-8').decode(bytes); // which drops the mark
}
