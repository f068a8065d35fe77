/** Projects of users: each uses the installed umbrella in another way. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './packages.mjs';

const BODY = `
const net = book.resnet8({ inputShape: [28, 28, 1], numClasses: 10 });
const device = await cpu();
const { loss } = await evaluate(net, new DataLoader({ images: new Uint8Array(784 * 4), labels: new Uint8Array(4), imageShape: [28, 28, 1] }, { batchSize: 2, workers: 1 }));
if (!summary(net).includes('78,538') || !(loss > 0)) throw new Error('deepend does not work here');
console.log('deepend works on ' + device.backend);
`;
const NAMES = '{ book, cpu, DataLoader, evaluate, summary }';
const TYPED = `import { type Device, type TrainOptions, ${NAMES.slice(2)} from 'deepend';
const options: TrainOptions = { numEpochs: 1, lr: 0.1 };
// @ts-expect-error: an option that does not exist
const wrong: TrainOptions = { numEpochs: 1, lr: 0.1, epochs: 2 };
const typed: Promise<Device> = cpu();
void [options, wrong, typed];
`;
/** How TypeScript may resolve the packages; node10 is how TypeScript notebooks do. */
const RESOLUTIONS = { nodenext: 'nodenext', bundler: 'esnext', node10: 'esnext' };
const tsconfig = (moduleResolution) => ({
  compilerOptions: {
    target: 'ES2022',
    module: RESOLUTIONS[moduleResolution],
    moduleResolution,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  },
  files: ['main.ts'],
});
const TYPES = { module: TYPED + BODY, commonjs: `${TYPED}\nvoid (async () => {${BODY}})();` };

/** A row: how the project looks, what TypeScript checks, and what runs in it. */
const PROJECTS = {
  'ES modules': { type: 'module', main: ['main.mjs', `import ${NAMES} from 'deepend';${BODY}`] },
  CommonJS: {
    type: 'commonjs',
    main: ['main.cjs', `const ${NAMES} = require('deepend');\n(async () => {${BODY}})();`],
  },
  'both in one process': {
    type: 'module',
    main: [
      'main.mjs',
      `import { createRequire } from 'node:module';\nconst ${NAMES} = createRequire(import.meta.url)('deepend');\nawait import('deepend');${BODY}`,
    ],
  },
  ...Object.fromEntries(
    Object.keys(RESOLUTIONS).flatMap((resolution) =>
      Object.entries(TYPES).map(([type, source]) => [
        `types, ${resolution} from ${type}`,
        { type, main: ['main.ts', source], tsconfig: tsconfig(resolution) },
      ]),
    ),
  ),
};

const TSC = path.join(ROOT, 'node_modules/typescript/bin/tsc');

/**
 * Checks or runs every project.
 * @param {string} dir a folder whose `node_modules` holds deepend
 * @throws Error with the output of the first project that fails
 */
export function checkConsumers(dir) {
  for (const [name, { type, main, tsconfig }] of Object.entries(PROJECTS)) {
    const project = path.join(dir, name.replaceAll(/\W+/g, '-'));
    mkdirSync(project, { recursive: true });
    writeFileSync(
      path.join(project, 'package.json'),
      JSON.stringify({ private: true, type, name: 'consumer' }),
    );
    writeFileSync(path.join(project, main[0]), main[1]);
    const run = (program, ...args) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
        cwd: project,
        encoding: 'utf8',
      });
      if (status === 0) return stdout;
      const lines = `${stdout}\n${stderr}`.trim().split('\n').slice(-30);
      throw new Error(
        `${name}: ended with ${status}\n${lines.map((line) => line.slice(0, 300)).join('\n')}`,
      );
    };
    if (tsconfig) {
      writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify(tsconfig));
      run(TSC, '-p', '.');
      console.log(`ok   ${name}`);
      continue;
    }
    const output = run(main[0]);
    if (!output.startsWith('deepend works on '))
      throw new Error(`${name}: expected 'deepend works on …', got ${output}`);
    console.log(`ok   ${name}: ${output.trim()}`);
  }
}
