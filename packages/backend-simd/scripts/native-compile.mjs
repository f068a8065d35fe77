/** Compiles the native addon with any C++ compiler that takes GCC's flags. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { readAssembly } from './assembly.mjs';
import { generateArguments, generateDispatch } from './native-bindings.mjs';

export const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '..');
export const native = path.join(root, 'native');
const require = createRequire(import.meta.url);
/** The folder of the npm package node-api-headers. */
export const headers = () => path.dirname(require.resolve('node-api-headers/package.json'));

/** The instruction sets that the kernels are compiled for, by processor. */
const INSTRUCTION_SETS = { x64: ['baseline', 'avx2', 'avx512'] };
const setsOf = (arch) => INSTRUCTION_SETS[arch] ?? ['baseline'];

const FLAGS = [
  '-std=c++17',
  '-O3',
  '-fno-math-errno', // lets a square root be one instruction
  '-fno-trapping-math',
  '-ffp-contract=off', // only `madd` fuses, so every compiler's build gives the same numbers
  '-fvisibility=hidden',
  '-Wall',
  '-Werror=narrowing', // Clang refuses it anyway
  '-Wno-psabi', // vectors are passed only between functions of one file
  '-Wno-unknown-pragmas',
];

/** Writes generated headers whose text has changed, so that nothing is compiled in vain. */
export async function generateHeaders() {
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

/**
 * Compiles the addon.
 * @param out the file to write; it changes as a whole
 * @param toolchain the compiler with its first arguments, the processor (`x64` or `arm64`), the
 *   flags for each instruction set, what to link with, and the instruction sets, if not all
 */
export async function compileAddon(
  out,
  { compiler, arch, march = {}, flags = [], link, sets = setsOf(arch) },
) {
  const [program, ...first] = compiler;
  await mkdir(path.dirname(out), { recursive: true });
  const object = async (source, name, own) => {
    const file = `${out}.${name}.o`;
    const all = [...first, '-c', source, ...FLAGS, ...flags, ...own, '-o', file];
    await run(program, all, { cwd: native });
    return file;
  };
  const include = `-I${path.join(headers(), 'include')}`;
  const objects = await Promise.all([
    object('addon.cpp', 'addon', [include, ...sets.map((name) => `-DDEEPEND_HAS_${name}`)]),
    ...sets.map((name) =>
      object('kernels.cpp', name, [`-DDEEPEND_ISA=${name}`, ...(march[name] ?? [])]),
    ),
  ]);
  await run(program, [...first, ...objects, '-shared', ...link, '-o', `${out}.part`]);
  await Promise.all(objects.map((file) => rm(file)));
  await rename(`${out}.part`, out);
}
