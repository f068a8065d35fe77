import { Accumulator, metricsLine, Timer, throughputLine } from '@deepend/trainer';
import { describe, expect, it } from 'vitest';

describe('Accumulator', () => {
  it('sums each of its quantities', () => {
    const sums = new Accumulator(2);
    sums.add(1, 10);
    sums.add(2, 20);
    expect([sums.get(0), sums.get(1)]).toEqual([3, 30]);
    sums.reset();
    expect(sums.get(1)).toBe(0);
  });

  it('refuses another number of values, and a sum that it has not', () => {
    expect(() => new Accumulator(0)).toThrow(/a number of sums of at least 1, got 0/);
    expect(() => new Accumulator(2).add(1)).toThrow(/expected 2 values, one for each sum, got 1/);
    expect(() => new Accumulator(2).get(2)).toThrow(/expected an index from 0 to 1, got 2/);
  });
});

describe('Timer', () => {
  it('remembers its laps', () => {
    const timer = new Timer();
    expect(timer.avg()).toBe(0);
    const laps = [timer.start().stop(), timer.start().stop()];
    expect(timer.times).toEqual(laps);
    expect(timer.sum()).toBeCloseTo((laps[0] ?? 0) + (laps[1] ?? 0), 9);
    expect(timer.avg()).toBeCloseTo(timer.sum() / 2, 9);
    expect(timer.cumsum().at(-1)).toBeCloseTo(timer.sum(), 9);
    expect(() => timer.stop()).toThrow('stop() came before start()');
  });
});

describe("the book's two lines", () => {
  it('read as in the book', () => {
    expect(metricsLine({ loss: 0.0114, trainAcc: 0.998, testAcc: 0.9261 })).toBe(
      'loss 0.011, train acc 0.998, test acc 0.926',
    );
    expect(metricsLine({ loss: 2, trainAcc: 0.5, testAcc: null })).toBe(
      'loss 2.000, train acc 0.500',
    );
    const metrics = { perplexity: 7.5, matrix: [[1]] };
    expect(metricsLine({ loss: 2, trainAcc: 0.5, testAcc: 0.25, testLoss: 3, metrics })).toBe(
      'loss 2.000, train acc 0.500, test acc 0.250, test perplexity 7.500',
    );
    expect(metricsLine({ loss: 2, trainAcc: NaN, testAcc: NaN, testLoss: 3, metrics })).toBe(
      'loss 2.000, test loss 3.000, test perplexity 7.500',
    );
    const device = {
      name: 'cuda:0',
      backend: 'tensorflow',
      hardware: 'a GPU',
      why: 'it works',
    } as const;
    expect(throughputLine({ samplesPerSecond: 228.08, device })).toBe(
      '228.1 examples/sec on cuda:0',
    );
  });
});
