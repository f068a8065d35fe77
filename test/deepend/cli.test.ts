import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { book, listModels, summary } from 'deepend';
import { main } from 'deepend/cli';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { isFull } from '../helpers/full';

beforeAll(() => use('cpu-js'));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = 0;
});

/** What `deepend …` prints and how it ends, run in this process. */
async function run(...args: string[]) {
  const [stdout, stderr] = [[], []] as [string[], string[]];
  vi.spyOn(console, 'log').mockImplementation((text: string) => void stdout.push(`${text}\n`));
  vi.spyOn(console, 'error').mockImplementation((text: string) => void stderr.push(`${text}\n`));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => stdout.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => stderr.push(String(text)) > 0);
  process.exitCode = 0;
  await main(['node', 'deepend', ...args]);
  const code = process.exitCode;
  vi.restoreAllMocks();
  return { stdout: stdout.join(''), stderr: stderr.join(''), code };
}

describe('deepend summary', () => {
  const small = ['book/resnet8', '--size', '28', '--channels', '1'];
  const net = () => book.resnet8({ inputShape: [28, 28, 1] });

  it("prints what the function gives, by the net's own size where none is asked for", async () => {
    expect(await run('summary', ...small)).toEqual({
      stdout: `${summary(net())}\n`,
      stderr: '',
      code: 0,
    });
    expect((await run('summary', 'book/lenet')).stdout).toBe(`${summary(book.lenet())}\n`);
    expect((await run('summary', 'cifar/resnet20')).stdout).toContain('[1, 32, 32, 3]');
    expect((await run('summary', 'cifar/resnet20', '--channels', '1')).stdout).toContain(
      '[1, 32, 32, 1]',
    );
    expect((await run('summary', 'cifar/resnet20', '--size', '48')).stdout).toContain(
      '[1, 48, 48, 3]',
    );
  });

  it('takes classes, a batch, layers and the arithmetic', async () => {
    expect((await run('summary', ...small, '--classes', '3')).stdout).toContain('[1, 3]');
    const asked = { batchSize: 8, rows: 'layers' } as const;
    expect((await run('summary', ...small, '--batch-size', '8', '--layers')).stdout).toBe(
      `${summary(net(), asked)}\n`,
    );
    const explained = await run('summary', ...small, '--explain', '--layers');
    expect(explained.stdout).toBe(`${summary(net(), { explain: true })}\n`);
    expect(explained.stdout).toContain('height and width: ⌊(28 − 7 + 2·3)/2⌋ + 1 = 14\n');
  });
});

describe('deepend models', () => {
  it('lists the models', async () => {
    expect(await run('models')).toEqual({
      stdout: `${listModels().join('\n')}\n`,
      stderr: '',
      code: 0,
    });
    expect((await run('models', 'book/resnet*')).stdout).toBe(
      `${listModels('book/resnet*').join('\n')}\n`,
    );
    expect((await run('models', 'resnet')).stdout).toBe(`${listModels('*resnet*').join('\n')}\n`);
  });
});

describe('help and version', () => {
  it('are no errors; without a command the help is one', async () => {
    expect(await run('--version')).toMatchObject({
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
      code: 0,
    });
    expect(await run()).toMatchObject({
      stdout: '',
      stderr: expect.stringContaining('Usage: deepend'),
      code: 1,
    });
    expect(await run('summary', '--help')).toMatchObject({
      stdout: expect.stringContaining('--explain'),
      stderr: '',
      code: 0,
    });
  });
});

const WRONG: [args: string[], message: RegExp][] = [
  [
    ['summary', 'book/resnet17'],
    /there is no (net|model) 'book\/resnet17'; did you mean 'book\/resnet1?8'\?/,
  ],
  [
    ['summary', 'book/lenet', '--size', '0'],
    /option '--size <pixels>' argument '0' is invalid. expected an integer of at least 1/,
  ],
  [
    ['summary', 'book/lenet', '--size', '3'],
    /\[models\] book\/lenet: .* the smallest image that works is \d+×\d+/,
  ],
  [
    ['summary', 'book/lenet', '--explian'],
    /unknown option '--explian' \(Did you mean --explain\?\)/,
  ],
  [['summary'], /missing required argument 'id'/],
  [['models', 'no*such'], /no model matches 'no\*such'; deepend models lists them all/],
  [['sumary'], /unknown command 'sumary' \(Did you mean summary\?\)/],
  [['device', 'tpu'], /tpu/],
];

describe('an error', () => {
  it.each(WRONG)('is one line, with the exit code 1: %o', async (args, message) => {
    const { stdout, stderr, code } = await run(...args);
    expect([stdout, code]).toEqual(['', 1]);
    expect(stderr).toMatch(/^deepend: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });
});

describe('the command line (as built)', () => {
  const built = (...args: string[]) =>
    promisify(execFile)(process.execPath, ['packages/deepend/bin/deepend.js', ...args]).then(
      ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }),
      ({ stdout, stderr, code }: { stdout: string; stderr: string; code: number }) => ({
        stdout,
        stderr,
        code,
      }),
    );

  it('prints a net, and nothing else', async () => {
    const { stdout, stderr } = await built('summary', 'book/resnet8', '--size', '28');
    expect(stdout).toMatch(/total +78,538 +838,848/);
    expect(stderr).toBe('');
  });

  if (isFull)
    it('shows what computes', async () => {
      const { stdout } = await built('device', 'cpu-js');
      expect(stdout).toMatch(/^cpu: .*\nbackend: cpu-js\nwhy: it was asked for\n$/);
    });

  if (isFull)
    it('fails with one line', async () => {
      expect(await built('summary', 'book/resnet17')).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^deepend: .*did you mean .*\n$/),
      });
    });
});
