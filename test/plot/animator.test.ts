/** Charts that grow: on a terminal in place, below a notebook's cell in place. */
import { Animator, ProgressBoard } from '@deepend/plot';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FakeNotebook, fakeTslab } from '../helpers/notebook';
import { Screen } from '../helpers/screen';

const record = (epoch: number) => ({
  epoch,
  loss: 1 / epoch,
  trainAcc: 1 - 0.5 / epoch,
  testAcc: 1 - 0.6 / epoch,
});

describe('on a terminal', () => {
  const terminal = (screen: Screen, size = { columns: 60, rows: 20 }) =>
    ({ isTTY: true, ...size, write: (text: string) => screen.feed(text) }) as never;

  it('a chart is drawn over itself, also where a progress bar stands below it', () => {
    const screen = new Screen();
    screen.feed('before\n');
    const animator = new Animator({}, terminal(screen));
    animator.onTrainBegin({ numEpochs: 3 });
    for (let epoch = 1; epoch <= 3; epoch++) {
      screen.feed(`\u001b[1Gepoch ${epoch} ███`); // as a bar does: no line break
      animator.onEpochEnd(record(epoch));
    }
    expect(screen.lines[0]).toBe('before');
    expect(screen.lines.slice(1)).toEqual([...lastDrawing(animator), '']);
  });

  it('a chart fits the window', () => {
    const screen = new Screen();
    const animator = new Animator({}, terminal(screen, { columns: 30, rows: 10 }));
    animator.add(1, 2);
    animator.add(2, 3);
    expect(screen.lines.length).toBeLessThanOrEqual(10);
    expect(Math.max(...screen.lines.map((line) => line.length))).toBeLessThan(30);
  });

  it('a second run begins its own chart below the first', () => {
    const screen = new Screen();
    const animator = new Animator(
      { legend: ['train loss', 'train acc', 'test acc'] },
      terminal(screen),
    );
    for (let run = 0; run < 2; run++) {
      animator.onTrainBegin({ numEpochs: 2 });
      for (let epoch = 1; epoch <= 2; epoch++) animator.onEpochEnd(record(epoch));
    }
    expect(screen.lines.filter((line) => line.includes('train loss'))).toHaveLength(2);
  });

  it('a run that goes on shows the epochs before it', () => {
    const animator = new Animator({}, terminal(new Screen()));
    animator.onTrainBegin({ numEpochs: 3, history: [record(1), record(2)] });
    animator.onEpochEnd(record(3));
    const whole = new Animator({}, terminal(new Screen()));
    whole.onTrainBegin({ numEpochs: 3 });
    for (let epoch = 1; epoch <= 3; epoch++) whole.onEpochEnd(record(epoch));
    expect(animator.figure().svg).toBe(whole.figure().svg);
  });

  it("the figures of an epoch's first batch alone are not drawn, neither at once nor later", () => {
    const animator = new Animator({}, terminal(new Screen()));
    animator.onTrainBegin({ numEpochs: 1 });
    const losses = [9, 9, 9, 5, 5, 5, 4, 4]; // as a trainer tells them: read at steps 1, 4 and 7
    for (const [i, loss] of losses.entries())
      animator.onStep({ epoch: 1, step: i + 1, numBatches: 8, loss, trainAcc: 0.5 });
    const drawn = animator.figure().points.filter(({ label }) => label.startsWith('train loss'));
    expect(drawn.map(({ label }) => label)).toEqual([
      'train loss: 5 at epoch 0.5',
      'train loss: 4 at epoch 0.875',
    ]);
  });

  const lastDrawing = (animator: Animator) =>
    animator
      .toText({ width: 59, height: 18 })
      .split('\n')
      .map((line) => line.trimEnd());
});

describe('in a notebook', () => {
  let notebook: FakeNotebook;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    notebook = fakeTslab();
    notebook.runCell();
  });
  afterEach(() => {
    notebook.end();
    vi.useRealTimers();
  });

  it("a run's curves are one output, last seen as the run ended", () => {
    const animator = new Animator();
    animator.onTrainBegin({ numEpochs: 3 });
    for (let epoch = 1; epoch <= 3; epoch++) animator.onEpochEnd(record(epoch));
    expect(notebook.messages.map(({ update }) => update)).toEqual([false, true, true, true]);
    expect(notebook.outputs()).toEqual([animator.figure().mimeBundle()]);
  });

  it('nothing goes to standard output, though that be a terminal', () => {
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const terminal = Object.getOwnPropertyDescriptor(process.stdout, 'isTTY');
    Object.defineProperty(process.stdout, 'isTTY', { value: true, configurable: true });
    try {
      new Animator().add(1, 1);
      expect(written).not.toHaveBeenCalled();
    } finally {
      if (terminal) Object.defineProperty(process.stdout, 'isTTY', terminal);
      else Reflect.deleteProperty(process.stdout, 'isTTY');
      written.mockRestore();
    }
    expect(notebook.outputs()).toHaveLength(1);
  });

  it('a cell that runs again has an output of its own', () => {
    const animator = new Animator({ legend: ['a'] });
    animator.add(1, 1);
    animator.add(2, 2);
    notebook.runCell();
    animator.add(3, 3);
    animator.add(4, 4);
    expect(notebook.outputs()).toHaveLength(2);
  });

  it("points that come too fast for Jupyter's server are drawn later, and the last state is", () => {
    const board = new ProgressBoard();
    for (let x = 0; x < 5000; x++) board.draw(x, Math.sin(x / 100), 'sine');
    const sent = () => notebook.messages.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(sent()).toBeLessThan(1.2e6);
    expect(notebook.outputs()).not.toEqual([board.figure().mimeBundle()]);
    vi.advanceTimersByTime(3000);
    expect(notebook.outputs()).toEqual([board.figure().mimeBundle()]);
    expect(sent()).toBeLessThan(2e6);
  });
});
