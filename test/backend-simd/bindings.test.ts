/**
 * The generated bindings: what they contain follows from the assembly's classes, constants and
 * tasks, and TypeScript checks every launch against them.
 */
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/ops';
import type { Layout } from '../../packages/backend-simd/src/generated/bindings';
import { isFull } from '../helpers/full';
import { open } from './runtimes';

type Files = Record<string, string>;
const SCRIPT = path.resolve('packages/backend-simd/scripts/bindings.mjs');
const { generateBindings } = (await import(SCRIPT)) as {
  generateBindings: (files: Files) => string;
};

/** A file of assembly/ with one class of arguments. */
const withClass = (fields: string): Files => ({
  'scale.ts': `/** y = x · factor */\n@unmanaged\nexport class ScaleArgs {\n${fields}\n}\n`,
});

/** The 32-bit words that the generated layout writes, as hexadecimal numbers. */
async function written(files: Files, fields: Record<string, number>): Promise<string[]> {
  const { outputText } = ts.transpileModule(generateBindings(files), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 },
  });
  const url = `data:text/javascript,${encodeURIComponent(outputText)}`;
  const { ScaleArgs } = (await import(/* @vite-ignore */ url)) as {
    ScaleArgs: Layout<Record<string, number>>;
  };
  const words = new Int32Array(ScaleArgs.size);
  ScaleArgs.write({ words, floats: new Float32Array(words.buffer) }, 0, fields);
  return [...new Uint32Array(words.buffer)].map((word) => word.toString(16));
}

/** What TypeScript says about `usage`, below the generated text. */
function typeErrors(files: Files, usage: string): string[] {
  const text = `${generateBindings(files)}\n${usage}`;
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    types: [],
    lib: ['lib.es2022.d.ts'],
    target: ts.ScriptTarget.ES2022,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile } = host;
  host.getSourceFile = (name, ...rest) =>
    name === 'usage.ts'
      ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022)
      : getSourceFile(name, ...rest);
  const program = ts.createProgram(['usage.ts'], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

describe('a class', () => {
  const before = withClass('  x: u32; y: usize; // addresses\n  factor: f32;\n  count: i32;');
  const fields = { x: 3_000_000_000, y: 8, factor: -1.5, count: -1 };

  it('becomes a layout with its fields in order', async () => {
    expect(await written(before, fields)).toEqual(['b2d05e00', '8', 'bfc00000', 'ffffffff']);
  });

  it('with other fields becomes another layout', async () => {
    const after = withClass('  count: i32; bias: f64; x: u32; y: usize; factor: f32;');
    expect(() => generateBindings(after)).toThrow('ScaleArgs.bias: an f64 must begin at an even');
    const moved = withClass('  count: i32; x: u32; bias: f64; y: usize; factor: f32;');
    expect(await written(moved, { ...fields, bias: 1 })).toEqual([
      'ffffffff',
      'b2d05e00',
      '0',
      '3ff00000',
      '8',
      'bfc00000',
    ]);
  });

  // It reads TypeScript's own declarations, which takes seconds.
  if (isFull)
    it('fails the type check where a field is missing, unknown or no number', () => {
      const use = (literal: string) => `export const args: ScaleArgs = ${literal};`;
      expect(typeErrors(before, use('{ x: 1, y: 2, factor: 3, count: 4 }'))).toEqual([]);
      expect(typeErrors(before, use('{ x: 1, y: 2, factor: 3 }'))[0]).toMatch(/'count' is missing/);
      expect(typeErrors(before, use('{ x: 1, y: 2, factor: 3, count: 4, n: 5 }'))[0]).toMatch(
        /'n' does not exist in type 'ScaleArgs'/,
      );
      expect(typeErrors(before, use("{ x: 1, y: 2, factor: '3', count: 4 }"))[0]).toMatch(
        /'string' is not assignable to type 'number'/,
      );
    });

  it('may have only fields that a layout can write', () => {
    expect(() => generateBindings(withClass('  x: v128;'))).toThrow(
      '[backend-simd] scale.ts: ScaleArgs.x: expected one of i32, u32, usize, f32, f64, got v128',
    );
  });

  it('has at most as many words as fit between two argument blocks', () => {
    const fieldsOf = (count: number) => Array.from({ length: count }, (_, i) => `f${i}: i32;`);
    expect(generateBindings(withClass(fieldsOf(512).join(' ')))).toContain('size: 512');
    expect(() => generateBindings(withClass(fieldsOf(513).join(' ')))).toThrow(
      'expected at most 512 words in ScaleArgs, got 513',
    );
  });
});

it('integer constants become an object named after their file', () => {
  const text = [
    'export const START: usize = 4_096;',
    'export const NONE: i32 = -1; // a comment',
    'const HIDDEN: i32 = 1;',
    'export const NS: i64 = 5;',
    'export const RATIO: f32 = 0.5;',
  ].join('\n');
  const bindings = generateBindings({ 'thread-pool.ts': text });
  expect(bindings).toContain('THREAD_POOL = {\n  START: 4096,\n  NONE: -1,\n} as const');
});

it('each task in the table has the arguments of its class', () => {
  const table =
    'switch (task) { case Task.Scale: return scale(changetype<ScaleArgs>(args), tile); }';
  const bindings = generateBindings({ ...withClass('  x: u32;'), 'tasks.ts': table });
  expect(bindings).toContain('[Task.Scale]: ScaleArgs;');
  expect(() =>
    generateBindings({ 'tasks.ts': 'switch (task) { case Task.Scale: return scale(tile); }' }),
  ).toThrow('tasks.ts: Scale has no changetype<CLASS>');
});

it('a launch without one of its arguments fails the type check', () => {
  const runtime = open();
  // @ts-expect-error: bits is missing
  runtime.launch(Task.Fill, { out: 0, count: 0, block: 1 }, 0);
  // @ts-expect-error: the arguments of another task
  runtime.launch(Task.Fill, { x: 0, out: 0, count: 0, block: 1, kind: 0 }, 0);
  runtime.launch(Task.Fill, { out: 0, count: 0, block: 1, bits: 0 }, 0);
});
