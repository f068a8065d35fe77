/**
 * Compiles assembly/resize.ts and writes src/generated/resize-module.ts: the module as a string, so
 * that the package needs no file next to its bundle, and the layout of its arguments. Does nothing
 * when the source has not changed.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import asc from 'assemblyscript/asc';

const root = path.resolve(import.meta.dirname, '..');
const target = path.join(root, 'src/generated/resize-module.ts');
const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--noExportMemory'];
OPTIONS.push('--initialMemory', '1', '--enable', 'simd', '--enable', 'bulk-memory');

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

/** The names of a class's fields in their order; each is a word of 4 bytes. */
function fieldsOf(source, name) {
  const [, body] = new RegExp(`class ${name} \\{([^}]*)\\}`).exec(source) ?? [];
  if (!body) throw new Error(`assembly/resize.ts: there is no class ${name}`);
  return [...body.matchAll(/(\w+): u32;/g)].map(([, field]) => field);
}

/** The value of a constant. */
function constantOf(source, name) {
  const [, value] = new RegExp(`^const ${name}: u32 = (\\d+);`, 'm').exec(source) ?? [];
  if (!value) throw new Error(`assembly/resize.ts: there is no constant ${name}`);
  return Number(value);
}

async function makeModule(source, sum) {
  const text = Buffer.from(await compile(source)).toString('base64');
  const kinds = ['BYTES', 'UNIT', 'NORMALIZED'].map((name) => [name, constantOf(source, name)]);
  return [
    `/** Made by scripts/build-wasm.mjs from assembly/, ${sum}. */`,
    `export const RESIZE_MODULE: string =\n  '${text}';`,
    `export const ACROSS_ARGS = ${JSON.stringify(fieldsOf(source, 'AcrossArgs'))} as const;`,
    `export const DOWN_ARGS = ${JSON.stringify(fieldsOf(source, 'DownArgs'))} as const;`,
    `export const OUTPUT_KINDS = ${JSON.stringify(Object.fromEntries(kinds))} as const;`,
    '',
  ].join('\n');
}

const source = await readFile(path.join(root, 'assembly/resize.ts'), 'utf8');
const script = await readFile(import.meta.filename, 'utf8');
const sum = createHash('sha256').update(script).update(source).digest('hex');
const before = await readFile(target, 'utf8').catch(() => '');
if (!before.includes(sum)) {
  await mkdir(path.dirname(target), { recursive: true });
  // Tests and builds may read the file meanwhile, so it is replaced as a whole.
  await writeFile(`${target}.${process.pid}`, await makeModule(source, sum));
  await rename(`${target}.${process.pid}`, target);
}
