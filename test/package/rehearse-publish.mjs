/**
 * Publishes every package to a registry of its own on this machine, installs the umbrella from it
 * into an empty project, and uses it there.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkConsumers } from './consumers.mjs';

const ROOT = path.join(import.meta.dirname, '..', '..');
const dir = mkdtempSync(path.join(tmpdir(), 'deepend-publish-'));
const at = (...names) => path.join(dir, ...names);
const npm = (cwd, ...args) =>
  execFileSync('npm', args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });

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
    {
      cwd: at('registry'),
      stdio: 'inherit',
    },
  );
  for (let tries = 0; tries < 240; tries++) {
    if (
      await fetch(`http://127.0.0.1:${port}/-/ping`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return server;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  server.kill();
  throw new Error('the local registry did not answer within a minute');
}

const port = await freePort();
const registry = `http://127.0.0.1:${port}/`;
let server;
try {
  server = await startRegistry(port);
  writeFileSync(at('npmrc'), `registry=${registry}\n//127.0.0.1:${port}/:_authToken=rehearsal\n`);
  const local = ['--registry', registry, '--userconfig', at('npmrc')];
  for (const folder of readdirSync(path.join(ROOT, 'packages'))) {
    npm(path.join(ROOT, 'packages', folder), 'publish', ...local);
    console.log(`ok   published packages/${folder}`);
  }
  mkdirSync(at('project'));
  writeFileSync(at('project', 'package.json'), JSON.stringify({ private: true }));
  npm(at('project'), 'install', 'deepend', '--no-audit', '--no-fund', ...local);
  const installed = readdirSync(at('project', 'node_modules', '@deepend')).sort();
  console.log(`ok   installed deepend with ${installed.join(', ')}`);
  const tool = (...names) => path.join(ROOT, 'node_modules', ...names);
  checkConsumers(at('project'), {
    tsc: tool('typescript', 'bin', 'tsc'),
    tsx: tool('tsx', 'dist', 'cli.mjs'),
  });
} finally {
  server?.kill();
  rmSync(dir, { recursive: true, force: true });
}
