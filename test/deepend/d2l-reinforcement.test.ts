/** Reinforcement learning: chapter 17 of the book. */
import { d2l, plots } from 'deepend';
import { describe, expect, it } from 'vitest';

const lake = d2l.makeEnv('FrozenLake-v1', 0);

/** The cells that a policy visits from the start, without slipping. */
function walk({ mdp, desc }: d2l.EnvInfo, policy: readonly number[]): string {
  const cells = desc.join('');
  let state = cells.indexOf('S');
  let path = 'S';
  for (let step = 0; step < cells.length && !/[GH]/.test(path); step++) {
    state = mdp[state]?.[policy[state] as number]?.[0]?.[1] ?? -1;
    path += cells[state];
  }
  return path;
}

describe('the frozen lake', () => {
  it("has gym's map and transitions", () => {
    expect(lake.desc).toEqual(['SFFF', 'FHFH', 'FFFH', 'HFFG']);
    expect([lake.numStates, lake.numActions]).toEqual([16, 4]);
    expect(lake.mdp[0]).toEqual([
      [[1, 0, 0, false]], // left: the edge
      [[1, 4, 0, false]],
      [[1, 1, 0, false]],
      [[1, 0, 0, false]],
    ]);
    expect(lake.mdp[1]?.[1]).toEqual([[1, 5, 0, true]]); // into a hole
    expect(lake.mdp[14]?.[2]).toEqual([[1, 15, 1, true]]); // the goal
    expect(lake.mdp[15]?.[0]).toEqual([[1, 15, 0, true]]);
  });

  it('slips to either side in two thirds of all steps', () => {
    const { mdp, env } = d2l.frozenLake(1, { isSlippery: true });
    expect(mdp[0]?.[2]?.map(([p, next]) => [p, next])).toEqual([
      [1 / 3, 4],
      [1 / 3, 1],
      [1 / 3, 0],
    ]);
    const counts = new Map<number, number>();
    for (let i = 0; i < 3000; i++) {
      env.reset();
      const [next] = env.step(2);
      counts.set(next, (counts.get(next) ?? 0) + 1);
    }
    for (const next of [0, 1, 4]) expect((counts.get(next) ?? 0) / 3000).toBeCloseTo(1 / 3, 1);
  });

  it('has episodes that end in a hole, at the goal, and after their steps', () => {
    const { env } = lake;
    env.reset();
    expect([1, 1, 2, 1, 2, 2].map((action) => env.step(action)).at(-1)).toEqual([15, 1, true]);
    expect(env.reset()).toBe(0);
    env.step(2);
    expect(env.step(1)).toEqual([5, 0, true]);
    const short = d2l.frozenLake(0, { maxSteps: 2 }).env;
    expect([short.step(0)[2], short.step(0)[2]]).toEqual([false, true]);
  });

  it('draws the same numbers for the same seed', () => {
    const actions = (seed: number) => {
      const { env } = d2l.frozenLake(seed);
      return Array.from({ length: 50 }, () => env.actionSpace.sample());
    };
    expect(actions(3)).toEqual(actions(3));
    expect(actions(3)).not.toEqual(actions(4));
    expect(new Set(actions(3))).toEqual(new Set([0, 1, 2, 3]));
  });

  it('refuses other environments, maps and actions', () => {
    expect(() => d2l.makeEnv('CartPole-v1')).toThrow("expected 'FrozenLake-v1', got 'CartPole-v1'");
    expect(() => d2l.frozenLake(0, { map: ['SF', 'G'] })).toThrow('rows of equal length');
    expect(() => d2l.frozenLake(0, { map: ['SS', 'FG'] })).toThrow('with one S');
    expect(() => lake.env.step(4)).toThrow('an action from 0 to 3');
  });
});

describe('value iteration', () => {
  it('finds the optimal values: 0.95 to the number of steps before the goal', () => {
    const { V, pi, Q } = d2l.valueIteration(lake, 0.95, 10);
    expect(V).toHaveLength(11);
    expect(V.at(-1)?.[0]).toBeCloseTo(0.95 ** 5, 12); // six steps
    expect(V.at(-1)?.[14]).toBe(1);
    expect(V.at(-1)?.[5]).toBe(0); // a hole
    expect(V.at(-2)).toEqual(V.at(-1)); // nothing changes any more
    expect(walk(lake, pi.at(-1) ?? [])).toMatch(/^SF{5}G$/);
    expect(Math.max(...(Q[0] ?? []))).toBe(V.at(-1)?.[0]);
  });

  it('knows the best chance on slippery ice', () => {
    const slippery = d2l.frozenLake(0, { isSlippery: true });
    // Published values of gym's FrozenLake-v1: 0.8235 without discount, 0.5420 with 0.99.
    expect(d2l.valueIteration(slippery, 1, 2000).V.at(-1)?.[0]).toBeCloseTo(14 / 17, 4);
    expect(d2l.valueIteration(slippery, 0.99, 2000).V.at(-1)?.[0]).toBeCloseTo(0.542, 3);
  });

  it('solves the large map', () => {
    const large = d2l.frozenLake(0, { map: '8x8' });
    const { V, pi } = d2l.valueIteration(large, 0.9, 30);
    expect(V.at(-1)?.[0]).toBeCloseTo(0.9 ** 13, 12);
    expect(walk(large, pi.at(-1) ?? [])).toMatch(/^SF{13}G$/);
  });

  it('refuses a discount above 1', () => {
    expect(() => d2l.valueIteration(lake, 1.1, 1)).toThrow('"gamma" must be');
  });
});

describe('Q-learning', () => {
  it.each([0, 1, 2])("finds the goal with the book's settings, seed %i", (seed) => {
    const env = d2l.makeEnv('FrozenLake-v1', seed);
    const { V, pi } = d2l.qLearning(env, 0.95, 1000);
    expect(walk(env, pi.at(-1) ?? [])).toMatch(/^SF{5}G$/);
    expect(V.at(-1)?.[0]).toBeCloseTo(0.95 ** 5, 3);
    expect(d2l.qLearning(d2l.makeEnv('FrozenLake-v1', seed), 0.95, 1000).V).toEqual(V);
  });

  it('learns nothing without exploration, and refuses wrong settings', () => {
    const { V } = d2l.qLearning(d2l.frozenLake(0), 0.95, 20, { epsilon: 0 });
    expect(Math.max(...(V.at(-1) ?? []))).toBe(0);
    expect(() => d2l.qLearning(lake, 0.95, 20, { alpha: 0 })).toThrow('"alpha" must be');
    expect(() => d2l.qLearning(lake, 0.95, 20, { beta: 1 } as never)).toThrow('no option "beta"');
  });
});

describe('pictures', () => {
  const { V, pi } = d2l.valueIteration(lake, 0.95, 30);

  it('show every step of value iteration, and eleven or so of Q-learning', () => {
    const all = d2l.showValueFunctionProgress(lake.desc, V.slice(0, 10), pi.slice(0, 10)).toSvg();
    expect(all.match(/>step \d+</g)).toHaveLength(10);
    expect(all).toContain('F →');
    const some = d2l.showQFunctionProgress(lake.desc, V, pi).toSvg();
    expect(some.match(/>step (\d+)</g)?.at(-1)).toBe('>step 31<');
    expect(some.match(/>step \d+</g)).toHaveLength(11);
  });

  it('refuse a step that does not fit the map', () => {
    const step = { values: [1], actions: [0] };
    expect(() => plots.showGridWorld(['SF'], [step])).toThrow('2 values and 2 actions');
    const up = { values: [1, 1], actions: [0, 4] };
    expect(() => plots.showGridWorld(['SF'], [up])).toThrow('actions from 0 to 3');
    expect(() => plots.showGridWorld(['SF', 'G'], [step])).toThrow('all of one length');
    expect(() => plots.showGridWorld(['S'], [step], { titles: [] })).toThrow('1 "titles"');
  });
});
