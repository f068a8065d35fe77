/** docs/environment.md lists exactly the environment variables that the code reads. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const page = readFileSync('docs/environment.md', 'utf8');
const listed = new Set([...page.matchAll(/^\| `([A-Z]\w+)` +\|/gm)].map(([, name]) => name));

const sources = readdirSync('packages', { recursive: true, encoding: 'utf8' }).filter(
  (name) => /^[^/]+\/(src|bin)\/.*\.m?[jt]s$/.test(name) && !name.includes('/generated/'),
);

/**
 * `process.env.NAME`, `const { NAME, OTHER: alias = '' } = process.env`, `readEnv(…, 'NAME', …)`.
 */
function variablesOf(source: string): string[] {
  const direct = [...source.matchAll(/process\.env\.([A-Z]\w+)/g)].map(([, name]) => name);
  const helper = [...source.matchAll(/readEnv\(\s*'[^']*',\s*'([A-Z_]+)'/g)].map(
    ([, name]) => name,
  );
  const unpacked = [...source.matchAll(/const \{([^}]*)\} = process\.env/g)].flatMap(([, list]) =>
    [...(list as string).matchAll(/\b([A-Z][A-Z_]+)\b/g)].map(([, name]) => name),
  );
  return [...direct, ...helper, ...unpacked] as string[];
}

describe('environment variables', () => {
  const read = new Set(
    sources.flatMap((name) => variablesOf(readFileSync(path.join('packages', name), 'utf8'))),
  );
  read.delete('NODE_OPTIONS'); // only removed from what workers get

  it('are read somewhere', () => {
    expect(read).toContain('DEEPEND_THREADS');
    expect(read).toContain('XDG_CACHE_HOME');
  });

  it.each([...read])('%s is listed in docs/environment.md', (name) => {
    expect(listed).toContain(name);
  });

  const TESTS_ONLY = ['DEEPEND_FULL', 'DEEPEND_HUGE_NETS', 'DEEPEND_TEST_SEED'];
  it.each([...listed].filter((name) => !TESTS_ONLY.includes(name as string)))(
    '%s is read by the code',
    (name) => {
      expect(read).toContain(name);
    },
  );
});
