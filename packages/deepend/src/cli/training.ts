/** `deepend train` and `deepend resume`. */
import path from 'node:path';
import type { Command } from 'commander';
import fs from 'fs-extra';
import { runExperiment } from '../experiment';
import { SETTINGS, type Settings, settingsFrom } from '../settings';

const EXAMPLES = `
Examples:
  deepend train --model book/lenet --lr 0.9 --batch-size 256 --out runs/lenet
  deepend train --model book/resnet18 --data fashion-mnist --resize 96 --epochs 10 --lr 0.05 --batch-size 128 --device auto --out runs/resnet18
  deepend train --config recipe.json --lr 0.01 --out runs/again
  deepend resume runs/resnet18

A recipe is a JSON file of the same settings: { "model": "book/lenet", "lr": 0.9, "batchSize": 256 }`;

interface TrainFlags {
  out: string;
  config?: string;
  modelOption?: string[];
  json?: boolean;
  [setting: string]: unknown;
}

export function addTraining(program: Command): void {
  const command = program
    .command('train')
    .description("trains a net, and fills a run's directory")
    .addHelpText('after', EXAMPLES);
  for (const { flag, about, kind, ...row } of Object.values(SETTINGS)) {
    const shown = 'default' in row ? `${about} (${row.default} unless given)` : about;
    if (kind === 'number') command.option(flag, shown, toNumber);
    else command.option(flag, shown);
  }
  command
    .option(
      '--model-option <key=value>',
      'an option of the net, such as blockOrder=full-pre-activation; may come often',
      collect,
    )
    .option('--config <file>', 'a recipe: JSON of the same settings; flags come before it')
    .requiredOption('--out <folder>', "the run's directory")
    .option('--json', 'a line of JSON for each epoch, nothing else')
    .action(async ({ out, config, modelOption, json = false, ...flags }: TrainFlags) => {
      const recipe = config === undefined ? {} : await readRecipe(config);
      const own = modelOption
        ? { modelOptions: Object.fromEntries(modelOption.map(keyAndValue)) }
        : {};
      await trainInto(out, settingsFrom('deepend train', recipe, { ...flags, ...own }), { json });
    });

  program
    .command('resume')
    .description(
      'goes on with a run from its newest sound checkpoint; anew where there is none yet',
    )
    .argument('<folder>', "the run's directory")
    .option('--epochs <number>', 'in all; as the run was told unless given', toNumber)
    .option('--json', 'a line of JSON for each epoch, nothing else')
    .action(
      async (folder: string, { epochs, json = false }: { epochs?: number; json?: boolean }) => {
        const settings = settingsFrom(
          'deepend resume',
          await settingsOf(folder),
          epochs === undefined ? {} : { epochs },
        );
        if (await finished(folder, settings)) {
          console.log(
            json
              ? JSON.stringify({ finished: true })
              : `${folder} has come to its end: ${settings.epochs} epochs; --epochs asks for more`,
          );
          return;
        }
        await trainInto(folder, settings, { json, resume: true });
      },
    );
}

async function trainInto(
  out: string,
  settings: Settings,
  { json, resume = false }: { json: boolean; resume?: boolean },
): Promise<void> {
  const line = { onEpochEnd: (record: object) => console.log(JSON.stringify(record)) };
  const result = await runExperiment(settings, {
    out,
    resume,
    progress: !json,
    callbacks: json ? [line] : [],
  });
  if (!json)
    console.log(
      result.stopped ? `stopped: ${result.stopped}; the run is in ${out}` : `the run is in ${out}`,
    );
}

const toNumber = (text: string) => (text.trim() === '' ? Number.NaN : Number(text)); // what is no number is refused with the setting's rule
const collect = (text: string, before: string[] = []) => [...before, text];

function keyAndValue(text: string): [string, unknown] {
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
  const text = await fs.readFile(file, 'utf8').catch((error: Error) => {
    throw new Error(
      `${file}: cannot be read (${error.message}); expected a recipe, a JSON file of settings`,
    );
  });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file}: expected JSON, got something else (${(error as Error).message})`);
  }
}

/** The settings that a run was told. */
export async function settingsOf(folder: string): Promise<Settings> {
  const file = path.join(folder, 'config.json');
  const { settings } = (await readRecipe(file)) as { settings?: Settings };
  if (settings) return settings;
  throw new Error(
    `${file}: has no settings: this run was not started by deepend train; go on in its script, with train(..., { resume: '${folder}' })`,
  );
}

async function finished(folder: string, { epochs }: Settings): Promise<boolean> {
  const result = (await fs.readJson(path.join(folder, 'result.json')).catch(() => undefined)) as
    | { epochs?: number }
    | undefined;
  return result?.epochs !== undefined && result.epochs >= epochs;
}
