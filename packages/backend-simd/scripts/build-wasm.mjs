/**
 * Compiles assembly/ twice, with and without relaxed SIMD, and writes both modules as text into
 * src/generated/modules.ts, so that the
 * package needs no file beside its bundle. Does nothing when the sources have not changed.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import asc from 'assemblyscript/asc';

const root = path.resolve(import.meta.dirname, '..');
const target = path.join(root, 'src/generated/modules.ts');
const OPTIONS = [
  ...[
    '-O3',
    '--noAssert',
    '--runtime',
    'stub',
    '--importMemory',
    '--noExportMemory',
    '--sharedMemory',
  ],
  ...['--initialMemory', '1', '--maximumMemory', '65536', '--memoryBase', '8192'],
  ...['--enable', 'simd', '--enable', 'threads', '--enable', 'bulk-memory'],
];
const BUILDS = { plain: [], relaxed: ['--enable', 'relaxed-simd'] };

async function sources() {
  const folder = path.join(root, 'assembly');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ts')).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await readFile(path.join(folder, name), 'utf8')]),
    ),
  );
}

async function compile(files, options) {
  let binary;
  const { error, stderr } = await asc.main(
    ['index.ts', ...OPTIONS, ...options, '--outFile', 'module.wasm'],
    {
      readFile: (name) => files[path.basename(name)] ?? null,
      writeFile: (name, content) => {
        if (name.endsWith('.wasm')) binary = content;
      },
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`assembly: ${error.message}\n${stderr}`);
  return binary;
}

const files = await sources();
const script = await readFile(import.meta.filename, 'utf8');
const sum = createHash('sha256').update(script).update(JSON.stringify(files)).digest('hex');
const before = await readFile(target, 'utf8').catch(() => '');
if (!before.includes(sum)) {
  const parts = [`/** Made by scripts/build-wasm.mjs from assembly/, ${sum}. */`];
  for (const [name, options] of Object.entries(BUILDS)) {
    const binary = await compile(files, options);
    parts.push(`export const ${name}: string =\n  '${Buffer.from(binary).toString('base64')}';`);
  }
  await mkdir(path.dirname(target), { recursive: true });
  // Tests and builds may read it meanwhile: it appears whole.
  await writeFile(`${target}.${process.pid}`, `${parts.join('\n')}\n`);
  await rename(`${target}.${process.pid}`, target);
}
