import { existsSync, readdirSync } from 'node:fs';
import { defineConfig, type UserWorkspaceConfig as ProjectConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { SkipReporter } from './test/helpers/skip-reporter';
import { FULL_RUN_ONLY, OWN_PROCESS, ZERO_WEIGHTS } from './test/helpers/test-files';

const source = (folder: string) =>
  new URL(`./packages/${folder}/src/index.ts`, import.meta.url).pathname;
const generated = (folder: string, name: string) =>
  new URL(`./packages/${folder}/src/generated/${name}.ts`, import.meta.url).pathname;

// The Python environment that `npm run peers` makes.
const python = new URL('./node_modules/.python/bin', import.meta.url).pathname;
if (existsSync(python)) process.env.PATH = `${python}:${process.env.PATH}`;

const SETUP_FILES = ['test/helpers/property-seed.ts'];

/** The slowest files of each project, which start first: none of them is left for one worker. */
const SLOWEST = [
  ...['examples/examples', 'models/contract', 'trainer/resume', 'deepend/dashboard-page'],
  ...['models/torchvision', 'models/parity', 'device/webgpu-training', 'export/onnx-zoo'],
].map((file) => `/test/${file}.test.ts`);

/** One project after the other, as Vitest does it. */
class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isSlow = ({ moduleId }: TestSpecification) =>
      SLOWEST.some((file) => moduleId.endsWith(file));
    const sorted = await super.sort(files);
    const projects = [...new Set(sorted.map(({ project }) => project))];
    return projects.flatMap((own) => {
      const specs = sorted.filter(({ project }) => project === own);
      return [...specs.filter(isSlow), ...specs.filter((spec) => !isSlow(spec))];
    });
  }
}

const RESOLVE = {
  // Unit tests read the sources; test/package and test/examples run what was built.
  alias: [
    ...readdirSync('packages').map((folder) => ({
      find: new RegExp(folder === 'deepend' ? '^deepend$' : `^@deepend/${folder}$`),
      replacement: source(folder),
    })),
    {
      find: /^deepend\/cli$/,
      replacement: new URL('./packages/deepend/src/cli/index.ts', import.meta.url).pathname,
    },
    {
      find: /^@deepend\/([^/]+)\/([^/.]+)$/, // a subpath
      replacement: new URL('./packages/$1/src/$2.ts', import.meta.url).pathname,
    },
    // So do the workers that tests start.
    {
      find: /^\.\/generated\/replica$/,
      replacement: generated('distributed', 'replica-of-sources'),
    },
  ],
};

export default defineConfig(({ mode }) => {
  const project = (test: ProjectConfig['test']): ProjectConfig => ({
    resolve: RESOLVE,
    test: {
      setupFiles: SETUP_FILES,
      ...test,
      chaiConfig: { truncateThreshold: 400 }, // titles keep the reason of a skipped test
      testTimeout: 60_000,
      hookTimeout: 120_000,
      maxWorkers: 2,
      env: {
        // Two test files run at a time; spinning threads of both would share the cores.
        DEEPEND_THREADS: '1',
        // All files, rows and repetitions instead of representative ones: `npm run test:full`.
        ...(mode === 'full' && { DEEPEND_FULL: '1' }),
      },
    },
  });
  // A file that the command line names runs in any mode.
  const leftOut =
    mode === 'full' ? [] : FULL_RUN_ONLY.filter((file) => !process.argv.includes(file));
  return {
    test: {
      globalSetup: [
        'test/helpers/build-wasm.ts',
        ...(mode === 'full' ? [] : ['test/helpers/full-hint.ts']),
      ],
      maxWorkers: 2,
      sequence: { sequencer: SlowestFirst },
      reporters: ['default', new SkipReporter()],
      // Tests that use TensorFlow.js's own `cpu` backend without deepend's device package.
      onConsoleLog: (log) => !log.includes('Hi, looks like you are running TensorFlow.js'),
      projects: [
        project({ name: 'own process', include: OWN_PROCESS, exclude: leftOut }),
        project({
          name: 'zero weights',
          include: ZERO_WEIGHTS,
          exclude: leftOut,
          isolate: false,
          setupFiles: [...SETUP_FILES, 'test/helpers/zero-weights.ts'],
        }),
        project({
          name: 'shared process',
          include: ['test/**/*.test.ts'],
          exclude: [...OWN_PROCESS, ...ZERO_WEIGHTS, ...leftOut],
          isolate: false,
        }),
      ],
    },
  };
});
