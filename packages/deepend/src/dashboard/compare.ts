/** The settings of several runs, side by side. */
import { type Fields, isObject, toText } from '../run/records';
import type { Comparison } from './types';

const MAX_SETTINGS = 200;
const MAX_DEPTH = 6;
/** Not settings, or repetitions of the settings. */
const IGNORED = ['classNames', 'training', 'settings', 'startedAt'];
/** Recorded of each run; the settings of `deepend train` have the same. */
const IN_SETTINGS = ['loaders', 'checkpoints', 'preprocessing'];

type Config = Readonly<Fields>;

/** @param configs the `config.json` of each run */
export function compareSettings(
  configs: readonly Config[],
): Pick<Comparison, 'differences' | 'shared'> {
  const flattened = configs.map(flattenSettings);
  const names = [...new Set(flattened.flatMap((settings) => [...settings.keys()]))];
  const rows = names.map((setting) => ({
    setting,
    values: flattened.map((settings) => settings.get(setting) ?? null),
  }));
  const same = ({ values }: (typeof rows)[number]) => values.every((value) => value === values[0]);
  return {
    differences: rows.filter((row) => !same(row)),
    shared: rows.filter(same).map(({ setting, values }) => ({ setting, value: values[0] ?? '' })),
  };
}

/** Settings as text by their names; those of a nested object are called `part.name`. */
function flattenSettings(config: Config): Map<string, string> {
  const found = new Map<string, string>();
  const ignored = isObject(config.settings) ? [...IGNORED, ...IN_SETTINGS] : IGNORED;
  const own = Object.entries(config).filter(([name]) => !ignored.includes(name));
  const recorded = config.settings ?? config.training;
  add(found, '', { ...(isObject(recorded) ? recorded : {}), ...Object.fromEntries(own) }, 0);
  return found;
}

function add(found: Map<string, string>, prefix: string, value: unknown, depth: number): void {
  if (found.size >= MAX_SETTINGS) return;
  if (isObject(value) && depth < MAX_DEPTH) {
    for (const [name, part] of Object.entries(value))
      add(found, prefix ? `${prefix}.${name}` : name, part, depth + 1);
    return;
  }
  const text = toText(
    typeof value === 'string' || typeof value === 'number' ? value : toJson(value),
  );
  if (text !== null && prefix !== '') found.set(toText(prefix) as string, text);
}

/** JSON; a mark for a list that is nested too deeply to be written. */
function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return '…';
  }
}
