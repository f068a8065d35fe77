/**
 * Builds all packages if anything is stale:
 *
 *   node test/package/build.mjs              JavaScript and declarations; each package's prepack
 *   node test/package/build.mjs --no-types   only JavaScript; declarations stay as they are
 *
 * A stamp holds a hash of all sources and of each file that was built from them. A build is stale
 * when a source or a built file has changed since, whatever command changed it.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildBrowser } from '../../packages/deepend/scripts/build-browser.mjs';
import { generate } from './generate.mjs';
import { listPackages, promisedFiles, ROOT, readJson } from './packages.mjs';

const CACHE = path.join(ROOT, 'node_modules/.cache/deepend-build');
const STAMP = path.join(CACHE, 'stamp.json');
const TYPES = path.join(CACHE, 'types');
const DECLARATION = /\.d\.c?ts$/;
const CODE = /(?<!\.d)\.c?js$/;

const read = (file) => readFileSync(path.join(ROOT, file));
const hash = (data) => createHash('sha256').update(data).digest('hex');

/** All files below a folder as paths from the root, but for what was built or installed. */
function filesBelow(folder, skip = /\/(dist|node_modules|generated)$/) {
  return readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = `${folder}/${entry.name}`;
    if (skip.test(file)) return [];
    return entry.isDirectory() ? filesBelow(file, skip) : [file];
  });
}

/** One hash for everything that decides what is built: sources, settings, versions of tools. */
function hashSources() {
  const { devDependencies } = readJson(path.join(ROOT, 'package.json'));
  const settings = ['tsconfig.json', 'tsup.config.ts', 'test/package/build.mjs'];
  const sources = filesBelow('packages').filter((file) => !file.endsWith('.md'));
  const lines = [...settings, ...sources].sort().map((file) => `${file} ${hash(read(file))}`);
  return hash(`${lines.join('\n')}\n${JSON.stringify(devDependencies)}`);
}

const builtFiles = (kind) =>
  listPackages()
    .map(({ folder }) => `packages/${folder}/dist`)
    .filter((dist) => existsSync(path.join(ROOT, dist)))
    .flatMap((dist) => filesBelow(dist, /\/node_modules$/))
    .filter((file) => kind.test(file));

const hashBuilt = (kind) =>
  hash(
    builtFiles(kind)
      .sort()
      .map((file) => `${file} ${hash(read(file))}`)
      .join('\n'),
  );

const readStamp = () => (existsSync(STAMP) ? readJson(STAMP) : {});

/** Replaces the stamp's file; a copy of node_modules made of hard links is not written to. */
function writeStamp(changes) {
  const temporary = `${STAMP}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify({ ...readStamp(), ...changes }));
  renameSync(temporary, STAMP);
}

function isFresh(part, kind, sources) {
  const stamp = readStamp()[part];
  if (stamp?.sources !== sources || stamp.built !== hashBuilt(kind)) return false;
  return missingFiles(kind).length === 0;
}

const missingFiles = (kind) =>
  listPackages().flatMap(({ folder, dir, manifest }) =>
    promisedFiles(manifest)
      .filter((file) => kind.test(file) && !existsSync(path.join(dir, file)))
      .map((file) => `packages/${folder}/${file}`),
  );

function tsup(...flags) {
  const program = path.join(ROOT, 'node_modules/tsup/dist/cli-default.js');
  const child = spawn(process.execPath, [program, '--silent', ...flags], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2], // `npm publish --json` prints JSON to stdout, and nothing else may
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`[build] tsup ${flags} ended with ${code}`)),
    );
  });
}

/** Replaces the declarations in each dist by those that tsup has just written to the cache. */
async function buildTypes() {
  rmSync(TYPES, { recursive: true, force: true });
  await tsup('--dts-only');
  for (const file of builtFiles(DECLARATION)) rmSync(path.join(ROOT, file));
  for (const { folder, dir } of listPackages()) {
    const pending = readdirSync(path.join(TYPES, folder), { recursive: true })
      .filter((name) => DECLARATION.test(name))
      .map((name) => `${folder}/${name}`);
    const moved = new Set();
    while (pending.length > 0) {
      const file = pending.pop();
      if (moved.has(file)) continue;
      moved.add(file);
      const { text, chunks } = withLocalChunks(file, folder);
      pending.push(...chunks);
      const target = path.join(dir, 'dist', path.relative(folder, file).replace(/^(\.\.\/)+/, ''));
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
  }
}

/**
 * Entries of one package share chunks, which rollup puts next to the packages' folders. They move
 * into the package's dist, and the imports change to match.
 */
function withLocalChunks(file, folder) {
  const from = path.dirname(file);
  const home = file.startsWith(`${folder}/`) ? from : folder;
  const chunks = [];
  const text = readFileSync(path.join(TYPES, file), 'utf8').replace(
    /(from |import\()(['"])(\.{1,2}\/[^'"]+)\2/g,
    (all, keyword, quote, specifier) => {
      const target = path.join(from, specifier);
      if (target.includes('/')) return all; // another entry of the same package
      chunks.push(target.replace(/\.(c?)js$/, '.d.$1ts'));
      const local = path.relative(home, path.join(folder, target));
      return `${keyword}${quote}${local.startsWith('.') ? local : `./${local}`}${quote}`;
    },
  );
  return { text, chunks };
}

/** Waits while another build of this folder runs: `changeset publish` packs several at once. */
async function withLock(work) {
  mkdirSync(CACHE, { recursive: true });
  const lock = path.join(CACHE, 'lock');
  while (!tryLock(lock)) await delay(200);
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Creates the lock's file, which holds a process id; that of a dead process is removed. */
function tryLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  if (age > 1000 && !isAlive(Number(readFileSync(lock, 'utf8')))) rmSync(lock, { force: true });
  return false;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

export async function build({ types = true } = {}) {
  await withLock(async () => {
    const sources = hashSources();
    const codeStale = !isFresh('code', CODE, sources);
    const typesStale = types && !isFresh('types', DECLARATION, sources);
    if (!codeStale && !typesStale) return;
    await generate();
    console.error(
      `building ${[codeStale && 'code', typesStale && 'types'].filter(Boolean).join(' and ')}`,
    );
    await Promise.all([
      codeStale && tsup(),
      codeStale && buildBrowser(),
      typesStale && buildTypes(),
    ]);
    const missing = missingFiles(types ? /./ : CODE);
    if (missing.length > 0) throw new Error(`[build] not built: ${missing.join(', ')}`);
    if (codeStale) writeStamp({ code: { sources, built: hashBuilt(CODE) } });
    if (typesStale) writeStamp({ types: { sources, built: hashBuilt(DECLARATION) } });
  });
}

if (process.argv[1] === import.meta.filename)
  await build({ types: !process.argv.includes('--no-types') });
