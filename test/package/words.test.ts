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
it.runIf(isFull)('pages, comments and strings have none of the words to avoid', () => {
  const { stderr, status } = check();
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

describe('a file', () => {
  let dir: string;
  const faultsOf = (name: string, text: string) => {
    const file = path.join(dir, name);
    writeFileSync(file, text);
    return check(file)
      .stderr.split('\n')
      .filter(Boolean)
      .map((line) => line.replace(/^.*?:(\d+): "(.*?)".*$/, '$1 $2'));
  };
  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'deepend-words-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('is searched in its comments and strings, across breaks of lines', () => {
    const source = [
      '// It runs alone.',
      'const message = `a whole number`;',
      "const other = 'so many';",
      '/**',
      ' * Then it goes',
      ' * on.',
      ' */',
      'const alone = /beside/;',
      "import 'told';",
    ];
    expect(faultsOf('code.ts', source.join('\n')).sort()).toEqual([
      '1 alone',
      '2 whole number',
      '3 so many',
      '5 goes on',
    ]);
  });

  it('may use such words as names, and words that contain them', () => {
    const source = ['// `alone` is standalone, besides; a text file', 'const told = borne.sound;'];
    expect(faultsOf('names.ts', source.join('\n'))).toEqual([]);
  });

  it('is searched as prose where it is a page, a style sheet or a notebook', () => {
    expect(faultsOf('page.md', 'Whoever\nreads `alone` goes\non.').sort()).toEqual([
      '1 Whoever',
      '2 goes on',
    ]);
    expect(faultsOf('page.css', '/* beside */\n.sound { color: red; }')).toEqual(['1 beside']);
    const notebook = { cells: [{ source: ['A text.\n', 'Anew.'] }] };
    expect(faultsOf('page.ipynb', JSON.stringify(notebook)).sort()).toEqual(['1 A text', '2 Anew']);
  });
});
