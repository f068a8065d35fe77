// Full run only: each case is a process that loads TensorFlow.js.
/** A variable that makes no sense is an error, never a reason to take another backend. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildProgram, type Program } from '../helpers/program';

const SCRIPT = `
  const { cpu, deviceReport, tryGpu } = await import('@deepend/device');
  for (const start of [() => cpu(), () => tryGpu(0, { exclude: ['cuda', 'webgpu'] }), deviceReport])
    await start().then(() => console.log('no error'), (error) => console.log(error.message));
`;

let program: Program;
beforeAll(async () => {
  program = await buildProgram({ source: SCRIPT });
});
afterAll(() => program.remove());

const run = (env: Record<string, string>) =>
  spawnSync(process.execPath, [program.file], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });

it.each([
  ['DEEPEND_THREADS', 'abc'],
  ['DEEPEND_THREADS', '9'],
  ['DEEPEND_WASM', 'fast'],
  ['DEEPEND_MEMORY_MIB', '1'],
])('%s=%s', (name, value) => {
  const { stdout, stderr } = run({ [name]: value });
  expect([stdout.trim().split('\n'), stderr]).toEqual([
    Array(3).fill(expect.stringMatching(new RegExp(`${name}: expected .*, got '${value}'; `))),
    '',
  ]);
});

it('DEEPEND_DEVICE=wasn', () => {
  const [forCpu, , forReport] = run({ DEEPEND_DEVICE: 'wasn' }).stdout.trim().split('\n');
  for (const line of [forCpu, forReport])
    expect(line).toMatch(/DEEPEND_DEVICE: expected one of .*, got 'wasn'; did you mean 'wasm'\?/);
});
