/** The code that the documentation shows compiles, and runs as it is printed (as built). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { isFull, rowsOf } from '../helpers/full';
import { blocksOf, prepareFolder, runBlocks, writeTorchvisionWeights } from './docs-blocks';

const root = path.resolve(import.meta.dirname, '../..');
const pages = [
  ...ts.sys.readDirectory(
    root,
    ['.md'],
    ['node_modules', 'dist', 'runs', 'docs/reference', '**/.*'],
    ['*.md', 'docs/**/*', 'packages/*/*'],
  ),
].map((file) => path.relative(root, file));
const read = (page: string) => readFileSync(path.join(root, page), 'utf8');
/** Chinese pages have the English pages' code, which translations.test.ts compares. */
const ownCode = pages.filter((page) => !page.startsWith(path.join('docs', 'zh')));
const pagesWithCode = ownCode.filter((page) => read(page).includes('```ts\n'));

/**
 * A page's blocks as one module: its imports first, each block inside the one before it, so that it
 * sees its names and may reuse them.
 */
function moduleOf(markdown: string): string {
  const imports = new Set<string>();
  const blocks = [...markdown.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code = '']) =>
    code.replace(/^import [^;]*;$/gm, (line) => {
      imports.add(line);
      return '';
    }),
  );
  return `${mergeImports(imports)}\nexport {};\n${blocks.map((block) => `{\n${block}`).join('\n')}\n${'}'.repeat(blocks.length)}`;
}

/** Names that several blocks import are imported once. */
function mergeImports(lines: Iterable<string>): string {
  const seen = new Set<string>();
  return [...lines]
    .map((line) =>
      line.replace(/\{([^}]*)\}/, (_, names: string) => {
        const fresh = names
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name && !seen.has(name));
        for (const name of fresh) seen.add(name);
        return `{ ${fresh.join(', ')} }`;
      }),
    )
    .join('\n');
}

const virtualFile = (page: string) =>
  path.join(root, 'examples', `${page.replaceAll(/\W/g, '-')}.ts`);

/** The modules of all pages, compiled as one program: TensorFlow.js's types are read once. */
const programOfPages = (() => {
  let program: ts.Program | undefined;
  return (): ts.Program => {
    program ??= compilePages();
    return program;
  };
})();

function compilePages(): ts.Program {
  const config = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile).config;
  const { options: base } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const options = { ...base, incremental: false, noEmit: true, noUnusedLocals: false };
  delete options.tsBuildInfoFile;
  const sources = new Map(pagesWithCode.map((page) => [virtualFile(page), moduleOf(read(page))]));
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (file, ...rest) => {
    const source = sources.get(file);
    return source === undefined
      ? getSourceFile.call(host, file, ...rest)
      : ts.createSourceFile(file, source, ts.ScriptTarget.ESNext);
  };
  host.fileExists = (file) => sources.has(file) || fileExists.call(host, file);
  host.readFile = (file) => sources.get(file) ?? readFile.call(host, file);
  return ts.createProgram([...sources.keys()], options, host);
}

function compileErrors(page: string): string[] {
  const program = programOfPages();
  return ts
    .getPreEmitDiagnostics(program, program.getSourceFile(virtualFile(page)))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

describe('documentation', () => {
  // All pages are one program, whose types take seconds to read.
  it.each(isFull ? pagesWithCode : [])('%s: its code compiles', { timeout: 120_000 }, (page) => {
    expect(compileErrors(page)).toEqual([]);
  });

  it('would notice a name that does not exist', { timeout: 60_000 }, () => {
    expect(
      moduleOf(
        "```ts\nimport { book } from 'deepend';\nbook;\n```\n```ts\nimport { book, train } from 'deepend';\n```\n",
      ),
    ).toMatch(/import \{ book \} from 'deepend';\nimport \{ train \} from 'deepend';/);
  });

  it.each(pages)('%s: its links to files lead somewhere', (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
      ([, link = '']) => link,
    );
    const missing = links.filter(
      (link) =>
        !ts.sys.fileExists(path.join(root, path.dirname(page), link)) &&
        !ts.sys.directoryExists(path.join(root, path.dirname(page), link)),
    );
    expect(missing).toEqual([]);
  });
});

/** A page whose blocks end soon; all others run in a full run. */
const QUICK = 'packages/nn/README.md';
const runnable = ownCode.filter((page) => blocksOf(read(page)).some(({ needs }) => !needs));

/** What each block needs that is not on every machine. */
const describeNeeds = (page: string) =>
  [...new Set(blocksOf(read(page)).flatMap(({ needs }) => needs ?? []))]
    .map((needs) => `; skipped: a block that needs ${needs}`)
    .join('');

describe('the code blocks, each as it is printed', () => {
  const titles = rowsOf(runnable, (page) => page === QUICK).map(
    (page) => [`${page}${describeNeeds(page)}`, page] as const,
  );
  it.each(titles)('%s', { timeout: 300_000 }, async (_, page) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'deepend-docs-'));
    try {
      await prepareFolder(folder, root);
      if (page === 'docs/weights.md') await writeTorchvisionWeights(folder);
      await runBlocks(
        folder,
        blocksOf(read(page)).filter(({ needs }) => !needs),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  if (isFull)
    it('fail where a name is missing', async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'deepend-docs-'));
      const page = '```ts\nconst x = 1;\n```\n\n```ts\nconsole.log(x);\n```\n';
      try {
        await prepareFolder(folder, root);
        await expect(runBlocks(folder, blocksOf(page))).rejects.toThrow(
          /block-2\.mjs: ReferenceError: x is not defined/,
        );
        await runBlocks(folder, blocksOf(`<!-- one script -->\n${page}`));
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
});
