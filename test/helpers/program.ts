/**
 * A program of the tests in one file with the packages' sources, for tests that start processes: a
 * process that `tsx` starts would compile each source by itself.
 */
import path from 'node:path';
import * as esbuild from 'esbuild';
import fs from 'fs-extra';

const CACHE = path.resolve('node_modules/.cache/deepend-programs');
/** Where a program looks for the worker that was built of the sources. */
const REPLICA = path.resolve('packages/distributed/src/generated/replica-of-sources.ts');

/** A specifier to a file of the sources: `@deepend/core`, `@deepend/data/index`, `deepend/cli`. */
function sourceOf(specifier: string): string {
  const [, folder = 'deepend', subpath] =
    /^(?:@deepend\/([^/]+)|deepend)(?:\/(.+))?$/.exec(specifier) ?? [];
  const file = path.resolve('packages', folder, 'src', subpath ?? 'index');
  return fs.existsSync(`${file}.ts`) ? `${file}.ts` : path.join(file, 'index.ts');
}

export interface Program {
  /** To be started by `process.execPath`. */
  readonly file: string;
  remove(): Promise<void>;
}

/** @param entry a file from the root, such as `test/trainer/killed.ts`, or a source of its own */
export async function buildProgram(entry: string | { source: string }): Promise<Program> {
  await fs.ensureDir(CACHE);
  const folder = await fs.mkdtemp(path.join(CACHE, 'program-'));
  const file = path.join(folder, 'program.mjs');
  await esbuild.build({
    ...(typeof entry === 'string'
      ? { entryPoints: [entry] }
      : { stdin: { contents: entry.source, resolveDir: path.resolve('.'), loader: 'ts' } }),
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['@tensorflow/*'],
    plugins: [
      {
        name: 'sources',
        setup: (building) => {
          building.onResolve({ filter: /^(@deepend\/|deepend(\/|$))/ }, ({ path: specifier }) => ({
            path: sourceOf(specifier),
          }));
          building.onResolve({ filter: /^\.\/generated\/replica$/ }, () => ({ path: REPLICA }));
          building.onResolve({ filter: /^[^./]/ }, ({ path: specifier, kind }) =>
            kind === 'entry-point' ? undefined : { path: specifier, external: true },
          );
        },
      },
    ],
  });
  return { file, remove: () => fs.remove(folder) };
}
