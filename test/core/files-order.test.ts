/** The order in which a file is written and flushed, which a power cut would show. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { writeFileAtomic, writeFolderAtomic } from '@deepend/core';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';

const log = vi.hoisted(() => [] as string[]);
const syncError = vi.hoisted(() => ({ folder: '' }));

vi.mock('node:fs/promises', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs/promises')>();
  const short = (file: unknown) =>
    String(file)
      .replace(/^.*[\\/]/, '')
      .replace(/^\.(\w+)\..*\.part$/, 'staging of $1');
  return {
    ...fs,
    open: async (file: string, flags: string) => {
      const handle = await fs.open(file, flags);
      const sync = handle.sync.bind(handle);
      handle.sync = async () => {
        log.push(`flush ${short(file)}`);
        if (flags === 'r' && syncError.folder)
          throw Object.assign(new Error('no'), { code: syncError.folder });
        await sync();
      };
      return handle;
    },
    rename: async (from: string, to: string) => {
      log.push(`rename ${short(from)} to ${short(to)}`);
      await fs.rename(from, to);
    },
  };
});

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'deepend'));
});
afterAll(() => rm(dir, { recursive: true }));
beforeEach(() => {
  log.length = 0;
  syncError.folder = '';
});
const options = { where: '[test] save' };

it('flushes the content before the rename, and the folder after it', async () => {
  await writeFileAtomic(path.join(dir, 'file'), 'text', options);
  const folder = path.basename(dir);
  expect(log).toEqual([
    'flush staging of file',
    'rename staging of file to file',
    `flush ${folder}`,
  ]);
});

it('flushes every file of a folder before the first one gets its name', async () => {
  await writeFolderAtomic(path.join(dir, 'run'), { a: '', b: '' }, options);
  expect(log).toEqual([
    'flush a',
    'flush b',
    'flush staging of run',
    'rename staging of run to run',
    `flush ${path.basename(dir)}`,
  ]);
  log.length = 0;
  await writeFolderAtomic(path.join(dir, 'run'), { b: '', a: '' }, options);
  expect(log).toEqual([
    'flush b',
    'flush a',
    'flush staging of run',
    'rename b to b',
    'rename a to a',
    'flush run',
  ]);
});

it('does without flushing a folder where the system cannot, and reports a disk that fails', async () => {
  syncError.folder = 'EPERM'; // as on Windows
  await writeFileAtomic(path.join(dir, 'file'), 'text', options);
  syncError.folder = 'EIO';
  await expect(writeFileAtomic(path.join(dir, 'file'), 'text', options)).rejects.toThrow(
    /cannot write .*file: no; choose another place/,
  );
});
