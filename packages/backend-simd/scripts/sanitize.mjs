/**
 * Runs random launches of the native kernels under sanitizers, and compares the results with
 * WebAssembly's:
 *
 *   node scripts/sanitize.mjs [address] [thread] [--launches N] [--builds avx2,avx512] [--seed N]
 *
 * - address: AddressSanitizer and UndefinedBehaviorSanitizer, 100,000 launches;
 * - thread: ThreadSanitizer, 10,000 launches;
 * - --short: some thousand launches of one build, for the gate.
 *
 * The sanitized addon is loaded into Node, with the sanitizer's library preloaded, so that the
 * backend's own TypeScript makes the launches and checks the results; a program outside of Node
 * could only replay recorded ones. Node itself need not be instrumented: native code runs in the
 * main thread's calls and in the pool's threads, whose atomics and locks are.
 * test/native/guarded-memory.ts makes the one memory strict for AddressSanitizer.
 *
 * AVX-512 is compiled as vectors of its width in AVX2, so that every processor with AVX2 tests how
 * it reads and writes memory. Needs g++ on Linux; says so and ends well where that is missing.
 */
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { compileAddon, generateHeaders, headers, native, run } from './native-compile.mjs';

const root = path.resolve(import.meta.dirname, '../../..');
const out = path.join(native, 'dist/sanitize');
const COMPILER = 'g++';
/** Lines of a report that name functions and lines need debug information. */
const COMMON = ['-fPIC', '-O1', '-g1', '-fno-sanitize-recover=all', '-DDEEPEND_EMULATES_AVX512'];
const MARCH = {
  avx2: ['-march=x86-64-v3'],
  avx512: ['-march=x86-64-v3', '-DDEEPEND_WIDTH=16'],
};
const BUILDS = process.arch === 'x64' ? ['avx512', 'avx2', 'baseline'] : ['baseline'];

const SANITIZERS = {
  address: {
    library: 'libasan.so',
    flags: ['-fsanitize=address,undefined,float-cast-overflow'],
    env: { ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0', UBSAN_OPTIONS: 'print_stacktrace=1' },
    node: [],
    launches: 100_000,
    shortly: 4_000,
    isGuarded: true,
  },
  thread: {
    library: 'libtsan.so',
    flags: ['-fsanitize=thread'],
    env: {
      TSAN_OPTIONS: `halt_on_error=1:suppressions=${path.join(root, 'test/native/tsan.supp')}`,
    },
    // Node is not instrumented: the locks of its garbage collector's threads would be reported.
    node: ['--single-threaded'],
    launches: 10_000,
    shortly: 4_000,
    isGuarded: false,
  },
};

/** @returns the file of a sanitizer's library, or undefined where the compiler has none */
async function findLibrary(name) {
  if (process.platform !== 'linux') return undefined;
  try {
    const { stdout } = await run(COMPILER, [`-print-file-name=${name}`]);
    return path.isAbsolute(stdout.trim()) ? stdout.trim() : undefined;
  } catch {
    return undefined;
  }
}

/** Bundles the launches with the backend's sources, so that no loader runs with the sanitizer. */
async function bundleLaunches() {
  const packages = await readdir(path.join(root, 'packages'));
  const alias = Object.fromEntries(
    packages.map((name) => [`@deepend/${name}`, path.join(root, `packages/${name}/src/index.ts`)]),
  );
  const outfile = path.join(out, 'launches.mjs');
  await build({
    entryPoints: [path.join(root, 'test/native/launches.ts')],
    outfile,
    alias,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['vitest', 'fast-check', '@tensorflow/*'],
    logLevel: 'error',
  });
  return outfile;
}

async function compileGuard(file, flags) {
  const include = `-I${path.join(headers(), 'include')}`;
  const source = path.join(root, 'test/native/guard.cpp');
  await run(COMPILER, [source, include, ...COMMON, ...flags, '-shared', '-o', file]);
}

/** @returns the exit code */
function runLaunches(library, env, args) {
  const child = spawn(process.execPath, args, {
    stdio: 'inherit',
    env: { ...process.env, ...env, LD_PRELOAD: library },
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(signal ?? code));
  });
}

async function sanitize(name, { sets, launches, seed }) {
  const { library, flags, env, node, isGuarded, ...counts } = SANITIZERS[name];
  const file = await findLibrary(library);
  if (!file) {
    console.log(`[sanitize] ${name}: skipped, since there is no g++ with ${library}`);
    return;
  }
  const folder = path.join(out, name);
  const [addon, guard] = [path.join(folder, 'simd.node'), path.join(folder, 'guard.node')];
  await mkdir(folder, { recursive: true });
  await compileAddon(addon, {
    compiler: [COMPILER],
    arch: process.arch,
    march: MARCH,
    flags: [...COMMON, ...flags],
    link: ['-pthread', ...flags],
    sets,
  });
  if (isGuarded) await compileGuard(guard, flags);
  const current = path.join(folder, 'current-call');
  const code = await runLaunches(file, env, [
    ...node,
    await bundleLaunches(),
    ...['--addon', addon, '--current', current],
    ...['--launches', `${launches ?? counts.launches}`, '--seed', seed],
    ...(isGuarded ? ['--guard', guard] : []),
  ]);
  if (code === 0) return;
  const call = await readFile(current, 'utf8').catch(() => 'none');
  throw new Error(`[sanitize] ${name}: a fault (${code}) in seed ${seed}, call ${call}`);
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      launches: { type: 'string' },
      builds: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  });
  const { short, seed } = values;
  const names = positionals.length > 0 ? positionals : Object.keys(SANITIZERS);
  const sets = values.builds?.split(',') ?? (short ? BUILDS.slice(0, 1) : BUILDS);
  const unknown = [
    ...names.filter((name) => !SANITIZERS[name]),
    ...sets.filter((set) => !BUILDS.includes(set)),
  ];
  if (unknown.length > 0) {
    throw new Error(
      `[sanitize] expected ${Object.keys(SANITIZERS).join(' or ')}, and builds of ` +
        `${BUILDS.join(', ')}; got ${unknown.join(', ')}`,
    );
  }
  await generateHeaders();
  for (const name of names) {
    const launches = values.launches ?? (short ? SANITIZERS[name].shortly : undefined);
    await sanitize(name, { sets, launches, seed });
  }
}

await main();
