/**
 * Runs random calls of all kernels on a native build that was compiled with a sanitizer, and on
 * WebAssembly, and compares the results. Started by packages/backend-simd/scripts/sanitize.mjs,
 * which says what they are for. A fault ends the process with the sanitizer's report; the file
 * `--current` names the call.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { openAddon } from '../../packages/backend-simd/src/native';
import { Runtime } from '../../packages/backend-simd/src/runtime';
import type { Numbers, Operation } from '../backend-simd/operations';
import { type Guard, GuardedMemory } from './guarded-memory';
import { RANDOM_CALLS } from './random-calls';

const { values: options } = parseArgs({
  options: {
    addon: { type: 'string', default: '' },
    guard: { type: 'string' },
    launches: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    current: { type: 'string', default: '/dev/null' },
  },
});
const wanted = Number(options.launches);
const MAX_THREADS = 3;
/** Calls that are drawn at once. */
const BATCH = 20;
/** Of a result's largest number, which counts as at least 1: the builds round differently. */
const TOLERANCE = 1e-3;

const require = createRequire(import.meta.url);
const native = { native: openAddon(require(options.addon)) };
const runtime = new Runtime({ threads: 1, native });
// The backend computes with the runtime of the process.
Object.assign(globalThis, { [Symbol.for('deepend.simd')]: runtime });
const guard = options.guard ? (require(options.guard) as Guard) : undefined;
const memory = new GuardedMemory(runtime, guard);
const builds = runtime.builds.slice(0, -1);
const webAssembly = runtime.builds.at(-1) as (typeof runtime.builds)[number];

/** Launches on the native builds, by task. */
const launches = new Map<Task, number>();
let count = 0;
const launch = runtime.launch.bind(runtime);
runtime.launch = (task, args, tiles) => {
  launch(task, args, tiles);
  memory.check(`${Task[task]} (${runtime.build}): ${JSON.stringify(args)}, ${tiles} tiles,`);
  if (runtime.build === webAssembly || tiles === 0) return;
  count++;
  launches.set(task, (launches.get(task) ?? 0) + 1);
};

const toTensor = ({ values, shape, dtype }: Numbers) => tf.tensor(values, shape, dtype);

/** The attributes of an update, from a row of tensors: weight, gradient and three slots of each. */
function entriesOf(tensors: readonly tf.Tensor[]) {
  const entries = [];
  for (let i = 0; i < tensors.length; i += 5) {
    const [weight, gradient, ...slots] = tensors.slice(i, i + 5);
    entries.push({ weight, gradient, slots, lr: 0.1, decay: 0.01, shrink: 0.9, correction: 0.7 });
  }
  return entries;
}

/** Runs a kernel. @returns the numbers of its outputs, or of all tensors that an update changes */
function compute({ kernel, inputs, attrs = {} }: Operation): Float32Array[] {
  const results: Float32Array[] = []; // tidy would search them for tensors, number by number
  tf.tidy(() => {
    const run = (named: object, own: object) =>
      tf.engine().runKernel(kernel, named as tf.NamedTensorMap, own as tf.NamedAttrMap);
    let outputs: tf.Tensor | tf.Tensor[];
    if (kernel === 'deepend.update') {
      outputs = (inputs as Numbers[]).map(toTensor);
      run({}, { ...attrs, entries: entriesOf(outputs) });
    } else if (Array.isArray(inputs)) {
      outputs = run(inputs.map(toTensor), attrs);
    } else {
      const tensors = Object.entries(inputs).map(([name, x]) => [name, toTensor(x)]);
      outputs = run(Object.fromEntries(tensors), attrs);
    }
    results.push(...[outputs].flat().map((x) => Float32Array.from(x.dataSync())));
  });
  return results;
}

/** Where a result differs from WebAssembly's, in words. */
function findDifference(actual: Float32Array, expected: Float32Array): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} of ${expected.length} numbers`;
  const largest = expected.reduce(
    (most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
    1,
  );
  const at = actual.findIndex((value, i) => {
    const other = expected[i] as number;
    return !Object.is(value, other) && !(Math.abs(value - other) <= TOLERANCE * largest);
  });
  return at < 0 ? undefined : `[${at}]: got ${actual[at]}, WebAssembly ${expected[at]}`;
}

function describe({ kernel, inputs, attrs }: Operation): string {
  const parts = Object.entries(inputs).map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
  return `${kernel} ${JSON.stringify(parts)} ${JSON.stringify(attrs)}`;
}

function compare(call: Operation, threads: number): void {
  runtime.setThreads(1);
  runtime.setBuild(webAssembly);
  const expected = compute(call);
  for (const build of builds) {
    runtime.setBuild(build);
    runtime.setThreads(threads);
    const actual = compute(call);
    runtime.setThreads(1);
    for (const [i, values] of expected.entries()) {
      const difference = findDifference(actual[i] ?? new Float32Array(), values);
      if (difference) throw new Error(`${build} on ${threads} threads: output ${i} ${difference}`);
    }
  }
}

function* drawCalls(seed: number): Generator<Operation> {
  for (let round = 0; ; round++) {
    const drawn = RANDOM_CALLS.map((calls, row) =>
      fc.sample(calls, { numRuns: BATCH, seed: (seed * 1_000_003 + round * 1009 + row) | 0 }),
    );
    for (let i = 0; i < BATCH; i++) for (const calls of drawn) yield calls[i] as Operation;
  }
}

function report(): void {
  const tasks = Object.values(Task).filter((task): task is Task => typeof task === 'number');
  const missing = tasks.filter((task) => !launches.has(task)).map((task) => Task[task]);
  console.log(`${count} launches of ${launches.size} tasks, builds ${builds.join(', ')}`);
  if (missing.length > 0) throw new Error(`tasks without a launch: ${missing.join(', ')}`);
}

await import('../../packages/backend-simd/src/index');
await tf.setBackend('simd');
let calls = 0;
for (const call of drawCalls(Number(options.seed))) {
  if (count >= wanted) break;
  writeFileSync(options.current, describe(call));
  compare(call, 1 + (calls++ % MAX_THREADS));
}
report();
process.exit(0); // WebAssembly's workers, if any, would keep it alive
