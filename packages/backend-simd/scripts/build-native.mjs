/**
 * Builds the native addon for this machine with the system's C++ compiler:
 *
 *   node scripts/build-native.mjs
 *
 * writes native/dist/simd.node, which src/native.ts loads. Without a compiler it says so, and the
 * backend computes in WebAssembly. Does nothing when the sources have not changed. The headers of Node-API come from the npm package node-api-headers.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { readAssembly } from './assembly.mjs';
import { generateArguments, generateDispatch } from './native-bindings.mjs';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '..');
const native = path.join(root, 'native');

/** The kernels are compiled once for each of these. */
const INSTRUCTION_SETS = {
  x64: {
    baseline: [],
    avx2: ['-march=x86-64-v3'],
    avx512: ['-march=x86-64-v4', '-mprefer-vector-width=512'],
  },
  arm64: { baseline: [] },
};

const FLAGS = [
  '-std=c++17',
  '-O3',
  '-fPIC',
  '-fno-math-errno', // lets a square root be one instruction
  '-fno-trapping-math',
  '-ffp-contract=off', // only `madd` fuses, so every compiler's build gives the same numbers
  '-fvisibility=hidden',
  '-Wall',
  '-Wno-psabi', // vectors are passed only between functions of one file
  '-Wno-unknown-pragmas',
];

async function findCompiler() {
  for (const name of [process.env.CXX, 'g++', 'clang++', 'c++'].filter(Boolean)) {
    try {
      await run(name, ['--version']);
      return name;
    } catch {
      // Not on this machine.
    }
  }
  return undefined;
}

/** Writes generated headers whose text has changed, so that nothing is compiled in vain. */
async function generate() {
  const files = await readAssembly(root);
  const folder = path.join(native, 'generated');
  await mkdir(folder, { recursive: true });
  const texts = {
    'arguments.hpp': generateArguments(files),
    'dispatch.hpp': generateDispatch(files),
  };
  for (const [name, text] of Object.entries(texts)) {
    const target = path.join(folder, name);
    const old = await readFile(target, 'utf8').catch(() => '');
    if (old !== text) await writeFile(target, text);
  }
}

async function hashSources(compiler) {
  const hash = createHash('sha256');
  const { stdout } = await run(compiler, ['--version']);
  hash.update(stdout);
  hash.update(await readFile(import.meta.filename));
  for (const folder of [native, path.join(native, 'generated')]) {
    for (const name of (await readdir(folder)).filter((file) => /\.[ch]pp$/.test(file)).sort())
      hash.update(name).update(await readFile(path.join(folder, name)));
  }
  return hash.digest('hex');
}

async function compile(compiler, out) {
  const require = createRequire(import.meta.url);
  const { include_dir: headers } = require('node-api-headers');
  const sets = INSTRUCTION_SETS[process.arch] ?? { baseline: [] };
  const define = process.arch === 'x64' ? ['-DDEEPEND_X86'] : [];
  const object = async (source, name, flags) => {
    const file = `${out}.${name}.o`;
    await run(compiler, ['-c', source, ...FLAGS, ...define, ...flags, '-o', file], {
      cwd: native,
    });
    return file;
  };
  const objects = await Promise.all([
    object('addon.cpp', 'addon', [`-I${headers}`]),
    ...Object.entries(sets).map(([name, flags]) =>
      object('kernels.cpp', name, [`-DDEEPEND_ISA=${name}`, ...flags]),
    ),
  ]);
  const system = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
  const link = ['-shared', '-pthread', '-static-libgcc', '-static-libstdc++', '-s', ...system];
  await run(compiler, [...objects, ...link, '-o', `${out}.part`]);
  await Promise.all(objects.map((file) => rm(file)));
  await rename(`${out}.part`, out);
}

async function buildNative() {
  const compiler = await findCompiler();
  if (!compiler) throw new Error('no C++ compiler: install g++ or clang++, or set CXX');
  await generate();
  const folder = path.join(native, 'dist');
  const out = path.join(folder, 'simd.node');
  const stamp = path.join(folder, 'stamp');
  const hash = await hashSources(compiler);
  if ((await readFile(stamp, 'utf8').catch(() => '')) === hash) return;
  await mkdir(folder, { recursive: true });
  await compile(compiler, out);
  await writeFile(stamp, hash);
}

try {
  await buildNative();
} catch (error) {
  console.error(
    `without native code: the simd backend computes in WebAssembly (${error.stderr || error.message})`,
  );
}
