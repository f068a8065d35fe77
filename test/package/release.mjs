/**
 * Releases all packages: `npm run release`, in a CI job that may sign provenance. It refuses before
 * it starts while something is missing. Then: the gate, versions and changelogs from .changeset, a
 * commit, a build, and the packages that the registry does not have yet. Run it again after a
 * failure: what is done is not done twice.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { updateLock } from './lock.mjs';
import { requireRepository } from './metadata.mjs';
import { listPackages, ROOT } from './packages.mjs';

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

/** Builds, and publishes the packages whose version the registry does not have. */
export function publish(root, env = { NPM_CONFIG_PROVENANCE: 'true' }) {
  runNode(root, 'test/package/metadata.mjs');
  runNode(root, 'test/package/build.mjs');
  changeset(root, 'publish', env);
}

/** @throws Error that says what is missing, before anything is done */
function checkReady() {
  requireRepository();
  const changes = execFileSync('git', ['status', '--porcelain'], { cwd: ROOT, encoding: 'utf8' });
  if (changes) throw new Error(`[release] commit these files first:\n${changes}`);
  const { ACTIONS_ID_TOKEN_REQUEST_URL, SIGSTORE_ID_TOKEN } = process.env;
  if (!ACTIONS_ID_TOKEN_REQUEST_URL && !SIGSTORE_ID_TOKEN)
    throw new Error(
      '[release] npm signs provenance only in GitHub Actions (permissions: id-token: write) or GitLab CI (id_tokens: SIGSTORE_ID_TOKEN); run npm run release in such a job',
    );
}

function release() {
  checkReady();
  run(ROOT, '.ci/run', []);
  if (waitingChangesets(ROOT).length > 0) {
    const released = version(ROOT);
    run(ROOT, 'git', ['add', '--all']);
    run(ROOT, 'git', ['commit', '--message', `Release ${released}`]);
  }
  publish(ROOT);
  console.error('released; now push the commit and its tags: git push --follow-tags');
}

if (process.argv[1] === import.meta.filename) {
  try {
    release();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
