/**
 * Compiles assembly/half.ts and writes src/generated/half-module.ts: the module as a string, so
 * that the package needs no file next to its bundle, and where its blocks lie. Does nothing when
 * the source has not changed.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import asc from 'assemblyscript/asc';

const root = path.resolve(import.meta.dirname, '..');
const target = path.join(root, 'src/generated/half-module.ts');
/** Floats in a block; assembly/half.ts has room for them from 64 KiB on, and for halves after. */
const BLOCK = 16384;
const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--initialMemory', '3'];
OPTIONS.push('--enable', 'simd', '--enable', 'bulk-memory');

async function compile(source) {
  let binary;
  const { error, stderr } = await asc.main(['half.ts', ...OPTIONS, '--outFile', 'module.wasm'], {
    readFile: (name) => (path.basename(name) === 'half.ts' ? source : null),
    writeFile: (name, content) => {
      if (name.endsWith('.wasm')) binary = content;
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`assembly: ${error.message}\n${stderr}`);
  return binary;
}

const source = await readFile(path.join(root, 'assembly/half.ts'), 'utf8');
const script = await readFile(import.meta.filename, 'utf8');
const sum = createHash('sha256').update(script).update(source).digest('hex');
const before = await readFile(target, 'utf8').catch(() => '');
if (!before.includes(sum)) {
  const text = [
    `/** Made by scripts/build-wasm.mjs from assembly/, ${sum}. */`,
    `export const HALF_MODULE: string =\n  '${Buffer.from(await compile(source)).toString('base64')}';`,
    `export const FLOATS = ${1 << 16};`,
    `export const HALVES = ${(1 << 16) + 4 * BLOCK};`,
    `export const BLOCK = ${BLOCK};`,
    '',
  ].join('\n');
  await mkdir(path.dirname(target), { recursive: true });
  // Tests and builds may read the file meanwhile, so it is replaced as a whole.
  await writeFile(`${target}.${process.pid}`, text);
  await rename(`${target}.${process.pid}`, target);
}
