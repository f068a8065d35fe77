/** The one writer of files: whole or old content, whatever happens while it writes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { appendToFile, removeAbandonedIn, writeFileAtomic, writeFolderAtomic } from '@deepend/core';
import { buildSync } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const options = { where: '[test] save' };
const failing = (code?: string) => async () => {
  throw Object.assign(new Error(code ? `${code}: it failed` : 'the device is lost'), { code });
};

let dir: string;
const at = (...names: string[]) => path.join(dir, ...names);
const textOf = (...names: string[]) => readFile(at(...names), 'utf8');
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('writeFileAtomic', () => {
  it('writes text, bytes, and what a function writes piece by piece', async () => {
    await writeFileAtomic(at('new', 'folder', 'text'), 'ü', options);
    await writeFileAtomic(at('bytes'), Uint8Array.of(0, 255), options);
    await writeFileAtomic(
      at('pieces'),
      async (file) => {
        await file.writeFile('one ');
        await file.writeFile('two');
      },
      options,
    );
    expect(await textOf('new', 'folder', 'text')).toBe('ü');
    expect([...(await readFile(at('bytes')))]).toEqual([0, 255]);
    expect(await textOf('pieces')).toBe('one two');
    expect((await readdir(dir)).sort()).toEqual(['bytes', 'new', 'pieces']);
  });

  it('keeps the old content, and no staging file, when the content cannot be made', async () => {
    await writeFile(at('file'), 'old');
    const write = writeFileAtomic(
      at('file'),
      async (file) => {
        await file.writeFile('new, but not all of it');
        await failing()();
      },
      options,
    );
    await expect(write).rejects.toThrow(
      /^\[test\] save: cannot write .*file: the device is lost; nothing was changed there$/,
    );
    expect(await textOf('file')).toBe('old');
    expect(await readdir(dir)).toEqual(['file']);
  });

  it('says what to do next, by the error of the system', async () => {
    const message = (code: string, hint?: string) =>
      writeFileAtomic(at('file'), failing(code), { ...options, ...(hint && { hint }) }).then(
        () => 'written',
        (error: Error) => error.message,
      );
    expect(await message('EACCES')).toMatch(
      /EACCES: it failed; check the permissions of its folder or choose another place$/,
    );
    expect(await message('ENOSPC')).toMatch(/; free some disk space or choose another place$/);
    expect(await message('EROFS')).toMatch(/; the file system is read-only/);
    expect(await message('EIO')).toMatch(/; choose another place$/);
    expect(await message('ENOSPC', 'delete old runs')).toMatch(/; delete old runs$/);
    await writeFile(at('file'), '');
    await expect(writeFileAtomic(at('file', 'inside'), '', options)).rejects.toThrow(
      /^\[test\] save: cannot write .*inside: (ENOTDIR|EEXIST).*; choose another place$/,
    );
    await mkdir(at('folder'));
    await expect(writeFileAtomic(at('folder'), '', options)).rejects.toThrow(/folder: EISDIR/);
    expect((await readdir(dir)).sort()).toEqual(['file', 'folder']);
  });

  it('leaves one whole content when several write the same file at once', async () => {
    const contents = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(100_000));
    await Promise.all(contents.map((content) => writeFileAtomic(at('file'), content, options)));
    expect(contents).toContain(await textOf('file'));
    expect(await readdir(dir)).toEqual(['file']);
  });
});

describe('writeFolderAtomic', () => {
  it('makes a new folder that has all files', async () => {
    await writeFolderAtomic(at('a', 'run'), { x: '1', y: Uint8Array.of(50) }, options);
    expect((await readdir(at('a', 'run'))).sort()).toEqual(['x', 'y']);
    expect(await textOf('a', 'run', 'y')).toBe('2');
    expect(await readdir(at('a'))).toEqual(['run']);
  });

  it('replaces files, keeps others, and removes those that are outdated', async () => {
    await writeFolderAtomic(at('run'), { x: 'old', 'part-1': '', 'part-2': '', note: '' }, options);
    await writeFolderAtomic(
      at('run'),
      { x: 'new', 'part-1': 'new' },
      { ...options, outdated: (name) => name.startsWith('part-') },
    );
    expect((await readdir(at('run'))).sort()).toEqual(['note', 'part-1', 'x']);
    expect(await textOf('run', 'x')).toBe('new');
    expect(await readdir(dir)).toEqual(['run']);
  });

  it('changes nothing when one of the files cannot be made', async () => {
    await writeFolderAtomic(at('run'), { x: 'old' }, options);
    const write = (folder: string) =>
      writeFolderAtomic(at(folder), { x: 'new', y: failing('ENOSPC') }, options);
    await expect(write('run')).rejects.toThrow(/cannot write .*run: ENOSPC/);
    await expect(write('other')).rejects.toThrow(/cannot write .*other: ENOSPC/);
    expect(await textOf('run', 'x')).toBe('old');
    expect(await readdir(at('run'))).toEqual(['x']);
    expect(await readdir(dir)).toEqual(['run']);
  });
});

describe('appendToFile', () => {
  it('adds to the end, and says where it cannot', async () => {
    await appendToFile(at('log'), 'a\n', options);
    await appendToFile(at('log'), 'b\n', options);
    expect(await textOf('log')).toBe('a\nb\n');
    await expect(appendToFile(at('none', 'log'), '', options)).rejects.toThrow(
      /^\[test\] save: cannot write .*log: ENOENT/,
    );
  });
});

describe('a process that is killed while it writes', () => {
  /** Writes 64 KB blocks to `file` without end; says when it has begun. */
  const WRITER = `
    import { writeFileAtomic } from './files.mjs';
    const block = new Uint8Array(65536).fill(110);
    writeFileAtomic(process.argv[2], async (file) => {
      for (let i = 0; ; i++) {
        await file.writeFile(block);
        if (i === 2) process.send('writing');
      }
    }, { where: '[test] save' });
  `;

  async function startWriter(file: string): Promise<ChildProcess> {
    const source = path.resolve('packages/core/src/files.ts');
    buildSync({
      entryPoints: [source],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: at('files.mjs'),
      logLevel: 'silent',
    });
    await writeFile(at('writer.mjs'), WRITER);
    const child = spawn(process.execPath, [at('writer.mjs'), file], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(child, 'message');
    return child;
  }
  const stagingFiles = async () => (await readdir(at('out'))).filter((name) => name !== 'file');

  it('leaves the old content; the next write removes its staging file', async () => {
    await writeFileAtomic(at('out', 'file'), 'old', options);
    const child = await startWriter(at('out', 'file'));
    await writeFileAtomic(at('out', 'file'), 'meanwhile', options);
    expect(await stagingFiles(), 'a running writer keeps its staging file').toHaveLength(1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await textOf('out', 'file')).toBe('meanwhile');
    expect(await stagingFiles()).toHaveLength(1);
    await writeFileAtomic(at('out', 'other'), '', options);
    expect((await stagingFiles()).length, 'it belongs to another file').toBe(2);
    await writeFileAtomic(at('out', 'file'), 'new', options);
    expect(await readdir(at('out'))).toEqual(['file', 'other']);
    expect(await textOf('out', 'file')).toBe('new');
  });

  it('leaves staging files that can be removed from the whole folder, once it has ended', async () => {
    await mkdir(at('out'), { recursive: true });
    const child = await startWriter(at('out', 'file'));
    await writeFile(at('out', '.mine.part'), '');
    await removeAbandonedIn(at('out'));
    expect(await readdir(at('out'))).toHaveLength(2);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await removeAbandonedIn(at('out'));
    expect(await readdir(at('out'))).toEqual(['.mine.part']);
    await removeAbandonedIn(at('nowhere'));
  });
});
