/** The book's classes for hyperparameter search: chapter 19. */
import { loadFashionMnist } from '@deepend/data';
import { book, d2l, spaces } from 'deepend';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const absent = await loadFashionMnist(1, { progress: false }).then(
  () => undefined,
  () => 'skipped: Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
);

const printed: string[] = [];
beforeEach(() => {
  printed.length = 0;
  vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
});
afterEach(() => vi.restoreAllMocks());

const SPACE = { learningRate: spaces.logUniform(1e-2, 1), batchSize: spaces.int(32, 256) };
const errorOf = ({ learningRate }: d2l.HPOConfig) =>
  Math.abs(Math.log10(learningRate as number) + 1);

describe('the tuner of the book', () => {
  it('keeps the incumbent of random search', async () => {
    const initialConfig = { learningRate: 0.5, batchSize: 128 };
    const searcher = new d2l.RandomSearcher(SPACE, { initialConfig, seed: 2 });
    const tuner = new d2l.HPOTuner(new d2l.BasicScheduler(searcher), errorOf);
    await tuner.run(8);
    expect(tuner.records).toHaveLength(8);
    expect(tuner.records[0]?.config).toEqual(initialConfig);
    expect(printed[0]).toBe('Trial 0: config = {"learningRate":0.5,"batchSize":128}');
    const errors = tuner.records.map(({ error }) => error);
    expect(tuner.incumbentError).toBe(Math.min(...errors));
    expect(tuner.incumbentTrajectory).toEqual(
      errors.map((_, i) => Math.min(...errors.slice(0, i + 1))),
    );
    expect(errorOf(tuner.incumbent as d2l.HPOConfig)).toBe(tuner.incumbentError);
    const times = tuner.cumulativeRuntime;
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('halves successively with the rungs of the book', async () => {
    const searcher = new d2l.RandomSearcher(SPACE);
    const options = { eta: 2, rMin: 2, rMax: 10 };
    const scheduler = new d2l.SuccessiveHalvingScheduler(searcher, options);
    expect(scheduler.rungLevels).toEqual([2, 4, 8, 10]);
    await new d2l.HPOTuner(scheduler, errorOf).run(30);
    const seen = scheduler.allObservedErrorAtRungs;
    expect([2, 4, 8, 10].map((level) => seen.get(level)?.length)).toEqual([16, 8, 4, 2]);
    const first =
      seen
        .get(2)
        ?.slice(0, 8)
        .map(([, error]) => error) ?? [];
    const second = seen
      .get(4)
      ?.slice(0, 4)
      .map(([, error]) => error);
    expect(second).toEqual(first.toSorted((a, b) => a - b).slice(0, 4));
  });

  it('refuses an error that is not finite, and other rungs', async () => {
    const wrong = (options: object) => () => new d2l.RandomSearcher(SPACE, options);
    expect(wrong({ sed: 1 })).toThrow('did you mean "seed"?');
    expect(wrong({ initialConfig: { depth: 1 } })).toThrow('"initialConfig" must have a value for');
    const rungs = { eta: 2, rMin: 4, rMax: 2 };
    expect(() => new d2l.SuccessiveHalvingScheduler(new d2l.RandomSearcher(SPACE), rungs)).toThrow(
      'option "rMin" must be at most rMax, 2, got 4',
    );
    const scheduler = new d2l.BasicScheduler(new d2l.RandomSearcher(SPACE));
    const tuner = new d2l.HPOTuner(scheduler, () => Number.NaN);
    await expect(tuner.run(1)).rejects.toThrow('expected a finite error of trial 0, got NaN');
    const halving = new d2l.SuccessiveHalvingScheduler(scheduler.searcher, {
      ...{ eta: 2, rMin: 1, rMax: 4 },
    });
    expect(() => halving.update({ maxEpochs: 3 }, 1)).toThrow('expected maxEpochs of 1, 2, 4');
    await expect(new d2l.HPOTrainer(1).validationError()).rejects.toThrow('call fit() first');
  });
});

describe.skipIf(absent)(`LeNet (${absent ?? 'real data'})`, () => {
  beforeAll(() => use('simd'));

  it('has the same validation error for the same seed', async () => {
    const sizes = { numTrain: 320, numTest: 200 };
    const config = { learningRate: 0.1, batchSize: 32, maxEpochs: 1 };
    const errors: number[] = [];
    await expectNoLeak(async () => {
      errors.push(await d2l.hpoObjectiveLenet(config, sizes));
    });
    expect(errors[0]).toBeGreaterThan(0.5); // hardly trained
    expect(errors[0]).toBeLessThanOrEqual(1);
    expect(errors[1]).toBe(errors[0]);
  }, 60_000);

  it('trains for its epochs', async () => {
    const trainer = new d2l.HPOTrainer(2);
    const model = book.mlp({ seed: 1 });
    const data = await loadFashionMnist(32, { numTrain: 1280, numTest: 500 });
    const { history } = await trainer.fit(model, data, { lr: 0.1, progress: false });
    expect(history).toHaveLength(2);
    expect(await trainer.validationError()).toBeLessThan(0.4);
    model.dispose();
  }, 60_000);
});
