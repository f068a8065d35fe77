/**
 * What values a hyperparameter may have. Domains are plain data, so that a search can be written to
 * a file and resumed.
 */
import { checkOptions, formatValue, mixSeed, rule } from '@deepend/core';

/** A number from `low` to `high`, on a linear or a logarithmic scale. */
export interface NumberDomain {
  readonly kind: 'uniform' | 'logUniform' | 'int';
  readonly low: number;
  readonly high: number;
}

/** One of some values. */
export interface ChoiceDomain<T extends Choice = Choice> {
  readonly kind: 'choice';
  readonly options: readonly T[];
}

/** A value that JSON has. */
export type Choice = string | number | boolean;

export type Domain = NumberDomain | ChoiceDomain;

/** Domains by the names of the hyperparameters. */
export type Space = Readonly<Record<string, Domain>>;

/** A value for each name of a space. */
export type Config<S extends Space = Space> = {
  readonly [Name in keyof S]: S[Name] extends ChoiceDomain<infer T> ? T : number;
};

const WHERE = '[trainer] spaces';

interface Kind {
  /** Why the limits are wrong; undefined when they are right. */
  problem(low: number, high: number): string | undefined;
  /** @param u from 0 to below 1 */
  value(u: number, low: number, high: number): number;
}

const inOrder = (low: number, high: number) =>
  Number.isFinite(low) && Number.isFinite(high) && low < high
    ? undefined
    : 'finite limits, low below high';

const KINDS: Readonly<Record<NumberDomain['kind'], Kind>> = {
  uniform: { problem: inOrder, value: (u, low, high) => low + u * (high - low) },
  logUniform: {
    problem: (low, high) =>
      low > 0 ? inOrder(low, high) : 'limits above 0, which have logarithms',
    value: (u, low, high) => Math.min(high, low * (high / low) ** u),
  },
  int: {
    problem: (low, high) =>
      Number.isSafeInteger(low) && Number.isSafeInteger(high)
        ? inOrder(low, high)
        : 'limits that are integers',
    value: (u, low, high) => low + Math.floor(u * (high - low + 1)),
  },
};

function numberDomain(kind: NumberDomain['kind'], low: number, high: number): NumberDomain {
  const problem = KINDS[kind].problem(low, high);
  if (problem === undefined) return { kind, low, high };
  throw new RangeError(
    `${WHERE}.${kind}: expected ${problem}, got ${formatValue(low)} and ${formatValue(high)}`,
  );
}

/** A number from `low` to below `high`, each as likely. @throws RangeError for wrong limits */
export const uniform = (low: number, high: number): NumberDomain =>
  numberDomain('uniform', low, high);

/**
 * A number from `low` to below `high` whose logarithm is uniform, such as a learning rate.
 * @throws RangeError for limits that are not above 0
 * @example spaces.logUniform(1e-4, 1)
 */
export const logUniform = (low: number, high: number): NumberDomain =>
  numberDomain('logUniform', low, high);

/** An integer from `low` to `high`, both included. @throws RangeError for wrong limits */
export const int = (low: number, high: number): NumberDomain => numberDomain('int', low, high);

/**
 * One of some strings, numbers or booleans, each as likely.
 * @throws RangeError when there is none, or one is there twice
 * @example spaces.choice(['sgd', 'adam'])
 */
export function choice<const T extends Choice>(options: readonly T[]): ChoiceDomain<T> {
  const isChoice = (value: unknown) =>
    ['string', 'boolean'].includes(typeof value) || Number.isFinite(value);
  const isList = Array.isArray(options) && options.length > 0 && options.every(isChoice);
  if (isList && new Set(options).size === options.length)
    return { kind: 'choice', options: [...options] };
  throw new RangeError(
    `${WHERE}.choice: expected at least one string, number or boolean, each once, got ` +
      `${formatValue(options)}`,
  );
}

/** Whether a value is one that a domain has. */
function isIn(domain: Domain, value: unknown): boolean {
  if (domain.kind === 'choice') return domain.options.includes(value as Choice);
  const isNumber = domain.kind === 'int' ? Number.isInteger(value) : Number.isFinite(value);
  return isNumber && (value as number) >= domain.low && (value as number) <= domain.high;
}

/** @throws TypeError or RangeError when a space has no domain, or a wrong one */
export function checkSpace(where: string, space: Space): void {
  const entries = Object.entries(space ?? {});
  if (typeof space !== 'object' || entries.length === 0) {
    throw new TypeError(
      `${where}: option "space" must be domains by name, such as ` +
        `{ lr: spaces.logUniform(1e-4, 1) }, got ${formatValue(space)}`,
    );
  }
  for (const [name, domain] of entries) {
    const kind = domain?.kind as string;
    if (kind !== 'choice' && !Object.hasOwn(KINDS, kind)) {
      throw new TypeError(
        `${where}: expected a domain for "${name}", got ${formatValue(domain)}; make it by ` +
          'spaces.uniform, logUniform, int or choice',
      );
    }
    if (domain.kind === 'choice') choice(domain.options);
    else numberDomain(domain.kind, domain.low, domain.high);
  }
}

const EMPTY = rule.object({});

/** @throws TypeError or RangeError when a configuration is not one of the space */
export function checkConfig(where: string, space: Space, config: Config): void {
  const names = Object.keys(space);
  const others = Object.keys(config ?? {}).filter((name) => !names.includes(name));
  if (others.length > 0)
    checkOptions(`${where}: a configuration`, EMPTY, { [others[0] as string]: 0 });
  const wrong = names.find((name) => !isIn(space[name] as Domain, config?.[name]));
  if (wrong === undefined) return;
  throw new RangeError(
    `${where}: expected a value of the space for "${wrong}", got ${formatValue(config?.[wrong])}`,
  );
}

/**
 * A configuration of a space at random, as `search` gives it to a trial. It depends only on the
 * space, the seed and the trial's number.
 * @param trial from 0
 */
export function sample<S extends Space>(space: S, seed: number, trial: number): Config<S> {
  checkSpace(`${WHERE}.sample`, space);
  const entries = Object.entries(space).map(([name, domain], i) => {
    const u = mixSeed(seed, trial, i) / 2 ** 32;
    if (domain.kind === 'choice')
      return [name, domain.options[Math.floor(u * domain.options.length)]];
    return [name, KINDS[domain.kind].value(u, domain.low, domain.high)];
  });
  return Object.fromEntries(entries) as Config<S>;
}
