/** Every package.json and README says what the root package.json says; release refuses without. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const metadata = (cwd: string, ...flags: string[]) =>
  spawnSync(process.execPath, ['test/package/metadata.mjs', ...flags], { cwd, encoding: 'utf8' });
const readJson = (file: string) => JSON.parse(readFileSync(file, 'utf8'));

it('package.json files and READMEs are up to date', () => {
  const { stderr, status } = metadata('.');
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

it('package-lock.json names every package and no registry', () => {
  const { packages } = readJson('package-lock.json') as {
    packages: Record<string, { resolved?: string; version?: string }>;
  };
  const hosts = Object.values(packages).filter(({ resolved }) => resolved?.startsWith('http'));
  expect(hosts).toEqual([]);
  for (const folder of readdirSync('packages')) {
    const { version } = readJson(`packages/${folder}/package.json`);
    expect(packages[`packages/${folder}`]?.version, `${folder}; run: npm run lock`).toBe(version);
  }
});

it('asks for a Node.js that every dependency runs on', () => {
  const { packages } = readJson('package-lock.json') as {
    packages: Record<string, { dev?: boolean; engines?: { node?: string } }>;
  };
  const toNumber = (version: string) =>
    version.split('.').reduce((sum, part, i) => sum + Number(part) * 1000 ** (2 - i), 0);
  const least = (range = '>=0') => toNumber(/^>= ?([\d.]+)$/.exec(range)?.[1] ?? '0');
  const own = readJson('package.json').engines.node;
  const higher = Object.entries(packages)
    .filter(([, { dev, engines }]) => !dev && least(engines?.node) > least(own))
    .map(([name, { engines }]) => `${name} ${engines?.node}`);
  expect(least('>=20.18.1')).toBe(20_018_001);
  expect(higher).toEqual([]);
});

describe('in a copy of the repository', () => {
  let copy: string;
  const setRepository = (repository: string) => {
    const file = path.join(copy, 'package.json');
    writeFileSync(file, `${JSON.stringify({ ...readJson(file), repository }, null, 2)}\n`);
  };

  beforeAll(() => {
    copy = mkdtempSync(path.join(tmpdir(), 'deepend-metadata-'));
    for (const file of ['package.json', 'test/package'])
      cpSync(file, path.join(copy, file), { recursive: true });
    for (const folder of readdirSync('packages'))
      for (const file of ['package.json', 'README.md', 'LICENSE'])
        cpSync(`packages/${folder}/${file}`, path.join(copy, 'packages', folder, file));
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  it('refuses to release or publish without an address, and names the line to edit', () => {
    setRepository('');
    const lines = readFileSync(path.join(copy, 'package.json'), 'utf8').split('\n');
    const line = lines.findIndex((text) => text.includes('"repository": ""')) + 1;
    for (const command of [['release.mjs'], ['metadata.mjs', '--publish']]) {
      const [script = '', ...flags] = command;
      const { status, stderr } = spawnSync(
        process.execPath,
        [path.join('test/package', script), ...flags],
        { cwd: copy, encoding: 'utf8' },
      );
      expect(stderr).toContain(`package.json:${line} ("repository": "",)`);
      expect(status).toBe(1);
    }
  });

  it('writes the address into each package.json and README, once', () => {
    setRepository('https://github.com/someone/deepend.git');
    expect(metadata(copy).status).toBe(1);
    expect(metadata(copy, '--write').status).toBe(0);
    expect(metadata(copy).status).toBe(0);
    const page = 'https://github.com/someone/deepend';
    for (const folder of readdirSync('packages')) {
      const { homepage, bugs, repository } = readJson(`${copy}/packages/${folder}/package.json`);
      expect({ homepage, bugs, repository }).toEqual({
        homepage: `${page}/tree/main/packages/${folder}#readme`,
        bugs: { url: `${page}/issues` },
        repository: { type: 'git', url: `git+${page}.git`, directory: `packages/${folder}` },
      });
    }
    const readme = readFileSync(path.join(copy, 'packages/data/README.md'), 'utf8');
    expect(readme).toContain(`[docs/data.md](${page}/blob/main/docs/data.md)`);
    setRepository('https://gitlab.com/someone/deepend');
    metadata(copy, '--write');
    expect(readFileSync(path.join(copy, 'packages/data/README.md'), 'utf8')).toContain(
      'https://gitlab.com/someone/deepend/-/blob/main/docs/data.md',
    );
  });

  it('refuses an address that is not https', () => {
    setRepository('git@github.com:someone/deepend.git');
    expect(metadata(copy).stderr).toMatch(/package\.json:\d+ .*expected an https address/);
  });

  it('refuses to publish without provenance, but for a registry on this machine', () => {
    setRepository('https://github.com/someone/deepend');
    const publish = (npm_config_registry: string) =>
      spawnSync(process.execPath, ['test/package/metadata.mjs', '--publish'], {
        cwd: copy,
        encoding: 'utf8',
        env: { ...process.env, npm_config_registry, npm_config_provenance: undefined },
      });
    expect(publish('https://registry.example/').stderr).toContain('npm run release');
    expect(publish('http://127.0.0.1:4873/').status).toBe(0);
  });
});
