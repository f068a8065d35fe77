import { type Schedule, schedules } from '@deepend/optim';
import { train } from '@deepend/trainer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import golden from '../golden/schedules.json';
import { use } from '../helpers/backends';
import { runsOf } from '../helpers/full';
import { fakeLoader, linearNet } from '../helpers/loaders';

const MAKERS: Record<string, (options: never) => Schedule> = {
  step: schedules.step,
  multiStep: schedules.multiStep,
  cosine: schedules.cosine,
  polynomial: schedules.polynomial,
  factor: schedules.factor,
  oneCycle: schedules.oneCycle,
};

interface Run {
  numEpochs: number;
  updatesPerEpoch: number;
}

/** The rate of each update of a run. */
const ratesOf = (schedule: Schedule, { numEpochs, updatesPerEpoch }: Run): number[] => {
  const run = schedule.start();
  return Array.from({ length: numEpochs * updatesPerEpoch }, (_, step) =>
    run.at({
      epoch: Math.floor(step / updatesPerEpoch) + 1,
      update: step,
      updatesPerEpoch,
      numEpochs,
    }),
  );
};
/** The rate of each epoch, the same for all its updates. */
const byEpoch = (schedule: Schedule, run: Run): number[] => {
  const all = ratesOf(schedule, run);
  const firsts = all.filter((_, step) => step % run.updatesPerEpoch === 0);
  expect(all).toEqual(firsts.flatMap((rate) => Array<number>(run.updatesPerEpoch).fill(rate)));
  return firsts;
};
const expectClose = (actual: readonly number[], expected: readonly number[]) => {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((rate, i) => {
    const wanted = expected[i] as number;
    expect(Math.abs(rate - wanted), `rate ${i}: ${rate}, expected ${wanted}`).toBeLessThanOrEqual(
      1e-6 * wanted,
    );
  });
};
const epochRecord = (values: object) =>
  ({
    epoch: 1,
    loss: 1,
    trainAcc: 0,
    testAcc: null,
    testLoss: null,
    lr: 1,
    seconds: 1,
    ...values,
  }) as never;

describe("PyTorch's schedulers", () => {
  it.each(
    golden.schedules.map((row) => [`${row.make} ${JSON.stringify(row.options)}`, row] as const),
  )('%s', (_, row) => {
    const schedule = MAKERS[row.make]?.(row.options as never) as Schedule;
    const run = { numEpochs: row.numEpochs, updatesPerEpoch: row.stepsPerEpoch };
    expectClose(row.every === 'epoch' ? byEpoch(schedule, run) : ratesOf(schedule, run), row.lrs);
  });

  it.each(golden.plateau.map((row) => [JSON.stringify(row.options), row] as const))(
    'ReduceLROnPlateau %s',
    (_, row) => {
      const schedule = schedules.plateau(row.options as never);
      const run = schedule.start();
      const at = (step: number) =>
        run.at({ epoch: step + 1, update: step, updatesPerEpoch: 1, numEpochs: 99 });
      expect(at(0)).toBe(row.options.lr);
      const found = row.values.map((value, epoch) => {
        run.observe?.(epochRecord({ [row.options.monitor]: value }));
        return at(epoch + 1);
      });
      expectClose(found, row.lrs);
      const state = { epoch: 1, update: 0, updatesPerEpoch: 1, numEpochs: 99 };
      expect(schedule.start().at(state)).toBe(row.options.lr); // another run starts afresh
    },
  );
});

describe("the book's schedulers", () => {
  const { factor, cosine, warmUp: warm } = golden.book;

  it('FactorScheduler, which is one multiplication ahead', () => {
    const { lrs, ...options } = factor;
    const found = byEpoch(schedules.factor(options), {
      numEpochs: lrs.length + 1,
      updatesPerEpoch: 2,
    });
    expect(found[0]).toBe(options.lr);
    expectClose(found.slice(1), lrs);
  });

  it('CosineScheduler, with and without warm-up', () => {
    const { lr, finalLr, numEpochs, lrs } = cosine;
    expectClose(byEpoch(schedules.cosine({ lr, finalLr }), { numEpochs, updatesPerEpoch: 4 }), lrs);
    const warmed = schedules.warmUp(schedules.cosine({ lr, finalLr }), {
      epochs: warm.epochs,
      from: warm.from,
    });
    const all = ratesOf(warmed, { numEpochs, updatesPerEpoch: 4 });
    expectClose(
      all.filter((_, step) => step % 4 === 0),
      warm.lrs,
    );
    expect(all.slice(0, 21)).toEqual([...all.slice(0, 21)].sort((a, b) => a - b)); // it rises with each update, not each epoch
    expect(new Set(all.slice(0, 21)).size).toBe(21);
  });
});

describe('warmUp', () => {
  it('of n updates leaves the rest of the run to the schedule', () => {
    const run = { numEpochs: 5, updatesPerEpoch: 7 };
    const found = ratesOf(schedules.warmUp(schedules.oneCycle({ maxLr: 0.8 }), { steps: 3 }), run);
    expectClose(
      found.slice(3),
      ratesOf(schedules.oneCycle({ maxLr: 0.8 }), { numEpochs: 1, updatesPerEpoch: 32 }),
    );
    expect(found[0]).toBeCloseTo((found[3] as number) / 100, 12); // by default from a hundredth
  });

  it('hands what it learns on to a schedule on plateau', () => {
    const inner = () => schedules.plateau({ lr: 1, monitor: 'loss', patience: 0, factor: 0.5 });
    const schedule = schedules.warmUp(inner(), { steps: 2, from: 0 });
    const run = schedule.start();
    const at = (step: number) =>
      run.at({ epoch: step, update: step, updatesPerEpoch: 1, numEpochs: 9 });
    expect([at(0), at(1), at(2)]).toEqual([0, 0.5, 1]);
    for (const loss of [2, 2]) run.observe?.(epochRecord({ loss }));
    expect(at(3)).toBe(0.5);
    const resumed = schedule.start();
    resumed.restore?.(JSON.parse(JSON.stringify(run.memory?.())) as object);
    expect(resumed.at({ epoch: 4, update: 4, updatesPerEpoch: 1, numEpochs: 9 })).toBe(0.5);
  });

  it('says what it is in plain values', () => {
    const schedule = schedules.warmUp(schedules.constant(0.1), { epochs: 2 });
    expect(schedule.name).toBe('warm-up, constant');
    expect(JSON.parse(JSON.stringify(schedule.options))).toEqual({
      epochs: 2,
      schedule: { name: 'constant', lr: 0.1 },
    });
  });
});

describe('a run', () => {
  it('takes its rates from the schedule, which learns what each epoch came to', async () => {
    await use('cpu-js');
    const seen: number[] = [];
    const onStep = ({ lr }: { lr: number }) => void seen.push(lr);
    const run = { numEpochs: 4, updatesPerEpoch: 3 };
    const schedule = schedules.warmUp(schedules.cosine({ lr: 0.2, by: 'step' }), { steps: 2 });
    const settings = { numEpochs: 4, progress: false, callbacks: [{ onStep }] };
    await train(linearNet(), fakeLoader(9, 3), null, { ...settings, lr: schedule });
    expect(seen).toEqual(ratesOf(schedule, run));
    // A threshold that no loss passes: each epoch but the first is a bad one.
    const plateau = schedules.plateau({
      lr: 0.2,
      monitor: 'loss',
      patience: 0,
      factor: 0.5,
      threshold: 1,
    });
    for (let runs = 0; runs < 2; runs++) {
      const { history } = await train(linearNet(), fakeLoader(9, 3), null, {
        ...settings,
        lr: plateau,
      });
      expect(history.map(({ lr }) => lr)).toEqual([0.2, 0.2, 0.1, 0.05]);
    }
  });

  it('owns the state of its schedule: one description serves two runs at once', async () => {
    await use('cpu-js');
    const lr = schedules.warmUp(
      schedules.plateau({ lr: 0.2, monitor: 'loss', patience: 0, factor: 0.5, threshold: 1 }),
      { steps: 1 },
    );
    const rates = async (numEpochs: number) => {
      const options = { numEpochs, progress: false, lr };
      const { history } = await train(linearNet(), fakeLoader(9, 3), null, options);
      return history.map((record) => record.lr);
    };
    expect(await Promise.all([rates(4), rates(3)])).toEqual([
      [0.2, 0.2, 0.1, 0.05],
      [0.2, 0.2, 0.1],
    ]);
  });

  it('makes schedules by name', () => {
    const run = { numEpochs: 6, updatesPerEpoch: 2 };
    for (const name of schedules.NAMES) {
      const rates = ratesOf(schedules.create(name, { lr: 0.3, numEpochs: 6 }), run);
      expect(Math.max(...rates)).toBeLessThanOrEqual(0.3 + 1e-9);
    }
    expect(() => schedules.create('cosin' as never, { lr: 1, numEpochs: 1 })).toThrow(
      '[optim] schedules.create: expected one of constant, cosine, one-cycle,',
    );
  });
});

describe('any schedule', () => {
  const lr = fc.double({ min: 1e-4, max: 10, noNaN: true });
  const fraction = fc.double({ min: 0.01, max: 1, noNaN: true });
  const plain = fc.oneof(
    lr.map(schedules.constant),
    fc
      .record({ lr, stepSize: fc.integer({ min: 1, max: 5 }), gamma: fraction })
      .map(schedules.step),
    fc
      .record({
        lr,
        milestones: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        gamma: fraction,
      })
      .map(schedules.multiStep),
    fc.record({ lr, by: fc.constantFrom('epoch', 'step') } as const).map(schedules.cosine),
    fc
      .record({ lr, power: fraction, by: fc.constantFrom('epoch', 'step') } as const)
      .map(schedules.polynomial),
    fc
      .record({ lr, factor: fraction, by: fc.constantFrom('epoch', 'step') } as const)
      .map(schedules.factor),
    fc.record({ maxLr: lr, pctStart: fraction }).map(schedules.oneCycle),
  );

  it('gives rates above 0 and never above its largest, the same at the same moment', () => {
    const run = fc.record({
      numEpochs: fc.integer({ min: 1, max: 9 }),
      updatesPerEpoch: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(plain, run, (schedule, length) => {
        const rates = ratesOf(schedule, length);
        const { lr: most, maxLr = most } = schedule.options as { lr: number; maxLr?: number };
        for (const rate of rates) {
          expect(rate).toBeGreaterThan(0);
          expect(rate).toBeLessThanOrEqual(maxLr * (1 + 1e-12));
        }
        expect(ratesOf(schedule, length)).toEqual(rates);
      }),
      { numRuns: runsOf(300) },
    );
  });
});

describe('bad input', () => {
  const cases: [string, () => unknown, RegExp][] = [
    [
      'no rate',
      () => schedules.constant(0),
      /\[optim\] schedules.constant: option "lr" must be a number above 0, got 0/,
    ],
    [
      'an unknown option',
      () => schedules.step({ lr: 1, stepsize: 2 } as never),
      /no option "stepsize"; did you mean "stepSize"\?|"stepSize" must be/,
    ],
    [
      'no milestones',
      () => schedules.multiStep({ lr: 1, milestones: [] }),
      /"milestones" must be a list of at least one integer of at least 1, got \[\]/,
    ],
    [
      'a factor above 1',
      () => schedules.factor({ lr: 1, factor: 1.1 }),
      /"factor" must be a number above 0 and at most 1, got 1.1/,
    ],
    [
      'a plateau factor of 1',
      () => schedules.plateau({ lr: 1, factor: 1 }),
      /"factor" must be a number above 0 and below 1, got 1/,
    ],
    [
      'a cycle that rises too long',
      () => schedules.oneCycle({ maxLr: 1, pctStart: 0.6, threePhase: true }),
      /"pctStart" must be at most 0.5 with threePhase, got 0.6/,
    ],
    [
      'a warm-up of a number',
      () => schedules.warmUp(0.1 as never, { steps: 1 }),
      /warmUp: expected a schedule first, .*; wrap a number in constant\(\)/,
    ],
    [
      'a warm-up of no length',
      () => schedules.warmUp(schedules.constant(1), {}),
      /expected either "steps" or "epochs", got neither/,
    ],
    [
      'a warm-up of two lengths',
      () => schedules.warmUp(schedules.constant(1), { steps: 1, epochs: 1 }),
      /got both/,
    ],
    [
      'a warm-up as long as the run',
      () =>
        ratesOf(schedules.warmUp(schedules.constant(1), { epochs: 2 }), {
          numEpochs: 2,
          updatesPerEpoch: 3,
        }),
      /the warm-up of 6 updates leaves nothing of the run's 6; shorten it/,
    ],
    [
      'a monitor that the run lacks',
      () => schedules.plateau({ lr: 1 }).start().observe?.(epochRecord({})),
      /schedules.plateau: watches "testLoss", which this run does not measure; give train a test loader/,
    ],
    [
      'a monitor that there is not',
      () => schedules.plateau({ lr: 1, monitor: 'valLoss' as never }),
      /"monitor" must be one of 'loss', 'trainAcc', 'testLoss', 'testAcc', got 'valLoss'/,
    ],
  ];
  it.each(cases)('%s', (_, act, message) => {
    expect(act).toThrow(message);
  });
});
