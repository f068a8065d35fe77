/** Whether this process trains with others, and by which MPI library. */
import { type EnvRule, type LauncherFamily, readEnv, readLauncher } from '@deepend/core';

/** How this process was started, and which MPI library the user names. */
export interface Launch {
  /** The launcher's family; undefined where no launcher started this process. */
  readonly family: LauncherFamily | undefined;
  /** File of the MPI library that the user names. */
  readonly file: string | undefined;
}

const LIBRARY: EnvRule<string> = {
  expected: '0 or the file of an MPI library, such as /usr/lib/x86_64-linux-gnu/libmpi.so.40',
  parse: (text) => (text === '0' || /[/\\.]/.test(text) ? text : undefined),
};

/**
 * Reads how this process was started. `DEEPEND_MPI` names the library's file, or is 0 so that a
 * process under a launcher trains by itself.
 * @returns undefined where this process trains by itself
 * @throws EnvironmentError when `DEEPEND_MPI` is neither 0 nor a file's name
 */
export function findLaunch(asked = process.env.DEEPEND_MPI): Launch | undefined {
  const file = readEnv('distributed', 'DEEPEND_MPI', LIBRARY, asked);
  if (file === '0') return undefined;
  const { family } = readLauncher();
  return family || file ? { family, file } : undefined;
}
