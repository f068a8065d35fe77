/** Dashboards of new folders, for a file of tests: they are closed after each test. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type runs, startDashboard } from 'deepend';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll } from 'vitest';

export function newDashboards() {
  let dir = '';
  let count = 0;
  const open: runs.Dashboard[] = [];
  beforeAll(async () => {
    dir = await fs.realpath(await fs.mkdtemp(path.join(tmpdir(), 'deepend-')));
  });
  afterEach(async () => {
    for (const dashboard of open.splice(0)) await dashboard.close();
  });
  afterAll(() => fs.remove(dir));

  /** A place in the folder of this file's tests. */
  const inDir = (...names: string[]) => path.join(dir, ...names);
  /** A dashboard of a folder. */
  const start = async (root: string): Promise<runs.Dashboard> => {
    const dashboard = await startDashboard(root, { port: 0 });
    open.push(dashboard);
    return dashboard;
  };
  /** A dashboard of a new folder. */
  const begin = async (): Promise<{ root: string; url: string }> => {
    const root = inDir(`runs-${count++}`);
    await fs.ensureDir(root);
    return { root, url: (await start(root)).url };
  };
  return { begin, inDir, start };
}
