/** The command that trains a run again, from its settings. */
import { DEFAULTS, SETTINGS, type SettingName, type Settings } from '../settings';

/** Said even where they are as by default: what everyone asks a run for. */
const ALWAYS: readonly SettingName[] = ['model', 'data', 'epochs', 'batchSize', 'lr', 'seed'];

/**
 * `npx deepend train …` for a POSIX shell: run in the same folder, it gives the same settings.
 * @param out the directory of the run that it makes
 */
export function trainCommand(settings: Settings, out: string): string {
  const flags = (Object.keys(SETTINGS) as SettingName[]).flatMap((name) =>
    flagOf(name, settings[name]),
  );
  const own = Object.entries(settings.modelOptions ?? {}).map(
    ([key, value]) => `--model-option ${quote(`${key}=${plain(value)}`)}`,
  );
  return ['npx deepend train', ...flags, ...own, `--out ${quote(out)}`].join(' ');
}

function flagOf(name: SettingName, value: unknown): string[] {
  if (value === undefined || value === false) return []; // a switch that is off is not written
  if (!ALWAYS.includes(name) && value === DEFAULTS[name]) return [];
  const flag = SETTINGS[name].flag.split(' ')[0] as string;
  return [value === true ? flag : `${flag} ${quote(String(value))}`];
}

/** As `--model-option` reads it: JSON, or a string that is not JSON. */
function plain(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  try {
    JSON.parse(value);
    return JSON.stringify(value);
  } catch {
    return value;
  }
}

/**
 * One word for a POSIX shell: as it is where nothing in it means more than itself, else in single
 * quotes.
 */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
