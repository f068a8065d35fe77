/** The command on a report, read by a real shell and the real command line. */

import { execFileSync } from 'node:child_process';
import { runs } from 'deepend';
import { main } from 'deepend/cli';
import fc from 'fast-check';
import { beforeEach, expect, it, vi } from 'vitest';
import { quote, trainCommand } from '../../packages/deepend/src/report/train-command';
import { runsOf } from '../helpers/full';

const asked: { settings: runs.Settings; out: string }[] = [];
vi.mock('../../packages/deepend/src/experiment', async (original) => ({
  ...(await original<object>()),
  runExperiment: async (settings: runs.Settings, { out }: { out: string }) => {
    asked.push({ settings, out });
    return {};
  },
}));
beforeEach(() => {
  asked.length = 0;
});

/** The words that a POSIX shell makes of a command. */
const words = (line: string) =>
  execFileSync('sh', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1);

async function told(command: string) {
  const [npx, deepend, ...args] = words(command);
  expect([npx, deepend]).toEqual(['npx', 'deepend']);
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const error = vi.spyOn(console, 'error').mockImplementation((text) => {
    throw new Error(`the command was refused: ${text}`);
  });
  await main(['node', 'deepend', ...args]);
  for (const spy of [log, error]) spy.mockRestore();
  return asked.at(-1);
}

/** A switch that is off is as one that is not there. */
const withoutOff = (settings: runs.Settings) =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== false));

const text = fc.string({ unit: 'binary', minLength: 1 }).filter((word) => !word.includes('\0'));
const number = {
  whole: fc.integer({ min: 1, max: 1e9 }),
  positive: fc.double({ min: 1e-12, max: 1e6, noNaN: true }),
  share: fc.double({ min: 0, max: 0.999, noNaN: true }),
};
const GIVEN: Partial<Record<keyof typeof runs.SETTINGS, fc.Arbitrary<unknown>>> = {
  compression: fc.constantFrom('none', 'float16'),
  init: fc.constantFrom('xavier-uniform', 'he-normal'),
  schedule: fc.constantFrom('constant', 'cosine', 'one-cycle', 'polynomial', 'step', 'plateau'),
  optimizer: fc.constantFrom('sgd', 'adam', 'adamw', 'rmsprop', 'adagrad', 'lion'),
  ...Object.fromEntries(
    ['momentum', 'labelSmoothing', 'emaDecay'].map((name) => [name, number.share]),
  ),
  ...Object.fromEntries(
    ['lr', 'warmUp', 'clipNorm', 'clipValue', 'checkpointSeconds', 'timeLimit', 'weightDecay'].map(
      (name) => [name, number.positive],
    ),
  ),
};
const byKind = { string: text, number: number.whole, boolean: fc.boolean() };
/** Of language models; a run of images has none of them. */
const OF_TEXT = ['task', 'tokenizer', 'numSteps'];
const settings = fc
  .record(
    {
      ...Object.fromEntries(
        Object.entries(runs.SETTINGS)
          .filter(([name]) => !OF_TEXT.includes(name))
          .map(([name, { kind }]) => [
            name,
            GIVEN[name as keyof typeof runs.SETTINGS] ?? byKind[kind],
          ]),
      ),
      modelOptions: fc.dictionary(
        text.filter((key) => !key.includes('=') && key !== '__proto__'),
        fc.oneof(
          fc.jsonValue({ maxDepth: 1 }),
          fc.constantFrom('5', 'true', 'null', '"x"', "it's"),
        ),
      ),
    },
    { requiredKeys: ['model' as never] }, // among the settings, whose names TypeScript does not see here
  )
  .map((given) => runs.settingsFrom('test', JSON.parse(JSON.stringify(given))));

it('gives the same settings, whatever is in them', async () => {
  await fc.assert(
    fc.asyncProperty(settings, text, async (given, out) => {
      const { modelOptions, ...rest } = given;
      const expected = {
        ...withoutOff(rest as runs.Settings),
        ...(Object.keys(modelOptions ?? {}).length > 0 && { modelOptions }),
      };
      const got = await told(trainCommand(given, out));
      expect({ ...got, settings: withoutOff(got?.settings as runs.Settings) }).toEqual({
        settings: expected,
        out,
      });
    }),
    { numRuns: runsOf(150) },
  );
}, 60_000);

it('gives the settings of a language model, without the defaults of its kind', async () => {
  const asked = { task: 'language-model', data: '/texts/book.txt', tokenizer: 'word', epochs: 3 };
  const given = runs.settingsFrom('test', asked);
  const command = trainCommand(given, 'runs/book');
  expect(await told(command)).toEqual({ settings: given, out: 'runs/book' });
});

it('says what everyone asks for, and what is not as by default', () => {
  const given = runs.settingsFrom('test', {
    model: 'book/lenet',
    root: "it's here",
    nesterov: true,
    modelOptions: { stem: 'cifar' },
  });
  expect(trainCommand(given, 'runs/x')).toBe(
    "npx deepend train --model book/lenet --data fashion-mnist --root 'it'\\''s here' --epochs 10 --batch-size 128 --lr 0.05 --nesterov --seed 0 --model-option stem=cifar --out runs/x",
  );
});

it('quotes a word for the shell', () => {
  fc.assert(
    fc.property(text, (word) => {
      expect(words(quote(word))).toEqual([word]);
    }),
    { numRuns: runsOf(60) },
  );
  expect(words(quote(''))).toEqual(['']);
});
