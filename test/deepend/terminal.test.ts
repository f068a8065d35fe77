/** What stands on a terminal during a run and after Ctrl-C, with the escape codes obeyed. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Animator, saveRun, train } from 'deepend';
import fs from 'fs-extra';
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { fakeLoader, linearNet } from '../helpers/loaders';
import { Screen } from '../helpers/screen';

let screen: Screen;
let restore: (() => void)[];
let dir: string;
beforeAll(() => use('cpu-js'));
beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  screen = new Screen();
  restore = [];
  for (const stream of [process.stderr, process.stdout]) {
    replace(stream, 'isTTY', true);
    replace(stream, 'columns', 80);
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      screen.feed(String(text));
      return true;
    });
  }
  for (const name of ['log', 'error'] as const)
    vi.spyOn(console, name).mockImplementation((line = '') => screen.feed(`${line}\n`));
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const undo of restore) undo();
  await fs.remove(dir);
});

function replace(stream: NodeJS.WriteStream, key: 'isTTY' | 'columns', value: unknown): void {
  const before = Object.getOwnPropertyDescriptor(stream, key);
  Object.defineProperty(stream, key, { value, configurable: true, writable: true });
  restore.push(() => {
    if (before) Object.defineProperty(stream, key, before);
    else Reflect.deleteProperty(stream, key);
  });
}

/** As a terminal does: it echoes ^C, and the process gets the signal. */
const controlC = () => {
  screen.feed('^C');
  process.emit('SIGINT');
};

const run = (callbacks: object[]) =>
  train(linearNet(), fakeLoader(40, 2), null, {
    numEpochs: 2,
    lr: 0.1,
    callbacks: [saveRun(path.join(dir, 'run'), {}, { onInterrupt: 'stop' }), ...callbacks],
  });

it("Ctrl-C's message stays on its own line, below the line of progress", async () => {
  let within: string[] = [];
  const interrupt = ({ step }: { step: number }) => {
    if (step !== 5) return;
    within = screen.lines.slice(-1);
    controlC();
  };
  await run([{ onStep: interrupt }]);
  screen.feed('$ ');
  expect(within[0]).toMatch(/^epoch 1\/2 .*loss \d\.\d{3}, train acc \d\.\d{3}$/);
  const last = screen.lines.slice(2);
  expect(last[0]).toBe('');
  expect(last[1]).toBe('interrupted: finishing the step and saving; Ctrl-C again exits at once');
  expect(last[2]).toMatch(/^saved; resume with: npx deepend resume /);
  expect(last.at(-1)).toBe('$');
  expect(screen.lines.filter((line) => line.startsWith('epoch'))).toEqual([]);
});

it('so it does below a live chart', async () => {
  const interrupt = ({ step }: { step: number }) => step === 5 && controlC();
  await run([new Animator(), { onStep: interrupt }]);
  screen.feed('$ ');
  const { lines } = screen;
  const at = lines.indexOf(
    'interrupted: finishing the step and saving; Ctrl-C again exits at once',
  );
  expect(at).toBeGreaterThan(4);
  expect(lines.slice(0, at).join('\n')).toContain('train loss');
  expect(lines.at(-1)).toBe('$');
});
