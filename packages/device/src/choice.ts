/** What is tried, and in what order: by option, by `DEEPEND_DEVICE`, or as deepend finds best. */
import { checkOptions, closest, formatValue, rule } from '@deepend/core';
import type { CandidateName, ChoiceOptions, DeviceName } from './types';

/** The best first. */
export const ORDER: readonly CandidateName[] = [
  'cuda',
  'webgpu',
  'simd',
  'tensorflow',
  'wasm',
  'cpu-js',
];

const GPUS: readonly CandidateName[] = ['cuda', 'webgpu'];
export const isGpu = (name: CandidateName): boolean => GPUS.includes(name);

export interface Choice {
  /** One device and no other. */
  readonly fixed?: DeviceName;
  readonly order: readonly CandidateName[];
  /** What says so, for `why`. */
  readonly by?: string;
}

const candidate = rule.oneOf(ORDER as readonly [CandidateName, ...CandidateName[]]);
const names = rule.list(candidate, `a list of names of ${ORDER.join(', ')}`).optional();
const choiceOptions = rule.object({ order: names, exclude: names });

/**
 * Options go before the variable. It takes a device's name (`simd`, `cuda:0`), an order
 * (`webgpu,simd`), or what is left out (`!webgpu`).
 * @throws TypeError or RangeError when an option or the variable makes no sense
 */
export function choose(
  where: string,
  options: ChoiceOptions = {},
  variable = process.env.DEEPEND_DEVICE,
): Choice {
  const { order, exclude = [] } = checkOptions(where, choiceOptions, options) as ChoiceOptions;
  if (order || exclude.length > 0) {
    const left = (order ?? ORDER).filter((name) => !exclude.includes(name));
    if (left.length === 0)
      throw new RangeError(
        `${where}: "order" and "exclude" leave nothing; leave one of ${ORDER.join(', ')}`,
      );
    return { order: left, by: 'the options leave it' };
  }
  return variable ? readVariable(variable) : { order: ORDER };
}

const BY = 'DEEPEND_DEVICE asks for it';

function readVariable(text: string): Choice {
  const parts = text.split(',').map((part) => part.trim());
  const out = parts
    .filter((part) => part.startsWith('!'))
    .map((part) => candidateNamed(part.slice(1)));
  const taken = parts.filter((part) => !part.startsWith('!'));
  // One name: a device, which `device()` knows or refuses.
  if (taken.length === 1 && out.length === 0)
    return { fixed: taken[0] as DeviceName, order: [], by: BY };
  const order = taken.length > 0 ? taken.map(candidateNamed) : ORDER;
  const left = order.filter((name) => !out.includes(name));
  if (left.length === 0)
    throw new RangeError(
      `[device] DEEPEND_DEVICE='${text}' leaves nothing; leave one of ${ORDER.join(', ')}`,
    );
  return { order: left, by: BY };
}

function candidateNamed(name: string): CandidateName {
  if ((ORDER as readonly string[]).includes(name)) return name as CandidateName;
  const near = closest(name, [...ORDER]);
  const hint = near ? `; did you mean '${near}'?` : '';
  throw new TypeError(
    `[device] DEEPEND_DEVICE: expected names of ${ORDER.join(', ')} with commas between, got ${formatValue(name)}${hint}`,
  );
}
