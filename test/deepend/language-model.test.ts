/** Language models on the command line: training on a text file, and continuing a prompt. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { main } from 'deepend/cli';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { settingsFrom } from '../../packages/deepend/src/settings';
import { collectOutput } from '../helpers/command-output';

const SENTENCES = ['the cat sat on the mat. ', 'a dog ran to the cat. '];
let dir: string;
let file: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'deepend-'));
  file = path.join(dir, 'animals.txt');
  await writeFile(file, SENTENCES.join('').repeat(60));
});
afterAll(() => rm(dir, { recursive: true }));

const { out, err } = collectOutput();
let written = '';
beforeEach(() => {
  written = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += text;
    return true;
  });
});
const deepend = (...args: string[]) => main(['node', 'deepend', ...args]);
const SMALL = ['--batch-size', '4', '--num-steps', '12', '--device', 'simd'];
const train = (name: string, ...flags: string[]) =>
  deepend(
    ...['train', '--task', 'language-model', '--data', file, ...SMALL],
    ...['--out', path.join(dir, name), ...flags],
  );

describe('deepend train --task language-model', () => {
  const option = ['--model-option', 'hidden=32', '--epochs', '25', '--lr', '3'];

  it('learns a text, shows perplexity and tokens a second, and continues a prompt', async () => {
    await train('gru', ...option);
    expect(err).toEqual([]);
    expect(out.join('\n')).toMatch(/epoch 25\/25 {2}loss .*, perplexity .*, test perplexity /);
    expect(out.join('\n')).toMatch(/\d tokens\/sec on cpu/);
    const history = await readFile(path.join(dir, 'gru/history.jsonl'), 'utf8');
    const { loss } = JSON.parse(history.trim().split('\n').at(-1) ?? '');
    expect(Math.exp(loss)).toBeLessThan(1.6);
    await deepend('generate', path.join(dir, 'gru'), '--prompt', 'the cat s', '--max-tokens', '15');
    expect(written).toBe('the cat sat on the mat. ');
    expect(out.at(-1)).toBe('');
    out.length = 0;
    const draw = ['--temperature', '0.5', '--seed', '3', '--json', '--max-tokens', '5'];
    await deepend('generate', path.join(dir, 'gru'), '--prompt', 'a dog', ...draw);
    expect(JSON.parse(out.join('\n'))).toMatchObject({ tokens: { length: 5 } });
  });

  it('resumes, and generates from a checkpoint where the run has not ended', async () => {
    const folder = path.join(dir, 'resumed');
    await train('resumed', '--model-option', 'hidden=16', '--epochs', '1');
    await rm(path.join(folder, 'model'), { recursive: true });
    await deepend('generate', folder, '--prompt', 'the', '--max-tokens', '3');
    expect(written).toMatch(/^the.{3}$/);
    await deepend('resume', folder, '--epochs', '2');
    expect(err).toEqual([]);
    expect(out.join('\n')).toContain('epoch 2/2');
    await writeFile(file, `${SENTENCES.join('').repeat(60)}?`);
    await deepend('resume', folder, '--epochs', '3');
    await writeFile(file, SENTENCES.join('').repeat(60));
    expect(err.join('\n')).toContain('expected the text that the run was started with');
  });

  it('trains a GPT on words', async () => {
    const words = ['--model', 'gpt', '--tokenizer', 'word', '--epochs', '2'];
    await train('gpt', ...words, '--model-option', 'hidden=16', '--model-option', 'layers=1');
    await deepend('generate', path.join(dir, 'gpt'), '--prompt', 'the cat', '--max-tokens', '2');
    expect(err).toEqual([]);
    expect(out.at(-1)).toMatch(/^the cat \S+ \S+$/);
  });

  it('says when the text is too short for a part of its own', async () => {
    await train('short', '--model-option', 'hidden=8', '--epochs', '1', '--num-steps', '100');
    expect(err.join('\n')).toMatch(/last tenth of .*, 2\d\d tokens, is shorter than a batch/);
  });

  it.each([
    [['--model', 'lenet'], "there is no language model 'lenet'; expected gru, lstm, rnn, gpt"],
    [['--augment', 'flip'], '--augment is not of task language-model'],
    [['--data', 'nothing.txt'], 'expected a file that can be read'],
    [['--tokenizer', 'bytes'], 'tokenizer'],
    [['--num-steps', '5000'], 'expected a corpus that is long enough for a batch of 4 sequences'],
  ])('refuses %s', async (flags, message) => {
    await train('refused', ...flags);
    expect(err.join('\n')).toContain(message);
    expect(process.exitCode).toBe(1);
  });

  it('refuses a prompt of unknown tokens before it prints it, and runs of images', async () => {
    const folder = path.join(dir, 'gru');
    await deepend('generate', folder, '--prompt', 'Ж');
    expect(err.join('\n')).toContain("got unknown ones: 'Ж'");
    expect(written).toBe('');
    err.length = 0;
    await deepend('evaluate', folder);
    expect(err.join('\n')).toContain('this run is a language model');
  });

  it('needs a file, and has its own defaults', () => {
    expect(() => settingsFrom('test', { task: 'language-model' })).toThrow('--data file.txt');
    expect(() => settingsFrom('test', { model: 'book/lenet', numSteps: 3 })).toThrow(
      '--num-steps is not of task image-classification',
    );
    const settings = settingsFrom('test', { task: 'language-model', data: 'a.txt' });
    expect(settings).toMatchObject({ model: 'gru', batchSize: 32, lr: 1, clipNorm: 1 });
  });
});
