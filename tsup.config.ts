import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type TransformOptions, transform } from 'esbuild';
import { defineConfig, type Options } from 'tsup';

/**
 * Two builds of the folders of packages/: `tsup` writes JavaScript into each package's dist,
 * `tsup --dts-only` writes the declarations of all packages with one TypeScript program into
 * node_modules/.cache/deepend-build/types, from where test/package/build.mjs moves them into dist.
 */
export default defineConfig(({ dts }) => (dts ? types() : readdirSync('packages').flatMap(code)));

const COMMON: Options = {
  target: 'node20',
  platform: 'node',
  silent: true,
  // Bare imports are dependencies or peers: one copy of each per process, never bundled.
  external: [/^[^./]/],
  // d3 is published only as ESM, which `require` on Node 20 cannot load.
  // zod has 95 modules that load slowly, of which @deepend/core uses a few functions.
  noExternal: [/^d3-/, 'internmap', 'zod'],
};

/** CommonJS has no import.meta; split CommonJS is converted from ESM, which would leave it. */
const NO_META: Record<string, string> = { 'import.meta.url': 'undefined' };

function code(folder: string): Options[] {
  return (['esm', 'cjs'] as const).map((format) => {
    const extension = format === 'esm' ? 'js' : 'cjs';
    // packages/deepend/scripts/build-browser.mjs builds those for browsers.
    const all = Object.entries(entries(folder, extension));
    const entry = Object.fromEntries(all.filter(([name]) => !name.startsWith('browser/')));
    const splitting = Object.keys(entry).length > 1; // entries share chunks: one copy of each class
    return {
      ...COMMON,
      name: `${folder} ${format}`,
      entry,
      outDir: `packages/${folder}/dist`,
      format,
      dts: false,
      splitting,
      plugins: format === 'cjs' ? [folder === 'deepend' ? lazyRequires : sharedRequires] : [],
      define: format === 'cjs' ? NO_META : {},
      // The other format and the declarations are not written here, so they stay.
      clean: ['!**/*.d.{ts,cts}', `!**/*.${format === 'esm' ? 'cjs' : 'js'}`, '!browser/**'],
    };
  });
}

type Plugin = NonNullable<Options['plugins']>[number];

/** `var name = require("package")`, as esbuild writes it, in two forms. */
const REQUIRE = /^var (\w+) = ((?:__toESM\()?require\("([^"]+)"\)(?:(?:, 1)?\))?);$/gm;

/**
 * esbuild requires a package again in each file of a bundle, and copies all its exports each time:
 * a fifth of the time that `require('deepend')` took. Later requires become the first one's result.
 */
const sharedRequires: Plugin = {
  name: 'shared requires',
  renderChunk(code) {
    const names = new Map<string, string>();
    const shared = code.replace(REQUIRE, (line, name: string, required: string) => {
      const first = names.get(required);
      if (first === undefined) names.set(required, name);
      return first === undefined ? line : `var ${name} = ${first};`;
    });
    return { code: shared };
  },
};

/** The packages that do something when they are imported: they register backends and layers. */
const ACTIVE = ['@deepend/device', '@deepend/nn'];

/**
 * `require('deepend')` loads only what acts on import; the umbrella loads each of its other modules
 * when the first name of it is used. So a script that draws nothing loads no fonts. A module `m`
 * becomes `lazy_m`, an object whose property `module` loads it; esbuild's `define` replaces the
 * uses, each in its scope. (ESM cannot: there, `import` loads everything.)
 */
const lazyRequires: Plugin = {
  name: 'lazy requires',
  async renderChunk(code, { path }) {
    const supported = { 'dynamic-import': false }; // `require`, which Jest can
    const options: TransformOptions = { format: 'cjs', platform: 'node', sourcefile: path };
    const commonJs = await transform(code, { ...options, supported });
    const define: Record<string, string> = {};
    const loaders = new Map<string, string>();
    const rest = commonJs.code.replace(
      REQUIRE,
      (line, name: string, required: string, module: string) => {
        if (ACTIVE.includes(module)) return line;
        const loader = loaders.get(required) ?? `lazy_${name}`;
        define[name] = `${loader}.module`;
        if (loaders.has(required)) return '';
        loaders.set(required, loader);
        return `var ${loader} = lazyModule(() => ${required});`;
      },
    );
    const short = rest.replace(ALIAS, (line, name: string, from: string, path: string) => {
      if (!define[from]) return line;
      define[name] = define[from] + path;
      return '';
    });
    const { code: lazy } = await transform(short + LAZY_MODULE, { define });
    return { code: lazy };
  },
};

/** Another name for a part of a module, such as `export const LeNet = book.lenet`. */
const ALIAS = /^var (\w+) = (\w+)((?:\.\w+)+);$/gm;

/** The first use of `module` loads it, and makes it an ordinary property. */
const LAZY_MODULE = `
function lazyModule(load) {
  return {
    get module() {
      const module = load();
      Object.defineProperty(this, 'module', { value: module });
      return module;
    },
  };
}
`;

function types(): Options {
  const entry = readdirSync('packages').flatMap((folder) =>
    Object.entries(entries(folder, 'd.ts')).map(([name, source]) => [`${folder}/${name}`, source]),
  );
  return {
    ...COMMON,
    entry: Object.fromEntries(entry),
    outDir: 'node_modules/.cache/deepend-build/types',
    format: ['esm', 'cjs'],
    // `npm run typecheck` reports type errors; checking again here would double the time.
    dts: { only: true, compilerOptions: { noCheck: true } },
  };
}

/**
 * The sources to build: each `./dist/NAME.EXTENSION` in the `exports` of a package.json is built
 * from `src/NAME.ts` or `src/NAME/index.ts`.
 * @throws Error when an export has no source
 */
function entries(folder: string, extension: string): Record<string, string> {
  const root = `packages/${folder}`;
  const { exports } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
  const suffix = `.${extension}`;
  const names = targets(exports)
    .filter((file) => file.startsWith('./dist/') && file.endsWith(suffix))
    .map((file) => file.slice('./dist/'.length, -suffix.length));
  return Object.fromEntries(
    [...new Set(names)].map((name) => {
      const candidates = [`${root}/src/${name}.ts`, `${root}/src/${name}/index.ts`];
      const source = candidates.find((file) => existsSync(file));
      if (!source)
        throw new Error(
          `${root}/package.json exports ./dist/${name}${suffix}, but there is no ${candidates.join(' or ')}`,
        );
      return [name, source];
    }),
  );
}

/** All files that `exports` names, under any condition. */
function targets(exports: unknown): string[] {
  if (typeof exports === 'string') return [exports];
  return Object.values((exports ?? {}) as object).flatMap(targets);
}
