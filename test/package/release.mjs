/**
 * Releases all packages: `npm run release`, in a CI job that may sign provenance. It refuses before
 * it starts while something is missing. Then: the gate, versions and changelogs from .changeset, a
 * commit, a build, and the packages that the registry does not have yet. Run it again after a
 * failure: what is done is not done twice.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { updateLock } from './lock.mjs';
import { requireRepository } from './metadata.mjs';
import { listPackages, ROOT, readJson } from './packages.mjs';

const run = (cwd, program, args, env = {}) =>
  execFileSync(program, args, { cwd, stdio: ['ignore', 2, 2], env: { ...process.env, ...env } });
const runNode = (cwd, script, ...args) => run(cwd, process.execPath, [script, ...args]);
const changeset = (cwd, command, env) =>
  run(cwd, process.execPath, [path.join(cwd, 'node_modules/@changesets/cli/bin.js'), command], env);

export const waitingChangesets = (root) =>
  readdirSync(path.join(root, '.changeset')).filter((name) => /^(?!README).*\.md$/.test(name));

/** Turns the waiting changesets into versions and changelogs. @returns {string} the version */
export function version(root) {
  changeset(root, 'version');
  runNode(root, 'test/package/metadata.mjs', '--write');
  updateLock(root);
  return listPackages(root).find(({ name }) => name === 'deepend').manifest.version;
}

const nativeScripts = () => import('../../packages/backend-simd/scripts/platforms.mjs');
const buildForAll = async (folder) => (await nativeScripts()).buildPlatforms(folder);

/** Whether the registry has this version of a package. */
function isPublished(root, { name, version: wanted }, env) {
  try {
    const args = ['view', `${name}@${wanted}`, 'version'];
    const options = { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' };
    return execFileSync('npm', args, { ...options, env: { ...process.env, ...env } }).trim() !== '';
  } catch {
    return false;
  }
}

/** Calls `work` while backend-simd names the packages of these folders as optional dependencies. */
function withNativePackages(root, folders, work) {
  const file = path.join(root, 'packages/backend-simd/package.json');
  const before = readFileSync(file, 'utf8');
  const manifests = folders.map((folder) => readJson(path.join(folder, 'package.json')));
  const optionalDependencies = Object.fromEntries(
    manifests.map(({ name, version: own }) => [name, own]),
  );
  const manifest = { ...JSON.parse(before), optionalDependencies };
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
  try {
    work();
  } finally {
    writeFileSync(file, before);
  }
}

/**
 * Builds, and publishes the packages whose version the registry does not have: those of the native
 * addons first, since backend-simd names them.
 * @param options `env` for npm; `platforms` makes the native packages in a folder that it is given
 */
export async function publish(
  root,
  { env = { NPM_CONFIG_PROVENANCE: 'true' }, platforms = buildForAll } = {},
) {
  runNode(root, 'test/package/metadata.mjs');
  runNode(root, 'test/package/build.mjs');
  const staging = mkdtempSync(path.join(tmpdir(), 'deepend-native-'));
  try {
    const folders = await platforms(staging);
    for (const folder of folders) {
      if (!isPublished(root, readJson(path.join(folder, 'package.json')), env))
        run(root, 'npm', ['publish', folder], env);
    }
    withNativePackages(root, folders, () => changeset(root, 'publish', env));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** @throws Error that says what is missing, before anything is done */
async function checkReady() {
  requireRepository();
  (await nativeScripts()).findZig();
  const changes = execFileSync('git', ['status', '--porcelain'], { cwd: ROOT, encoding: 'utf8' });
  if (changes) throw new Error(`[release] commit these files first:\n${changes}`);
  const { ACTIONS_ID_TOKEN_REQUEST_URL, SIGSTORE_ID_TOKEN } = process.env;
  if (!ACTIONS_ID_TOKEN_REQUEST_URL && !SIGSTORE_ID_TOKEN)
    throw new Error(
      '[release] npm signs provenance only in GitHub Actions (permissions: id-token: write) or GitLab CI (id_tokens: SIGSTORE_ID_TOKEN); run npm run release in such a job',
    );
}

async function release() {
  await checkReady();
  run(ROOT, '.ci/run', []);
  if (waitingChangesets(ROOT).length > 0) {
    const released = version(ROOT);
    run(ROOT, 'git', ['add', '--all']);
    run(ROOT, 'git', ['commit', '--message', `Release ${released}`]);
  }
  await publish(ROOT);
  console.error('released; now push the commit and its tags: git push --follow-tags');
}

if (process.argv[1] === import.meta.filename) {
  try {
    await release();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
