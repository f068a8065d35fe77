/**
 * The book's functions for reinforcement learning: chapter 17 of the English edition. Its
 * environment is gym's frozen lake, which is written here by gym's description
 * (https://gymnasium.farama.org/environments/toy_text/frozen_lake/).
 */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { uniform } from '@deepend/data';
import { type Figure, showGridWorld } from '@deepend/plot';

/** What an action may lead to: with which probability, where, and for which reward. */
export type Transition = readonly [
  probability: number,
  nextState: number,
  reward: number,
  done: boolean,
];

export interface EnvInfo {
  /** The rows of the map: S start, F frozen, H hole, G goal. */
  readonly desc: readonly string[];
  readonly numStates: number;
  /** 0 left, 1 down, 2 right, 3 up. */
  readonly numActions: number;
  /** The places of the numbers in a transition. */
  readonly transProbIdx: 0;
  readonly nextstateIdx: 1;
  readonly rewardIdx: 2;
  readonly doneIdx: 3;
  /** What each action leads to in each state: `mdp[state][action]`. */
  readonly mdp: readonly (readonly (readonly Transition[])[])[];
  readonly env: GridEnv;
}

/** Maps of gym by its names. */
const MAPS = {
  '4x4': ['SFFF', 'FHFH', 'FFFH', 'HFFG'],
  '8x8': [
    'SFFFFFFF',
    'FFFFFFFF',
    'FFFHFFFF',
    'FFFFFHFF',
    'FFFHFFFF',
    'FHHFFFHF',
    'FHFFHFHF',
    'FFFHFFFG',
  ],
} as const;

export interface FrozenLakeOptions {
  /** Whether the robot slips to either side, each in a third of all steps. @default false */
  isSlippery?: boolean;
  /** gym's map, or rows of the letters S, F, H and G. @default '4x4' */
  map?: keyof typeof MAPS | readonly string[];
  /** Steps after which an episode ends. @default 100 */
  maxSteps?: number;
}

const WHERE = '[deepend] d2l.frozenLake';
const LAKE = rule.object({
  seed: rule.seed(),
  isSlippery: rule.boolean().default(false),
  map: rule
    .custom<NonNullable<FrozenLakeOptions['map']>>(
      (value) => value === '4x4' || value === '8x8' || isMap(value),
      "'4x4', '8x8' or rows of equal length of the letters S, F, H and G with one S",
    )
    .default('4x4'),
  maxSteps: rule.positiveInteger().default(100),
});

function isMap(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length === 0) return false;
  const isRow = (row: unknown) =>
    typeof row === 'string' && /^[SFHG]+$/.test(row) && row.length === value[0].length;
  return value.every(isRow) && [...value.join('')].filter((letter) => letter === 'S').length === 1;
}

const MOVES = [
  [0, -1],
  [1, 0],
  [0, 1],
  [-1, 0],
] as const; // rows and columns, of left, down, right, up
const NUM_ACTIONS = MOVES.length;

/** An environment whose states are the cells of a grid. */
export class GridEnv {
  readonly actionSpace: { sample(): number };
  readonly #mdp: EnvInfo['mdp'];
  readonly #limits: { start: number; maxSteps: number };
  readonly #random: () => number;
  #state: number;
  #steps = 0;

  /**
   * @param mdp what each action leads to: `mdp[state][action]`
   * @param limits.seed seeds the random numbers
   * @param limits.start the state in which an episode begins
   * @param limits.maxSteps steps after which an episode ends
   * @example
   * const env = new d2l.GridEnv(d2l.frozenLake().mdp, { seed: 1, start: 0, maxSteps: 100 });
   */
  constructor(
    mdp: EnvInfo['mdp'],
    { seed, ...limits }: { seed: number; start: number; maxSteps: number },
  ) {
    this.#mdp = mdp;
    this.#limits = limits;
    this.#state = limits.start;
    this.#random = uniform(seed);
    this.actionSpace = { sample: () => Math.floor(this.#random() * NUM_ACTIONS) };
  }

  /** Begins an episode. @returns the state at the start */
  reset(): number {
    this.#steps = 0;
    this.#state = this.#limits.start;
    return this.#state;
  }

  /** A number from 0 to below 1 of the environment's generator. */
  random(): number {
    return this.#random();
  }

  /** Takes an action. @throws RangeError for an action that does not exist */
  step(action: number): [nextState: number, reward: number, done: boolean] {
    const outcomes = this.#mdp[this.#state]?.[action];
    if (!outcomes) {
      throw new RangeError(
        '[deepend] d2l.GridEnv.step: expected an action from 0 to 3 (left, down, right, up), got ' +
          formatValue(action),
      );
    }
    let left = this.#random();
    const found = outcomes.find(([probability]) => {
      left -= probability;
      return left < 0;
    });
    const [, state, reward, done] = found ?? (outcomes.at(-1) as Transition);
    this.#state = state;
    this.#steps += 1;
    return [state, reward, done || this.#steps >= this.#limits.maxSteps];
  }
}

/**
 * Sections 17.2 and 23.7: a robot on a lake of ice walks from S to G. The goal gives a reward of
 * 1; a hole ends the episode.
 * @param seed seeds the environment's random numbers
 */
export function frozenLake(seed = 0, options: FrozenLakeOptions = {}): EnvInfo {
  const { isSlippery, map, maxSteps } = checkOptions(WHERE, LAKE, { ...options, seed });
  const desc = typeof map === 'string' ? MAPS[map] : map;
  const cells = desc.join('');
  const columns = desc[0]?.length ?? 0;
  const move = (state: number, action: number, probability: number): Transition => {
    const [down, right] = MOVES[action] as readonly [number, number];
    const within = (at: number, count: number) => Math.max(0, Math.min(count - 1, at));
    const row = within(Math.floor(state / columns) + down, desc.length);
    const next = row * columns + within((state % columns) + right, columns);
    return [probability, next, cells[next] === 'G' ? 1 : 0, /[GH]/.test(cells[next] as string)];
  };
  const transitions = (state: number, action: number): Transition[] => {
    if (/[GH]/.test(cells[state] as string)) return [[1, state, 0, true]];
    if (!isSlippery) return [move(state, action, 1)];
    const sides = [action + NUM_ACTIONS - 1, action, action + 1];
    return sides.map((side) => move(state, side % NUM_ACTIONS, 1 / 3));
  };
  const mdp = Array.from(cells, (_, state) => MOVES.map((_, action) => transitions(state, action)));
  return {
    ...{ desc, numStates: cells.length, numActions: NUM_ACTIONS, mdp },
    ...({ transProbIdx: 0, nextstateIdx: 1, rewardIdx: 2, doneIdx: 3 } as const),
    env: new GridEnv(mdp, { seed, start: cells.indexOf('S'), maxSteps }),
  };
}

/**
 * Sections 17.2 and 23.7: an environment by gym's name.
 * @throws RangeError for any name but 'FrozenLake-v1'
 * @example const envInfo = d2l.makeEnv('FrozenLake-v1', 0);
 */
export function makeEnv(name: string, seed = 0, options: FrozenLakeOptions = {}): EnvInfo {
  if (name === 'FrozenLake-v1') return frozenLake(seed, options);
  throw new RangeError(
    `[deepend] d2l.makeEnv: expected 'FrozenLake-v1', got ${formatValue(name)}; other ` +
      'environments of gym need Python',
  );
}

/** Values and best actions after each iteration, from the zeros before the first one. */
export interface ValueProgress {
  /** `[numIters + 1][numStates]` */
  readonly V: readonly (readonly number[])[];
  /** The best action of each state, `[numIters + 1][numStates]`. */
  readonly pi: readonly (readonly number[])[];
  /** The last values of the actions, `[numStates][numActions]`. */
  readonly Q: readonly (readonly number[])[];
}

const argmax = (values: readonly number[]): number => values.indexOf(Math.max(...values));
const zeros = (count: number): number[] => new Array<number>(count).fill(0);

const PLANNING = rule.object({
  gamma: rule.number({ min: 0, max: 1 }),
  numIters: rule.positiveInteger(),
});

/**
 * Section 17.2: value iteration, from the transitions of the environment.
 * @param gamma discount factor, 0 to 1
 */
export function valueIteration(envInfo: EnvInfo, gamma: number, numIters: number): ValueProgress {
  checkOptions('[deepend] d2l.valueIteration', PLANNING, { gamma, numIters });
  const { mdp, numStates } = envInfo;
  const V = [zeros(numStates)];
  const pi = [zeros(numStates)];
  let Q: number[][] = [];
  for (let k = 1; k <= numIters; k++) {
    const before = V[k - 1] as number[];
    const expected = (outcomes: readonly Transition[]) =>
      outcomes.reduce(
        (sum, [p, next, reward]) => sum + p * (reward + gamma * (before[next] ?? 0)),
        0,
      );
    Q = mdp.map((actions) => actions.map(expected));
    V.push(Q.map((values) => Math.max(...values)));
    pi.push(Q.map(argmax));
  }
  return { V, pi, Q };
}

const LEARNING = rule.object({
  ...{ gamma: rule.number({ min: 0, max: 1 }), numIters: rule.positiveInteger() },
  alpha: rule.number({ above: 0, max: 1 }),
  epsilon: rule.number({ min: 0, max: 1 }),
});

/**
 * Section 17.3: Q-learning with ε-greedy actions, from episodes in the environment only.
 * @param gamma discount factor, 0 to 1
 * @param numIters number of episodes
 * @param options.alpha learning rate, up to 1 @default 0.9
 * @param options.epsilon probability of a random action @default 0.9
 */
export function qLearning(
  envInfo: EnvInfo,
  gamma: number,
  numIters: number,
  options: { alpha?: number; epsilon?: number } = {},
): ValueProgress {
  const where = '[deepend] d2l.qLearning';
  const settings = { alpha: 0.9, epsilon: 0.9, ...options, gamma, numIters };
  const { alpha, epsilon } = checkOptions(where, LEARNING, settings);
  const { env, numStates, numActions } = envInfo;
  const Q = Array.from({ length: numStates }, () => zeros(numActions));
  const V = [zeros(numStates)];
  const pi = [zeros(numStates)];
  for (let k = 1; k <= numIters; k++) {
    let state = env.reset();
    let done = false;
    while (!done) {
      const values = Q[state] as number[];
      const action = env.random() < epsilon ? env.actionSpace.sample() : argmax(values);
      const [next, reward, ended] = env.step(action);
      const y = reward + gamma * Math.max(...(Q[next] as number[]));
      values[action] = (values[action] ?? 0) + alpha * (y - (values[action] ?? 0));
      [state, done] = [next, ended];
    }
    V.push(Q.map((values) => Math.max(...values)));
    pi.push(Q.map(argmax));
  }
  return { V, pi, Q };
}

type Steps = readonly ArrayLike<number>[];

const drawSteps = (desc: readonly string[], V: Steps, [pi, indices]: [Steps, number[]]): Figure =>
  showGridWorld(
    desc,
    indices.map((i) => ({ values: V[i] ?? [], actions: pi[i] ?? [] })),
    { titles: indices.map((i) => `step ${i + 1}`) },
  );

/**
 * Sections 17.2 and 23.7: draws how values and best actions change.
 * @param envDesc the rows of the map
 * @param V values, `[numIters][numStates]`
 * @param pi actions, `[numIters][numStates]`
 * @example
 * const { V, pi } = d2l.valueIteration(envInfo, 0.95, 10);
 * await d2l.showValueFunctionProgress(envInfo.desc, V.slice(0, -1), pi.slice(0, -1)).save('v.svg');
 */
export const showValueFunctionProgress = (
  envDesc: readonly string[],
  V: Steps,
  pi: Steps,
): Figure => drawSteps(envDesc, V, [pi, Array.from(V, (_, i) => i)]);

const SHOWN = 10;

/** Sections 17.3 and 23.7: the same for some ten of many iterations, the last one included. */
export function showQFunctionProgress(envDesc: readonly string[], V: Steps, pi: Steps): Figure {
  const every = Math.max(1, Math.floor(V.length / SHOWN));
  const indices = Array.from(V, (_, i) => i).filter((i) => i % every === 0 && i < V.length - 1);
  return drawSteps(envDesc, V, [pi, [...indices, V.length - 1]]);
}
