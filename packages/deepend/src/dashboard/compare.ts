/** What runs were told, beside one another. */
import { toText } from './lines';
import type { Comparison } from './types';

const MOST_SETTINGS = 200;
const DEEPEST = 6;
/** What is no setting, or says a second time what the settings say. */
const LEFT_OUT = ['classNames', 'training', 'settings', 'startedAt'];

type Config = Readonly<Record<string, unknown>>;

/** @param configs of the runs, as their `config.json` has them */
export function compareSettings(
  configs: readonly Config[],
): Pick<Comparison, 'differences' | 'shared'> {
  const told = configs.map(settingsOf);
  const names = [...new Set(told.flatMap((settings) => [...settings.keys()]))];
  const rows = names.map((setting) => ({
    setting,
    values: told.map((settings) => settings.get(setting) ?? null),
  }));
  const same = ({ values }: (typeof rows)[number]) => values.every((value) => value === values[0]);
  return {
    differences: rows.filter((row) => !same(row)),
    shared: rows.filter(same).map(({ setting, values }) => ({ setting, value: values[0] ?? '' })),
  };
}

/** Settings by their names, those of a part as `part.name`, as text. */
function settingsOf(config: Config): Map<string, string> {
  const found = new Map<string, string>();
  const own = Object.entries(config).filter(([name]) => !LEFT_OUT.includes(name));
  const told = config.settings ?? config.training;
  add(found, '', { ...(isObject(told) ? told : {}), ...Object.fromEntries(own) }, 0);
  return found;
}

function add(found: Map<string, string>, prefix: string, value: unknown, depth: number): void {
  if (found.size >= MOST_SETTINGS) return;
  if (isObject(value) && depth < DEEPEST) {
    for (const [name, part] of Object.entries(value))
      add(found, prefix ? `${prefix}.${name}` : name, part, depth + 1);
    return;
  }
  const text = toText(
    typeof value === 'string' || typeof value === 'number' ? value : JSON.stringify(value),
  );
  if (text !== null && prefix !== '') found.set(toText(prefix) as string, text);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
