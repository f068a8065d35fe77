/**
 * Runs the test suite that @tensorflow/tfjs-core ships on one backend: `node run-suite.mjs cpu|simd
 * out.json`.
 * The suite, the backends and this workspace's source are bundled together, so that all share one
 * tfjs-core: its files import one
 * another by relative paths, which an installed copy beside the bundle would have twice.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import esbuild from 'esbuild';

const [backend, resultFile] = process.argv.slice(2);
const root = path.resolve(import.meta.dirname, '../..');
const core = path.join(root, 'node_modules/@tensorflow/tfjs-core/dist');

/**
 * Beside every file of ops: what trains. The other suites test browsers, storage and tfjs-core's
 * own inner parts, not a backend.
 */
const MORE = [
  'gradients_test.js',
  'variable_test.js',
  'tape_test.js',
  'tensor_test.js',
  'buffer_test.js',
];
const FOLDERS = ['ops', 'optimizers', 'public/chained_ops'];

async function suites() {
  const inFolders = await Promise.all(
    FOLDERS.map(async (folder) =>
      (await readdir(path.join(core, folder), { recursive: true })).map((name) =>
        path.join(folder, name),
      ),
    ),
  );
  return [...inFolders.flat(), ...MORE].filter((name) => name.endsWith('_test.js')).sort();
}

/**
 * The suite's files register their specs when they are loaded, for the environments that are set
 * before.
 */
async function entry() {
  const file = (name) => JSON.stringify(path.join(core, name));
  return [
    `import { setTestEnvs } from ${file('jasmine_util.js')};`,
    `import ${file('index.js')};`,
    `import ${file('register_all_gradients.js')};`,
    `import ${file('public/chained_ops/register_all_chained_ops.js')};`,
    `import '@tensorflow/tfjs-backend-cpu';`,
    `import ${JSON.stringify(path.join(root, 'packages/backend-simd/src/index.ts'))};`,
    `const jasmineRequire = require('jasmine-core/lib/jasmine-core/jasmine.js');`,
    `module.exports = require('jasmine-core/lib/jasmine-core/node_boot.js')(jasmineRequire);`,
    // The same spec has the same name on every backend.
    `setTestEnvs([{ name: 'backend', backendName: ${JSON.stringify(backend)}, isDataSync: true }]);`,
    ...(await suites()).map((name) => `require(${file(name)});`),
  ].join('\n');
}

async function bundle(outfile) {
  const { metafile } = await esbuild.build({
    stdin: { contents: await entry(), resolveDir: root },
    outfile,
    bundle: true,
    metafile: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    mainFields: ['module', 'main'],
    external: ['encoding'], // node-fetch asks for it and does without
    ignoreAnnotations: true, // `sideEffects` of its package.json forgets the gradients
    logLevel: 'error',
  });
  const second = Object.keys(metafile.inputs).find((name) =>
    name.includes('tfjs-core/dist/tf-core'),
  );
  if (second) throw new Error(`conformance: two copies of tfjs-core in one bundle: ${second}`);
}

/**
 * Runs every spec in the order of the files. @returns the specs' full names by what became of them
 */
async function run(jasmine) {
  const results = { passed: [], failed: [], pending: [], excluded: [] };
  const times = new Map();
  const env = jasmine.getEnv();
  env.configure({ random: false });
  env.addReporter({
    specDone({ fullName, status, failedExpectations }) {
      const count = (times.get(fullName) ?? 0) + 1;
      times.set(fullName, count);
      const name = count === 1 ? fullName : `${fullName} (${count})`; // some names stand twice
      const message = failedExpectations.map((failure) => failure.message).join('; ');
      results[status].push(status === 'failed' ? { name, message } : { name });
    },
  });
  await new Promise((resolve) => {
    env.addReporter({ jasmineDone: resolve });
    env.execute();
  });
  return results;
}

const folder = await mkdtemp(path.join(os.tmpdir(), 'deepend-conformance-'));
try {
  const outfile = path.join(folder, 'suite.cjs');
  await bundle(outfile);
  const { default: jasmine } = await import(pathToFileURL(outfile).href);
  await writeFile(resultFile, JSON.stringify(await run(jasmine)));
} finally {
  await rm(folder, { recursive: true });
}
