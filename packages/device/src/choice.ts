/** The order in which devices are tried: by options, by `DEEPEND_DEVICE`, or deepend's own. */
import {
  checkOptions,
  closest,
  EnvironmentError,
  envRule,
  formatValue,
  readEnv,
  rule,
} from '@deepend/core';
import type { CandidateName, ChoiceOptions, DeviceName } from './types';

/** Best first. */
export const ORDER: readonly CandidateName[] = [
  'cuda',
  'webgpu',
  'simd',
  'tensorflow',
  'wasm',
  'cpu-js',
];

/** What `device()` takes, besides `cuda:1` and so on. */
const DEVICE_NAMES: readonly string[] = [
  ...['cuda:0', 'webgpu:0', 'cpu'],
  ...ORDER.filter((candidate) => candidate !== 'cuda'),
];

const GPUS: readonly CandidateName[] = ['cuda', 'webgpu'];
export const isGpu = (name: CandidateName): boolean => GPUS.includes(name);

export interface Choice {
  /** Only this device. */
  readonly fixed?: DeviceName;
  readonly order: readonly CandidateName[];
  /** Where the choice comes from, for `Device.why`. */
  readonly by?: string;
}

const candidate = rule.oneOf(ORDER as readonly [CandidateName, ...CandidateName[]]);
const names = rule.list(candidate, `a list of names of ${ORDER.join(', ')}`).optional();
const choiceOptions = rule.object({ order: names, exclude: names });

/**
 * Options take precedence over the variable, which holds a device's name (`simd`, `cuda:0`), an
 * order
 * (`webgpu,simd`), or exclusions (`!webgpu`).
 * @throws TypeError or RangeError when an option or the variable is invalid
 */
export function choose(
  where: string,
  options: ChoiceOptions = {},
  variable = process.env.DEEPEND_DEVICE,
): Choice {
  const { order, exclude = [] } = checkChoice(where, options);
  if (order || exclude.length > 0) {
    const left = (order ?? ORDER).filter((name) => !exclude.includes(name));
    if (left.length === 0)
      throw new RangeError(
        `${where}: "order" and "exclude" leave nothing; leave one of ${ORDER.join(', ')}`,
      );
    return { order: left, by: 'the options leave it' };
  }
  const rule = envRule.string('a device, an order of backends, or exclusions');
  const text = readEnv('device', 'DEEPEND_DEVICE', rule, variable);
  return text === undefined ? { order: ORDER } : readVariable(text);
}

/** @throws TypeError or RangeError, with the name that was probably meant */
function checkChoice(where: string, options: ChoiceOptions): ChoiceOptions {
  try {
    return checkOptions(where, choiceOptions, options) as ChoiceOptions;
  } catch (error) {
    const { order, exclude } = Object(options) as ChoiceOptions;
    const unknown = [order, exclude].flat().find((name) => name && !ORDER.includes(name));
    (error as Error).message += hintFor(unknown, ORDER);
    throw error;
  }
}

const BY = 'DEEPEND_DEVICE asks for it';

function readVariable(text: string): Choice {
  const parts = text.split(',').map((part) => part.trim());
  const excluded = parts
    .filter((part) => part.startsWith('!'))
    .map((part) => candidateNamed(part.slice(1)));
  const taken = parts.filter((part) => !part.startsWith('!'));
  if (taken.length === 1 && excluded.length === 0)
    return { fixed: deviceNamed(taken[0] as string), order: [], by: BY };
  const order = taken.length > 0 ? taken.map(candidateNamed) : ORDER;
  const left = order.filter((name) => !excluded.includes(name));
  if (left.length === 0)
    throw new EnvironmentError(
      `[device] DEEPEND_DEVICE='${text}' leaves nothing; leave one of ${ORDER.join(', ')}`,
    );
  return { order: left, by: BY };
}

/** A single name is a device; `cpu()` would ignore a misspelled one. */
function deviceNamed(name: string): DeviceName {
  if (/^cuda:\d+$/.test(name) || DEVICE_NAMES.includes(name)) return name as DeviceName;
  throw new EnvironmentError(
    `[device] DEEPEND_DEVICE: expected one of ${DEVICE_NAMES.join(', ')}, or several backends ` +
      `separated by commas, got ${formatValue(name)}${hintFor(name, DEVICE_NAMES)}`,
  );
}

function candidateNamed(name: string): CandidateName {
  if ((ORDER as readonly string[]).includes(name)) return name as CandidateName;
  throw new EnvironmentError(
    `[device] DEEPEND_DEVICE: expected names of ${ORDER.join(', ')}, separated by commas, ` +
      `got ${formatValue(name)}${hintFor(name, ORDER)}`,
  );
}

const GPU_WORDS = /^(gpu|gpus|cuda|nvidia|mps|metal|rocm|vulkan)(:\d+)?$/i;

/** What a word for a GPU may stand for; `auto` and `all` only where the caller takes them. */
const DEVICES_OF_WORD = ['cuda:0', 'webgpu:0', 'auto', 'all'];

/** `; did you mean 'wasm'?`, or nothing. Words for a GPU stand for all names of GPUs. */
function hintFor(name: unknown, names: readonly string[]): string {
  if (typeof name !== 'string') return '';
  if (GPU_WORDS.test(name)) {
    const devices = names.filter((one) => DEVICES_OF_WORD.includes(one));
    const gpus = devices.length > 0 ? devices : names.filter((one) => GPUS.includes(one as never));
    const quoted = gpus.map((one) => `'${one}'`);
    const list = `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
    const chooses = gpus.includes('auto') || gpus.includes('all');
    const best = chooses ? '' : ' tryGpu() takes the best GPU that works';
    return `; did you mean ${list}?${best}`;
  }
  const near = closest(name, names);
  return near ? `; did you mean '${near}'?` : '';
}

/** @param others names that the caller takes in addition */
export function unknownDevice(
  name: unknown,
  { where = '[device]', others = [] }: { where?: string; others?: readonly string[] } = {},
): TypeError {
  const names = [...DEVICE_NAMES, ...others];
  return new TypeError(
    `${where} expected one of ${names.map((one) => `'${one}'`).join(', ')}, got ` +
      `${formatValue(name)}${hintFor(name, names)}`,
  );
}

/**
 * The name as it is, if `device` knows it.
 * @throws TypeError when it does not, with the name that was probably meant
 */
export function deviceNameFrom(
  name: string,
  about: { where?: string; others?: readonly string[] } = {},
): DeviceName {
  if (/^cuda:\d+$/.test(name) || DEVICE_NAMES.includes(name)) return name as DeviceName;
  throw unknownDevice(name, about);
}
