/** Asking Python, where it is there. */
import { execFileSync } from 'node:child_process';
import { isFull } from './full';

/**
 * Why Python cannot be asked with these modules here; undefined where it can. Loading them takes
 * seconds, so that only a full run asks. @param hint what would bring them
 */
export function pythonAbsent(
  modules: readonly string[],
  hint = 'npm run peers installs it',
): string | undefined {
  if (!isFull) return 'npm run test:full';
  try {
    const found = `import importlib.util as u; exit(0 if all(map(u.find_spec, ${JSON.stringify(modules)})) else 1)`;
    execFileSync('python3', ['-c', found], { stdio: 'pipe' });
    return undefined;
  } catch {
    return `python3 with ${modules.join(' and ')} is not here; ${hint}`;
  }
}
