/**
 * Packs every package from the state that `npm ci` leaves, without declarations, and checks the
 * tarballs: what they hold, publint, "are the types wrong", and projects that use them.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { checkConsumers } from './consumers.mjs';
import { linkModules, listPackages, promisedFiles, ROOT, readJson } from './packages.mjs';

/** Relative links of a README whose file is not in the package. */
function findDeadLinks(dir) {
  const readme = readFileSync(path.join(dir, 'README.md'), 'utf8');
  const links = [
    ...[...readme.matchAll(/\]\(\s*<?([^)\s>]+)/g)].map(([, link]) => link),
    ...[...readme.matchAll(/\b(?:src|href)=["']([^"']+)/g)].map(([, link]) => link),
    ...[...readme.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)].map(([, link]) => link),
  ];
  return links.filter((link) => {
    if (/^([a-z]+:|#)/i.test(link)) return false;
    const file = path.join(dir, link.replace(/[#?].*/, ''));
    return !file.startsWith(dir + path.sep) || !existsSync(file);
  });
}

/** What is wrong with an unpacked tarball, in words. */
function findFaults(dir, files) {
  const manifest = readJson(path.join(dir, 'package.json'));
  const bins = Object.values(manifest.bin ?? {});
  const missing = [...promisedFiles(manifest), ...bins, 'LICENSE', 'README.md'].filter(
    (file) => !existsSync(path.join(dir, file)),
  );
  const foreign = files.filter((file) => /\.map$|\.tsbuildinfo$|^(src|test)\//.test(file));
  const mapped = files.filter(
    (file) =>
      /\.c?js$/.test(file) &&
      /^\/\/# sourceMappingURL=/m.test(readFileSync(path.join(dir, file), 'utf8')),
  );
  return [
    ...missing.map((file) => `it promises ${file}, but does not hold it`),
    ...foreign.map((file) => `it holds ${file}`),
    ...mapped.map((file) => `${file} points to a source map`),
    ...findDeadLinks(dir).map((link) => `its README links to ${link}, which it does not hold`),
  ];
}

async function findTypeFaults(tarball) {
  const { problems = [] } = await checkPackage(createPackageFromTarballData(readFileSync(tarball)));
  // deepend/browser is for bundlers and browsers, which have no CommonJS.
  const isForBrowsers = ({ entrypoint = '', resolutionKind }) =>
    entrypoint.startsWith('./browser') && resolutionKind !== 'bundler';
  return problems
    .filter((problem) => !isForBrowsers(problem))
    .map(
      ({ kind, entrypoint, resolutionKind }) =>
        `attw: ${[kind, entrypoint, resolutionKind].filter(Boolean).join(' ')}`,
    );
}

const kilobytes = (bytes) => `${Math.round(bytes / 1000)} kB`.padStart(8);
const scratch = mkdtempSync(path.join(tmpdir(), 'deepend-pack-'));
let failed = 0;
try {
  for (const { dir } of listPackages())
    for (const file of existsSync(path.join(dir, 'dist'))
      ? readdirSync(path.join(dir, 'dist'))
      : [])
      if (/\.d\.c?ts$/.test(file)) rmSync(path.join(dir, 'dist', file));
  const modules = path.join(scratch, 'node_modules');
  mkdirSync(modules);
  linkModules(modules);
  const output = execFileSync(
    'npm',
    ['pack', '--workspaces', '--json', '--silent', '--pack-destination', scratch],
    { cwd: ROOT, encoding: 'utf8', maxBuffer: 1e8 },
  );
  const packed = JSON.parse(output.slice(output.search(/^\[/m)));
  for (const { name, filename, size, unpackedSize, files } of packed) {
    const tarball = path.join(scratch, filename);
    const dir = path.join(modules, name);
    mkdirSync(dir, { recursive: true });
    execFileSync('tar', ['-xzf', tarball, '-C', dir, '--strip-components=1']);
    const { messages, pkg } = await publint({ pkgDir: dir, strict: true, pack: false });
    const faults = [
      ...findFaults(
        dir,
        files.map((file) => file.path),
      ),
      ...messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`),
      ...(await findTypeFaults(tarball)),
    ];
    failed += faults.length;
    const sizes = `${kilobytes(size)} packed, ${kilobytes(unpackedSize)} unpacked`;
    console.log(`${faults.length === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(22)} ${sizes}`);
    for (const fault of faults) console.log(`     ${fault}`);
  }
  const absent = listPackages().filter(({ name }) => !packed.some((entry) => entry.name === name));
  for (const { name } of absent) console.log(`FAIL ${name}: npm pack left it out`);
  failed += absent.length;
  checkConsumers(scratch);
} catch (error) {
  failed++;
  console.log(`FAIL ${error.message}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
