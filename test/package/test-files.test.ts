/** The comments that say how a test file runs, and which files each of the two modes runs. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { TestProjectInlineConfiguration } from 'vitest/config';
import config from '../../vitest.config';
import { FULL_RUN_ONLY, OWN_PROCESS, TEST_FILES, ZERO_WEIGHTS } from '../helpers/test-files';

/** The files that Vitest finds with the settings of a mode, once for each project with them. */
async function filesOf(mode: string): Promise<string[]> {
  const { test } = await config({ mode, command: 'serve' });
  const projects = (test?.projects ?? []) as TestProjectInlineConfiguration[];
  return projects
    .flatMap(({ test: { include = [], exclude = [] } = {} }) =>
      TEST_FILES.filter(
        (file) =>
          (include.includes(file) || include.includes('test/**/*.test.ts')) &&
          !exclude.includes(file),
      ),
    )
    .sort();
}

describe('a mode', () => {
  it('in full runs every file, once', async () => {
    expect(await filesOf('full')).toEqual(TEST_FILES);
  });

  it('by default leaves out exactly the files that say `Full run only`', async () => {
    expect(FULL_RUN_ONLY.length).toBeGreaterThan(0);
    expect(await filesOf('test')).toEqual(
      TEST_FILES.filter((file) => !FULL_RUN_ONLY.includes(file)),
    );
  });
});

describe('a marker', () => {
  it.each([
    ['Full run only', FULL_RUN_ONLY],
    ['Own process', OWN_PROCESS],
    ['Zero weights', ZERO_WEIGHTS],
  ])('`%s` stands in the first lines, with a reason', (kind, found) => {
    const marked = TEST_FILES.flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, i) =>
          line.startsWith(`// ${kind}`) ? [{ file, line, number: i + 1 }] : [],
        ),
    );
    const reasoned = new RegExp(`^// ${kind}: \\w.{10,}\\.$`);
    const faults = marked.filter(({ line, number }) => number > 10 || !reasoned.test(line));
    expect(faults).toEqual([]);
    expect(marked.length).toBeGreaterThan(0);
    expect(found).toEqual(expect.arrayContaining(marked.map(({ file }) => file)));
  });
});
