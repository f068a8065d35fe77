/** The settings that a run was started with, for the commands that need them. */
import { runFile } from '../run/layout';
import { isUnavailable, type Run } from '../run/read-run';
import type { Settings } from '../settings';

/** The device that a run's settings name; the best one for a script's run. */
export const deviceOf = ({ settings }: Pick<Run, 'settings'>): string =>
  isUnavailable(settings) ? 'auto' : settings.device;

/** @throws Error when a script started the run, or its settings are not valid */
export function requireSettings(dir: string, { settings }: Pick<Run, 'settings'>): Settings {
  if (!isUnavailable(settings)) return settings;
  throw new Error(
    `${runFile(dir, 'config')}: ${settings.reason}; to resume it, call ` +
      `train(..., { resume: '${dir}' }) in the script`,
  );
}
