/**
 * Compiles assembly/resize.ts and writes the module as text into src/generated/resize-module.ts, so
 * that the package needs no file beside its
 * bundle. Does nothing when the source has not changed.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import asc from 'assemblyscript/asc';

const root = path.resolve(import.meta.dirname, '..');
const target = path.join(root, 'src/generated/resize-module.ts');
const OPTIONS = [
  ...[
    '-O3',
    '--noAssert',
    '--runtime',
    'stub',
    '--importMemory',
    '--noExportMemory',
    '--initialMemory',
    '1',
  ],
  ...['--enable', 'simd', '--enable', 'bulk-memory'],
];

async function compile(source) {
  let binary;
  const { error, stderr } = await asc.main(['resize.ts', ...OPTIONS, '--outFile', 'module.wasm'], {
    readFile: (name) => (path.basename(name) === 'resize.ts' ? source : null),
    writeFile: (name, content) => {
      if (name.endsWith('.wasm')) binary = content;
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`assembly: ${error.message}\n${stderr}`);
  return binary;
}

const source = await readFile(path.join(root, 'assembly/resize.ts'), 'utf8');
const script = await readFile(import.meta.filename, 'utf8');
const sum = createHash('sha256').update(script).update(source).digest('hex');
const before = await readFile(target, 'utf8').catch(() => '');
if (!before.includes(sum)) {
  const text = Buffer.from(await compile(source)).toString('base64');
  await mkdir(path.dirname(target), { recursive: true });
  // Tests and builds may read it meanwhile: it appears whole.
  await writeFile(
    `${target}.${process.pid}`,
    `/** Made by scripts/build-wasm.mjs from assembly/, ${sum}. */\nexport const RESIZE_MODULE: string =\n  '${text}';\n`,
  );
  await rename(`${target}.${process.pid}`, target);
}
