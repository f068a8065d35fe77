/** Which test files there are, and what the comments in their first lines say of how they run. */
import { readdirSync, readFileSync } from 'node:fs';

export const TEST_FILES: readonly string[] = readdirSync('test', {
  recursive: true,
  encoding: 'utf8',
})
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => `test/${file}`)
  .sort();

const filesWith = (pattern: RegExp) =>
  TEST_FILES.filter((file) => pattern.test(readFileSync(file, 'utf8')));

/**
 * Loading TensorFlow.js and the sources takes longer than most test files run, so that files share
 * two processes. A file that mocks a module, or that needs a process in which nothing has run yet,
 * has one of its own; it says so in a comment, `Own process: WHY`.
 */
export const OWN_PROCESS = filesWith(/vi\.mock\(|^\/\/ Own process: /m);

/**
 * Files whose models begin with zeros instead of random weights share processes of their own, since
 * that module stays replaced for all files of a process: `Zero weights: WHY`.
 */
export const ZERO_WEIGHTS = filesWith(/^\/\/ Zero weights: /m);

/**
 * A file that takes many seconds and cannot run in part, because it starts browsers, Python or
 * many processes, is left to `npm run test:full`; it says so in a comment, `Full run only: WHY`.
 */
export const FULL_RUN_ONLY = filesWith(/^\/\/ Full run only: /m);
