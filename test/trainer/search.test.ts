/** Hyperparameter search: spaces, schedulers, the driver, its folder and its processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Objective } from '@deepend/trainer';
import {
  book,
  loadFashionMnist,
  plots,
  runs,
  type SearchOptions,
  saveRun,
  search,
  spaces,
  train,
} from 'deepend';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  checkScheduler,
  createScheduler,
  type Job,
  type Outcome,
  type SchedulerOptions,
} from '../../packages/trainer/src/search/schedulers';
import { loadingFlags } from '../../packages/trainer/src/search/workers';
import { use } from '../helpers/backends';
import { buildProgram } from '../helpers/program';

const absent = await loadFashionMnist(1, { progress: false }).then(
  () => undefined,
  () => 'skipped: Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
);

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));
afterEach(() => vi.restoreAllMocks());

const SPACE = {
  lr: spaces.logUniform(1e-4, 1),
  dropout: spaces.uniform(0, 0.5),
  batchSize: spaces.int(16, 256),
  optimizer: spaces.choice(['sgd', 'adam']),
};

describe('spaces', () => {
  const samples = Array.from({ length: 2000 }, (_, trial) => spaces.sample(SPACE, 3, trial));

  it('sample values within their limits, each as likely', () => {
    const share = (test: (config: (typeof samples)[number]) => boolean) =>
      samples.filter(test).length / samples.length;
    for (const { lr, dropout, batchSize, optimizer } of samples) {
      expect(lr >= 1e-4 && lr <= 1).toBe(true);
      expect(dropout >= 0 && dropout < 0.5).toBe(true);
      expect(Number.isInteger(batchSize) && batchSize >= 16 && batchSize <= 256).toBe(true);
      expect(['sgd', 'adam']).toContain(optimizer);
    }
    expect(share(({ lr }) => lr < 1e-2)).toBeCloseTo(0.5, 1); // the middle of the logarithms
    expect(share(({ dropout }) => dropout < 0.25)).toBeCloseTo(0.5, 1);
    expect(share(({ batchSize }) => batchSize < 136)).toBeCloseTo(0.5, 1);
    expect(share(({ optimizer }) => optimizer === 'sgd')).toBeCloseTo(0.5, 1);
    const coin = { coin: spaces.int(0, 1) };
    const both = Array.from({ length: 50 }, (_, i) => spaces.sample(coin, 1, i).coin);
    expect(new Set(both)).toEqual(new Set([0, 1])); // both ends
  });

  it('sample by the seed and the number of the trial', () => {
    expect(spaces.sample(SPACE, 3, 7)).toEqual(samples[7]);
    expect(spaces.sample(SPACE, 4, 7)).not.toEqual(samples[7]);
    expect(new Set(samples.map(({ lr }) => lr)).size).toBe(2000);
  });

  it.each<[string, () => unknown, string]>([
    ['an empty choice', () => spaces.choice([]), 'at least one string, number or boolean'],
    ['a choice twice', () => spaces.choice([1, 1]), 'each once'],
    ['logUniform from 0', () => spaces.logUniform(0, 1), 'limits above 0'],
    ['limits in the wrong order', () => spaces.uniform(1, 0), 'low below high'],
    ['a fraction', () => spaces.int(0.5, 2), 'limits that are integers'],
    ['infinity', () => spaces.uniform(0, Number.POSITIVE_INFINITY), 'finite limits'],
  ])('refuse %s', (_, make, message) => expect(make).toThrow(message));
});

/** Runs a scheduler to its end, one job at a time; the error of a trial is `errorOf`. */
function runScheduler(options: SchedulerOptions, errorOf: (job: Job) => number | null): Outcome[] {
  const next = createScheduler(checkScheduler('[test]', options));
  const done: Outcome[] = [];
  for (;;) {
    const job = next({ done, running: [] });
    if (job === 'end') return done;
    if (job === 'wait') throw new Error('nothing runs, so there is nothing to wait for');
    done.push({ ...job, error: errorOf(job) });
  }
}
const byTrial = ({ trial }: Job) => (trial * 7) % 31; // an order that is not the trials'

describe('schedulers', () => {
  it('random gives each trial the whole budget', () => {
    const jobs = runScheduler({ name: 'random', numTrials: 4, maxBudget: 5 }, byTrial);
    expect(jobs.map(({ trial, budget }) => [trial, budget])).toEqual(
      [0, 1, 2, 3].map((trial) => [trial, 5]),
    );
  });

  it('successive halving promotes the best half of the book, at 2, 4, 8 and 10 epochs', () => {
    const options = { eta: 2, minBudget: 2, maxBudget: 10 };
    const jobs = runScheduler({ name: 'successive-halving', ...options }, byTrial);
    const rungs = [2, 4, 8, 10].map((at) =>
      jobs.filter(({ budget }) => budget === at).map(({ trial }) => trial),
    );
    expect(rungs.map(({ length }) => length)).toEqual([8, 4, 2, 1]);
    const order = [0, 1, 2, 3, 4, 5, 6, 7].sort((a, b) => ((a * 7) % 31) - ((b * 7) % 31));
    expect(rungs.slice(1)).toEqual([4, 2, 1].map((count) => order.slice(0, count)));
  });

  it('hyperband has the brackets of the paper for 81 and 3', () => {
    const jobs = runScheduler({ name: 'hyperband', eta: 3, maxBudget: 81 }, byTrial);
    const counts = [0, 1, 2, 3, 4].map((id) =>
      [1, 3, 9, 27, 81].map(
        (at) => jobs.filter(({ bracket, budget }) => bracket === id && budget === at).length,
      ),
    );
    expect(counts).toEqual([
      [81, 27, 9, 3, 1],
      [0, 34, 11, 3, 1],
      [0, 0, 15, 5, 1],
      [0, 0, 0, 8, 2],
      [0, 0, 0, 0, 5],
    ]);
  });

  it('asha promotes the best third as soon as it is known', () => {
    const jobs = runScheduler({ name: 'asha', eta: 3, maxBudget: 9, numTrials: 9 }, byTrial);
    expect(jobs.slice(0, 4).map(({ trial, rung }) => [trial, rung])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [0, 1],
    ]);
    expect([0, 1, 2].map((at) => jobs.filter(({ rung }) => rung === at).length)).toEqual([9, 3, 1]);
  });

  it.each(['successive-halving', 'hyperband', 'asha'] as const)(
    '%s promotes no trial that failed',
    (name) => {
      const error = ({ trial }: Job) => (trial % 2 === 0 ? null : trial);
      const jobs = runScheduler({ name, maxBudget: 9 }, error);
      const promoted = jobs.filter(({ rung }) => rung > 0);
      expect(promoted.length).toBeGreaterThan(0);
      for (const { trial } of promoted) expect(trial % 2).toBe(1);
    },
  );

  it('waits for a rung to be complete, and meanwhile begins the next round', () => {
    const settings = { name: 'successive-halving', eta: 2, maxBudget: 2 } as const;
    const running: Job[] = [0, 1].map((trial) => ({ trial, budget: 1, bracket: 0, rung: 0 }));
    const decide = (rounds: number) => createScheduler(checkScheduler('', { ...settings, rounds }));
    expect(decide(1)({ done: [], running })).toBe('wait');
    expect(decide(2)({ done: [], running })).toMatchObject({ trial: 2, bracket: 1 });
  });

  it.each<[object, string]>([
    [{ name: 'halving' }, "one of 'random', 'successive-halving', 'hyperband', 'asha'"],
    [{ name: 'random', eta: 2 }, 'there is no option "eta"'],
    [{ name: 'asha', minBudget: 10 }, 'at most maxBudget, 9'],
    [{ name: 'hyperband', eta: 1 }, 'an integer of at least 2'],
  ])('refuse %j', (options, message) => {
    expect(() => checkScheduler('[test]', options as SchedulerOptions)).toThrow(message);
  });
});

/** The smallest error is at lr 0.01 and sgd; more budget comes closer to it. */
const objective = (
  { lr, optimizer }: { lr: number; optimizer: string },
  { budget }: { budget: number },
) => Math.abs(Math.log10(lr) + 2) + (optimizer === 'sgd' ? 0 : 1) + 1 / budget;

const quiet = { space: SPACE, objective, progress: false } as const;
const withoutTime = <T extends { seconds: number }>(results: readonly T[]) =>
  results.map(({ seconds, ...result }) => {
    expect(seconds).toBeGreaterThanOrEqual(0);
    return result;
  });

describe('search', () => {
  it('finds a good configuration, the given one first', async () => {
    const initial = [{ lr: 1, dropout: 0, batchSize: 32, optimizer: 'adam' }] as const;
    const { best, results, interrupted } = await search({
      ...{ ...quiet, initial, scheduler: { name: 'random', numTrials: 60 } },
    });
    expect(results).toHaveLength(60);
    expect(results[0]?.config).toEqual(initial[0]);
    expect(interrupted).toBe(false);
    expect(best.config.optimizer).toBe('sgd');
    expect(best.error).toBe(Math.min(...results.map(({ error }) => error as number)));
    expect(best.error).toBeLessThan(0.4);
  });

  it('takes the best of the largest budget', async () => {
    const falls = { ...quiet, objective: (_: unknown, { budget }: { budget: number }) => budget };
    const { best } = await search({ ...falls, scheduler: { name: 'hyperband', maxBudget: 9 } });
    expect(best.budget).toBe(9);
  });

  it.each(['random', 'successive-halving', 'hyperband', 'asha'] as const)(
    '%s continues in its folder as if it had not stopped',
    async (name) => {
      const out = path.join(dir, `resumed-${name}`);
      const scheduler = name === 'random' ? { name, numTrials: 13 } : { name };
      const whole = await search({ ...quiet, scheduler });
      let calls = 0;
      const stopping: typeof objective = (...args) => {
        calls += 1;
        if (calls === 6) process.emit('SIGINT');
        return objective(...args);
      };
      vi.spyOn(console, 'error').mockImplementation(() => {});
      const part = await search({ ...quiet, scheduler, out, objective: stopping });
      expect(part.interrupted).toBe(true);
      expect(part.results).toHaveLength(5); // the sixth was stopped, so its error does not count
      await fs.appendFile(path.join(out, 'results.jsonl'), '{"trial":5,"bud'); // a crash
      const rest = await search({ ...quiet, scheduler, out });
      expect(withoutTime(rest.results)).toEqual(withoutTime(whole.results));
      expect(withoutTime([rest.best])).toEqual(withoutTime([whole.best]));
      const again = await search({ ...quiet, scheduler, out });
      expect(again).toEqual(rest);
    },
  );

  it('adds trials to a search, but continues no other one', async () => {
    const out = path.join(dir, 'grown');
    const random = (numTrials: number) => ({ name: 'random', numTrials }) as const;
    await search({ ...quiet, out, scheduler: random(3) });
    expect((await search({ ...quiet, out, scheduler: random(5) })).results).toHaveLength(5);
    await expect(search({ ...quiet, out, scheduler: random(5), seed: 1 })).rejects.toThrow(
      '"seed" 1 instead of 0; give another folder',
    );
    await expect(search({ ...quiet, out, scheduler: random(3) })).rejects.toThrow('"numTrials" 3');
    const results = await fs.readFile(path.join(out, 'results.jsonl'), 'utf8');
    for (const line of [
      'nonsense',
      'null',
      '{"trial":0}',
      results.replace(/"error":[^,]+/, '"error":"x"').split('\n')[0],
    ]) {
      await fs.writeFile(path.join(out, 'results.jsonl'), `${line}\n${results}`);
      await expect(search({ ...quiet, out, scheduler: random(5) })).rejects.toThrow('line 1 of');
    }
  });

  it('writes nothing into a folder with other files', async () => {
    const out = path.join(dir, 'foreign');
    await fs.outputFile(path.join(out, 'results.jsonl'), '{"trial":0,"error":0}\n');
    await expect(search({ ...quiet, out, scheduler: 'random' })).rejects.toThrow(
      /foreign is not empty, and it is not the folder of a search: expected a search\.json, got/,
    );
    expect(await fs.readdir(out)).toEqual(['results.jsonl']);
    await fs.writeFile(path.join(out, 'search.json'), '[');
    await expect(search({ ...quiet, out, scheduler: 'random' })).rejects.toThrow(
      /expected the settings of a search in .*search\.json, got '\['; give another folder/,
    );
  });

  it('refuses the folder of a search that runs', async () => {
    const out = path.join(dir, 'locked');
    const space = { x: spaces.uniform(0, 1) };
    const other = () => search({ space, objective: () => 1, out, progress: false });
    const objective = async () => {
      await expect(other()).rejects.toThrow('this process already trains into it');
      return 0;
    };
    const { best } = await search({ space, objective, out, progress: false });
    expect(best.error).toBe(0);
    expect((await other()).best.error).toBe(0); // it is free again, and complete
  });

  it('records trials that fail, by name, and continues', async () => {
    const lines: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
    const failing = {
      space: { x: spaces.uniform(0, 1) },
      scheduler: { name: 'random', numTrials: 3 },
      objective: (_: unknown, { trial }: { trial: number }) => {
        if (trial === 0) return Number.NaN;
        if (trial === 1) throw new Error('out of memory');
        return 0.5;
      },
    } as const;
    const { best, results } = await search(failing);
    expect(best.trial).toBe(2);
    expect(results.map(({ error, failure }) => [error, failure])).toEqual([
      [null, 'expected a finite error, got NaN'],
      [null, 'out of memory'],
      [0.5, undefined],
    ]);
    expect(lines[0]).toMatch(/^trial 0, budget 9: failed: expected a finite error, got NaN \(x 0/);
    expect(lines[2]).toMatch(/^trial 2, budget 9: error 0\.5000, least 0\.5000 \(x 0\.\d+\)$/);
    await expect(
      search({ ...failing, objective: () => Number.NaN, progress: false }),
    ).rejects.toThrow('all 3 trials failed; the first: expected a finite error, got NaN');
  });

  it('gives a trial its seed and its folder', async () => {
    const out = path.join(dir, 'context');
    const seen: unknown[] = [];
    const scheduler = { name: 'successive-halving', eta: 2, maxBudget: 2 } as const;
    const watching: Objective = (_, { seed, trial, folder }) => {
      seen.push([trial, seed, folder]);
      return trial;
    };
    await search({ ...quiet, out, scheduler, objective: watching });
    expect(seen).toHaveLength(3);
    expect(seen[2]).toEqual(seen[0]); // the promoted one
    expect(seen[1]).toEqual([1, expect.any(Number), path.join(out, 'trials', '1')]);
  });

  const both = (lr: number) => ({ lr, dropout: 0, batchSize: 32, optimizer: 'adam' }) as never;
  const wrong: [string, Partial<SearchOptions>, string][] = [
    ['no space', { space: {} }, 'option "space" must be domains by name'],
    [
      'a domain of another kind',
      { space: { lr: 3 as never } },
      'expected a domain for "lr", got 3',
    ],
    ['an empty choice', { space: { a: { kind: 'choice', options: [] } } }, 'at least one'],
    ['a scheduler', { scheduler: 'grid' as never }, 'option "name" must be one of'],
    ['an option', { trials: 3 } as never, 'there is no option "trials"'],
    ['workers for a function', { workers: 2 }, 'the path of a module with workers'],
    ['a module', { objective: 'absent.mjs' }, 'must be a file that exists'],
    [
      'more initial values than trials',
      { scheduler: { name: 'random', numTrials: 1 }, initial: [0.1, 0.2].map(both) as never },
      'at most the 1 configurations that the scheduler tries, got 2',
    ],
    [
      'more initial values than a rung has',
      {
        scheduler: { name: 'successive-halving', minBudget: 3, maxBudget: 9 },
        initial: [0.1, 0.2, 0.3, 0.4].map(both) as never,
      },
      'at most the 3 configurations that the scheduler tries, got 4',
    ],
    ['an initial value', { initial: [{ lr: 2 }] }, 'a value of the space for "lr", got 2'],
  ];
  it.each(wrong)('refuses %s', async (_, options, message) => {
    await expect(search({ ...quiet, ...options } as SearchOptions)).rejects.toThrow(message);
  });
});

describe('search in processes', () => {
  const MODULE = `
    export default async ({ lr }, { budget, trial }) => {
      if (trial === 1) throw new Error('broken');
      if (trial === 2) return Number.NaN;
      if (trial === 3) process.exit(7);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return Math.abs(Math.log10(lr) + 2) + 1 / budget;
    };`;

  it('gives the results of one process, and survives a worker that ends', async () => {
    const file = path.join(dir, 'objective.mjs');
    await fs.writeFile(file, MODULE);
    const scheduler = { name: 'successive-halving', eta: 2, maxBudget: 4, minBudget: 1 } as const;
    const options = { space: { lr: spaces.logUniform(1e-4, 1) }, scheduler, progress: false };
    const { best, results } = await search({ ...options, objective: file, workers: 2 });
    const failures = results.filter(({ error }) => error === null);
    expect(failures.map(({ trial, failure }) => [trial, failure]).sort()).toEqual([
      [1, 'broken'],
      [2, 'expected a finite error, got NaN'],
      [3, 'the worker process ended with code 7'],
    ]);
    const alone = await search({
      ...options,
      objective: ({ lr }, { budget, trial }) =>
        trial > 0 && trial < 4 ? Number.NaN : Math.abs(Math.log10(lr) + 2) + 1 / budget,
    });
    expect(best.config).toEqual(alone.best.config);
    expect(results).toHaveLength(alone.results.length);
  }, 60_000);

  it('starts them with the flags by which this process loads modules', () => {
    const flags = ['--import', 'tsx', '--inspect=0', '-e', 'code', '--conditions', 'development'];
    expect(loadingFlags(flags)).toEqual(['--import', 'tsx', '--conditions', 'development']);
  });

  it('asha trains in three processes, which end with it', async () => {
    const [file, pids] = [path.join(dir, 'slow.mjs'), path.join(dir, 'pids')];
    await fs.writeFile(
      file,
      `import { appendFileSync } from 'node:fs';
      export default async ({ x }) => {
        appendFileSync(${JSON.stringify(pids)}, process.pid + ' ');
        await new Promise((resolve) => setTimeout(resolve, 200));
        return x;
      };`,
    );
    const scheduler = { name: 'asha', numTrials: 9 } as const;
    const space = { x: spaces.uniform(0, 1) };
    const options = { space, scheduler, objective: file, workers: 3, progress: false };
    const { best, results } = await search(options);
    expect(results.length).toBeGreaterThanOrEqual(9 + 3 + 1);
    expect(best.budget).toBe(9);
    const seen = new Set((await fs.readFile(pids, 'utf8')).trim().split(' ').map(Number));
    expect(seen.size).toBe(3);
    const isRunning = (pid: number) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    await vi.waitFor(() => expect([...seen].filter(isRunning)).toEqual([]), 10_000);
  }, 60_000);

  it('keeps what is done at Ctrl-C, and ends', async () => {
    const out = path.join(dir, 'interrupted');
    const source = `
      import { search, spaces } from '@deepend/trainer';
      const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      const objective = async ({ x }, { trial }) => {
        if (trial === 2) await wait(60_000);
        return x;
      };
      const space = { x: spaces.uniform(0, 1) };
      const out = ${JSON.stringify(out)};
      const { interrupted, results } = await search({ space, objective, out });
      console.log(interrupted, results.length);
      process.exit();`;
    const program = await buildProgram({ source });
    const child = spawn(process.execPath, [program.file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
      if (/trial 1/.test(String(data))) child.kill('SIGINT');
    });
    await once(child, 'close');
    await program.remove();
    expect(output).toMatch(/^true 2$/m);
    const lines = (await fs.readFile(path.join(out, 'results.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).trial)).toEqual([0, 1]);
  }, 60_000);
});

describe.skipIf(absent)(`search that trains (${absent ?? 'real data'})`, () => {
  it('makes each trial a run in its folder, and finds the better learning rate', async () => {
    await use('simd');
    const out = path.join(dir, 'runs');
    const { best } = await search({
      space: { lr: spaces.choice([1e-6, 0.2]) },
      initial: [{ lr: 1e-6 }, { lr: 0.2 }],
      scheduler: { name: 'successive-halving', eta: 2, maxBudget: 2 },
      out,
      progress: false,
      objective: async ({ lr }, { budget, seed, folder = '' }) => {
        const sizes = { numTrain: 640, numTest: 200, progress: false };
        const [trainIter, testIter] = await loadFashionMnist(32, sizes);
        const net = book.mlp({ seed });
        const { history } = await train(net, trainIter, testIter, {
          ...{ numEpochs: budget, lr, seed, progress: false },
          callbacks: [saveRun(folder, {}, { overwrite: true })],
        });
        net.dispose();
        return 1 - (history.at(-1)?.testAcc ?? Number.NaN);
      },
    });
    expect(best).toMatchObject({ trial: 1, budget: 2, config: { lr: 0.2 } });
    expect(best.error).toBeLessThan(0.5);
    const epochs = [0, 1].map(async (trial) => {
      const run = await runs.readRun(path.join(out, 'trials', String(trial)));
      return run.history.length;
    });
    expect(await Promise.all(epochs)).toEqual([1, 2]); // the promoted one trained for two
  }, 120_000);
});

describe('plotSearch', () => {
  it('draws the best, the curves and the configurations', async () => {
    const { results } = await search({ ...quiet, scheduler: 'hyperband' });
    for (const kind of ['best', 'curves', 'configurations'] as const)
      expect(plots.plotSearch(results, { kind, title: kind }).toSvg()).toContain(kind);
    expect(plots.plotSearch(results, { overTime: true }).toSvg()).toContain('seconds of training');
    const by = (parameter: string) =>
      plots.plotSearch(results, { kind: 'configurations', parameter });
    expect(by('batchSize').toSvg()).toContain('batchSize');
    expect(() => by('optimizer')).toThrow('hyperparameter whose values are numbers');
    expect(() => by('batchsize')).toThrow('did you mean "batchSize"?');
    expect(() => plots.plotSearch([])).toThrow('at least one that did not fail');
  });
});
