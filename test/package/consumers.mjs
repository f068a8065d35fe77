/** What a person's own project may look like: each uses the installed umbrella in another way. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const BODY = `
const net = book.resnet8({ inputShape: [28, 28, 1], numClasses: 10 });
const device = await cpu();
const { loss } = await evaluate(net, new DataLoader({ images: new Uint8Array(784 * 4), labels: new Uint8Array(4), imageShape: [28, 28, 1] }, { batchSize: 2, workers: 1 }));
if (!summary(net).includes('78,538') || !(loss > 0)) throw new Error('deepend does not work here');
console.log('deepend works on ' + device.engine);
`;
const NAMES = '{ book, cpu, DataLoader, evaluate, summary }';
const TYPED = `import { type Device, type TrainOptions, ${NAMES.slice(2)} from 'deepend';
const options: TrainOptions = { numEpochs: 1, lr: 0.1 };
// @ts-expect-error: an option that does not exist
const wrong: TrainOptions = { numEpochs: 1, lr: 0.1, epochs: 2 };
const typed: Promise<Device> = cpu();
void [options, wrong, typed];
`;
const tsconfig = (module, moduleResolution) => ({
  compilerOptions: {
    target: 'ES2022',
    module,
    moduleResolution,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  },
  files: ['main.ts'],
});

/** A row: how the project looks, and what runs in it. */
const PROJECTS = {
  esm: { type: 'module', main: ['main.mjs', `import ${NAMES} from 'deepend';${BODY}`] },
  cjs: {
    type: 'commonjs',
    main: ['main.cjs', `const ${NAMES} = require('deepend');\n(async () => {${BODY}})();`],
  },
  both: {
    type: 'module',
    main: [
      'main.mjs',
      `import { createRequire } from 'node:module';\nconst ${NAMES} = createRequire(import.meta.url)('deepend');\nawait import('deepend');${BODY}`,
    ],
  },
  nodenext: {
    type: 'module',
    main: ['main.ts', TYPED + BODY],
    tsconfig: tsconfig('nodenext', 'nodenext'),
  },
  'nodenext from CommonJS': {
    type: 'commonjs',
    main: ['main.ts', `${TYPED}\nvoid (async () => {${BODY}})();`],
    tsconfig: tsconfig('nodenext', 'nodenext'),
  },
  bundler: {
    type: 'module',
    main: ['main.ts', TYPED + BODY],
    tsconfig: tsconfig('esnext', 'bundler'),
  },
  'node10, as TypeScript notebooks resolve': {
    type: 'commonjs',
    main: ['main.ts', `${TYPED}\nvoid (async () => {${BODY}})();`],
    tsconfig: tsconfig('commonjs', 'node10'),
  },
};

/**
 * Runs every project beside a `node_modules` that holds deepend.
 * @param {string} dir where `npm install` was done
 * @param {{ tsc: string, tsx: string }} tools what checks and runs TypeScript
 */
export function checkConsumers(dir, { tsc, tsx }) {
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
      run(tsc, '-p', '.');
    }
    const output = tsconfig ? run(tsx, main[0]) : run(main[0]);
    if (!output.startsWith('deepend works on '))
      throw new Error(`${name}: expected 'deepend works on …', got ${output}`);
    console.log(`ok   ${name}: ${output.trim()}`);
  }
}
