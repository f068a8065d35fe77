import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'tsup';

/**
 * One build per folder of packages/. Everything a package names in its package.json stays outside
 * its bundle.
 */
export default defineConfig(({ dts }) =>
  readdirSync('packages').map((folder) => {
    const root = `packages/${folder}`;
    const { name } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { name: string };
    return {
      name,
      entry: [`${root}/src/index.ts`],
      outDir: `${root}/dist`,
      format: ['esm', 'cjs'],
      target: 'node20',
      platform: 'node',
      dts: dts ?? true,
      sourcemap: true,
      clean: true,
      silent: true,
      // Bare imports are dependencies or peers: one copy of each per process, never bundled.
      external: [/^[^./]/],
      // d3 is published as ESM alone, which `require` on Node 20 cannot load.
      noExternal: [/^d3-/, 'internmap'],
    };
  }),
);
