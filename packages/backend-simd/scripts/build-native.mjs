/**
 * Builds the native addon for this machine with the system's C++ compiler:
 *
 *   node scripts/build-native.mjs
 *
 * writes native/dist/simd.node, which src/native.ts loads. Without a compiler it says so, and the
 * backend computes in WebAssembly. Does nothing when the sources have not changed.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { compileAddon, generateHeaders, native, run } from './native-compile.mjs';

const MARCH = {
  avx2: ['-march=x86-64-v3'],
  avx512: ['-march=x86-64-v4', '-mprefer-vector-width=512'],
};

async function findCompiler() {
  for (const name of [process.env.CXX, 'g++', 'clang++', 'c++'].filter(Boolean)) {
    try {
      const { stdout } = await run(name, ['--version']);
      return { name, version: stdout };
    } catch {
      // Not on this machine.
    }
  }
  throw new Error('no C++ compiler: install g++ or clang++, or set CXX');
}

async function hashSources(version) {
  const hash = createHash('sha256').update(version);
  for (const name of ['build-native.mjs', 'native-compile.mjs'])
    hash.update(await readFile(path.join(import.meta.dirname, name)));
  for (const folder of [native, path.join(native, 'generated')]) {
    for (const name of (await readdir(folder)).filter((file) => /\.[ch]pp$/.test(file)).sort())
      hash.update(name).update(await readFile(path.join(folder, name)));
  }
  return hash.digest('hex');
}

async function buildNative() {
  const { name, version } = await findCompiler();
  await generateHeaders();
  const out = path.join(native, 'dist/simd.node');
  const stamp = path.join(native, 'dist/stamp');
  const hash = await hashSources(version);
  if ((await readFile(stamp, 'utf8').catch(() => '')) === hash) return;
  const system =
    process.platform === 'darwin'
      ? ['-undefined', 'dynamic_lookup']
      : ['-static-libgcc', '-static-libstdc++', '-s'];
  await compileAddon(out, {
    compiler: [name],
    arch: process.arch,
    march: MARCH,
    flags: ['-fPIC'],
    link: ['-pthread', ...system],
  });
  await writeFile(stamp, hash);
}

try {
  await buildNative();
} catch (error) {
  console.error(
    `without native code: the simd backend computes in WebAssembly (${error.stderr || error.message})`,
  );
}
