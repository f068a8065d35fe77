/** What people read has none of the words to avoid; see words.mjs. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFull } from '../helpers/full';

const check = (...args: string[]) =>
  spawnSync(process.execPath, ['test/package/words.mjs', ...args], { encoding: 'utf8' });

// By default `npm run lint` checks them.
if (isFull)
  it('pages, comments and strings have none of the words to avoid', () => {
    const { stderr, status } = check();
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

describe('a file', () => {
  const FILES: Record<string, string> = {
    'code.ts': [
      '// It runs alone.',
      'const message = `a whole number`;',
      "const other = 'so many';",
      '/**',
      ' * Then it goes',
      ' * on.',
      ' */',
      'const alone = /beside/;',
      "import 'told';",
    ].join('\n'),
    'names.ts': [
      '// `alone` is standalone, besides; a text file',
      'const told = borne.sound;',
    ].join('\n'),
    'page.md': 'Whoever\nreads `alone` goes\non.',
    'page.css': '/* beside */\n.sound { color: red; }',
    'page.ipynb': JSON.stringify({ cells: [{ source: ['A text.\n', 'Anew.'] }] }),
  };
  let dir: string;
  let faults: string[];
  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'deepend-words-'));
    const files = Object.entries(FILES).map(([name, text]) => {
      const file = path.join(dir, name);
      writeFileSync(file, text);
      return file;
    });
    faults = check(...files).stderr.split('\n');
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** Lines and words. */
  const faultsOf = (name: string) =>
    faults
      .filter((fault) => fault.includes(`/${name}:`))
      .map((fault) => fault.replace(/^.*?:(\d+): "(.*?)".*$/, '$1 $2'))
      .sort();

  it('is searched in its comments and strings, across breaks of lines', () => {
    expect(faultsOf('code.ts')).toEqual(['1 alone', '2 whole number', '3 so many', '5 goes on']);
  });

  it('may use such words as names, and words that contain them', () => {
    expect(faultsOf('names.ts')).toEqual([]);
  });

  it('is searched as prose where it is a page, a style sheet or a notebook', () => {
    expect(faultsOf('page.md')).toEqual(['1 Whoever', '2 goes on']);
    expect(faultsOf('page.css')).toEqual(['1 beside']);
    expect(faultsOf('page.ipynb')).toEqual(['1 A text', '2 Anew']);
  });
});
