/**
 * Rehearses `npm run release` in a clone of HEAD: sets an address, turns the waiting changesets
 * into versions and changelogs, publishes every package to a registry of its own on this machine,
 * installs the umbrella from there into an empty project, and uses it.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkConsumers } from './consumers.mjs';
import { linkModules, listPackages, ROOT } from './packages.mjs';
import { publish, version, waitingChangesets } from './release.mjs';

const dir = mkdtempSync(path.join(tmpdir(), 'deepend-publish-'));
const at = (...names) => path.join(dir, ...names);
const run = (cwd, program, ...args) =>
  execFileSync(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
const npm = (cwd, ...args) => run(cwd, 'npm', ...args);

function check(condition, sentence) {
  if (!condition) throw new Error(`expected that ${sentence}`);
  console.log(`ok   ${sentence}`);
}

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** verdaccio 6.8.0; its own pin of node-fetch cannot be installed everywhere. */
async function startRegistry(port) {
  mkdirSync(at('registry'));
  const overrides = { 'node-fetch': '2.7.0', 'node-fetch-cjs': 'npm:node-fetch@2.7.0' };
  writeFileSync(
    at('registry', 'package.json'),
    JSON.stringify({ private: true, dependencies: { verdaccio: '6.8.0' }, overrides }),
  );
  npm(at('registry'), 'install', '--no-audit', '--no-fund');
  const uplink = npm(ROOT, 'config', 'get', 'registry').trim();
  const config = [
    `storage: ${at('storage')}`,
    `auth: { htpasswd: { file: ${at('htpasswd')}, max_users: 10 } }`,
    `uplinks: { npm: { url: '${uplink}', timeout: 60s } }`,
    'packages:',
    `  'deepend': { access: $all, publish: $all }`,
    `  '@deepend/*': { access: $all, publish: $all }`,
    `  '**': { access: $all, proxy: npm }`,
    'log: { type: stdout, format: pretty, level: error }',
  ];
  writeFileSync(at('registry', 'config.yaml'), config.join('\n'));
  const program = at('registry', 'node_modules', 'verdaccio', 'bin', 'verdaccio');
  const server = spawn(
    process.execPath,
    [program, '--config', 'config.yaml', '--listen', `127.0.0.1:${port}`],
    { cwd: at('registry'), stdio: 'inherit' },
  );
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/-/ping`).then(
      ({ ok }) => ok,
      () => false,
    );
  for (let tries = 0; tries < 240; tries++) {
    if (await answers()) return server;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  server.kill();
  throw new Error('the local registry did not answer within a minute');
}

/** A clone of HEAD that uses what is installed here, and has a repository's address. */
function cloneRepository() {
  const clone = at('clone');
  run(ROOT, 'git', 'clone', '--quiet', ROOT, clone);
  for (const [key, value] of [
    ['user.name', 'rehearsal'],
    ['user.email', 'rehearsal@localhost'],
  ])
    run(clone, 'git', 'config', key, value);
  const modules = path.join(clone, 'node_modules');
  linkModules(modules);
  for (const { dir: target, name } of listPackages(clone)) {
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    symlinkSync(target, path.join(modules, name));
  }
  const refused = spawnSync(process.execPath, ['test/package/release.mjs'], { cwd: clone });
  const sentence = String(refused.stderr);
  const root = path.join(clone, 'package.json');
  const settings = readFileSync(root, 'utf8');
  if (/^ {2}"repository": "",$/m.test(settings)) {
    check(
      refused.status === 1 && /package\.json:\d+ \("repository": "",\)/.test(sentence),
      `npm run release refuses without an address: ${sentence.trim()}`,
    );
    const address = 'https://github.com/rehearsal/deepend';
    writeFileSync(root, settings.replace('"repository": ""', `"repository": "${address}"`));
  }
  run(clone, process.execPath, 'test/package/metadata.mjs', '--write');
  run(clone, 'git', 'commit', '--quiet', '--all', '--allow-empty', '--message', 'Set the address');
  return clone;
}

/** Versions and changelogs; the first changelog starts at the version that is released. */
function rehearseVersions(clone) {
  if (waitingChangesets(clone).length === 0) return;
  const first = listPackages(clone).every(({ manifest }) => manifest.version === '0.0.0');
  const released = version(clone);
  const packages = listPackages(clone);
  check(
    packages.every(({ manifest }) => manifest.version === released),
    `changesets give every package version ${released}`,
  );
  if (!first) return;
  const headings = packages.flatMap(({ dir: folder }) => {
    const changelog = path.join(folder, 'CHANGELOG.md');
    return existsSync(changelog) ? readFileSync(changelog, 'utf8').match(/^## .*/gm) : [];
  });
  check(released === '0.1.0', 'the first version is 0.1.0');
  check(
    headings.length > 0 && headings.every((heading) => heading === '## 0.1.0'),
    'the changelogs start at 0.1.0',
  );
}

/** Makes the native package from the clone's own build; none without a C++ compiler. */
function platformsOf(clone) {
  const simd = path.join(clone, 'packages/backend-simd');
  return async (folder) => {
    if (!existsSync(path.join(simd, 'native/dist/simd.node'))) return [];
    const { packLocal } = await import(
      pathToFileURL(path.join(simd, 'scripts/platforms.mjs')).href
    );
    return packLocal(folder);
  };
}

const port = await freePort();
const registry = `http://127.0.0.1:${port}/`;
let server;
try {
  const clone = cloneRepository();
  rehearseVersions(clone);
  server = await startRegistry(port);
  writeFileSync(at('npmrc'), `registry=${registry}\n//127.0.0.1:${port}/:_authToken=rehearsal\n`);
  const local = { npm_config_registry: registry, npm_config_userconfig: at('npmrc') };
  // Without provenance, which only a CI job's identity can sign, and the addon of this machine only.
  await publish(clone, { env: local, platforms: platformsOf(clone) });
  mkdirSync(at('project'));
  writeFileSync(at('project', 'package.json'), JSON.stringify({ private: true }));
  const flags = ['--registry', registry, '--userconfig', at('npmrc'), '--no-audit', '--no-fund'];
  npm(at('project'), 'install', 'deepend', ...flags);
  const installed = readdirSync(at('project', 'node_modules', '@deepend')).sort();
  console.log(`ok   installed deepend with ${installed.join(', ')}`);
  const program = at('project', 'node_modules', '.bin', 'deepend');
  console.log(`ok   deepend --version: ${run(at('project'), program, '--version').trim()}`);
  const build = "console.log(require('@deepend/backend-simd').simdInfo().build)";
  const native = installed.some((name) => name.startsWith('simd-'));
  const computed = run(at('project'), process.execPath, '-e', build).trim();
  check(native === !['relaxed', 'plain'].includes(computed), `simd computes with ${computed}`);
  checkConsumers(at('project'));
} finally {
  server?.kill();
  rmSync(dir, { recursive: true, force: true });
}
