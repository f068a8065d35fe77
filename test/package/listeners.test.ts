// Full run only: it imports all packages in processes.
/** Importing a package installs no listener on the process: a busy program still ends at Ctrl-C. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const packages = readdirSync(path.join(root, 'packages')).map(
  (folder) =>
    JSON.parse(readFileSync(path.join(root, 'packages', folder, 'package.json'), 'utf8'))
      .name as string,
);

/** Prints the events whose number of listeners differs after `body`. */
const listenersAfter = (body: string) => {
  const script = `
    const count = () => Object.fromEntries(
      process.eventNames().map((event) => [event, process.listenerCount(event)]).filter(([, n]) => n > 0));
    const before = JSON.stringify(count());
    ${body}
    const after = JSON.stringify(count());
    console.log(before === after ? 'the same' : before + ' became ' + after);`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', script],
    { cwd: root, encoding: 'utf8', env: { ...process.env, TSX_TSCONFIG_PATH: 'tsconfig.json' } },
  );
  return `${stdout}${stderr}`.trim();
};

it('importing all packages leaves the listeners of the process as they were', () => {
  expect(packages).toContain('deepend');
  const imports = packages.map((name) => `await import('${name}');`).join('\n');
  expect(listenersAfter(imports)).toBe('the same');
});

it('so does a lock on the cache that was released', () => {
  const cache = path.join(root, 'packages/data/src/datasets/files/cache.ts');
  const body = `
    const { mkdtempSync } = await import('node:fs');
    const { withLock } = await import(${JSON.stringify(cache)});
    const folder = mkdtempSync('/tmp/deepend-lock-');
    const reporter = { say() {} };
    for (let i = 0; i < 2; i++) {
      let held;
      await withLock(folder, reporter, async () => { held = process.listenerCount('SIGINT'); });
      if (held !== 1) console.log('while the lock is held, SIGINT has', held, 'listeners');
    }`;
  expect(listenersAfter(body)).toBe('the same');
});
