/** What commands print, collected while the tests of a file run. */
import { afterEach, beforeEach, vi } from 'vitest';

/** Collects the lines of each test and resets the exit code after it. */
export function collectOutput(): { out: string[]; err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  beforeEach(() => {
    out.length = 0;
    err.length = 0;
    vi.spyOn(console, 'log').mockImplementation((...words) => out.push(words.join(' ')));
    vi.spyOn(console, 'error').mockImplementation((...words) => err.push(words.join(' ')));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = 0;
  });
  return { out, err };
}
