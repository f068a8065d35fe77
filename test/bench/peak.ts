/**
 * What the machine can do at most: multiply-adds on registers alone, on so many threads at once.
 */
import { createRequire } from 'node:module';
import v8 from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { SimdInfo } from '@deepend/backend-simd';

const CHAINS = 12; // independent sums: more than the latency of a multiply-add times the adders; 16 registers hold them
const LOOPS = 20_000; // short calls: V8 takes its better code at the next one
const FLOPS = CHAINS * LOOPS * 4 * 2; // four lanes, a product and a sum

/**
 * A loop over `CHAINS` accumulators that never touches memory. Their fixed point is 1, so that no
 * number grows or becomes tiny.
 */
function source(relaxed: boolean): string {
  const names = Array.from({ length: CHAINS }, (_, i) => `a${i}`);
  const turn = (a: string) =>
    relaxed ? `f32x4.relaxed_madd(${a}, m, c)` : `f32x4.add(f32x4.mul(${a}, m), c)`;
  return `export function spin(start: f32): f32 {
    const m = f32x4.splat(0.5), c = f32x4.splat(0.5);
    ${names.map((a, i) => `let ${a} = f32x4.splat(start + ${i});`).join('\n')}
    for (let i = 0; i < ${LOOPS}; i++) { ${names.map((a) => `${a} = ${turn(a)};`).join(' ')} }
    return f32x4.extract_lane(${names.reduce((sum, a) => `f32x4.add(${sum}, ${a})`)}, 0);
  }`;
}

/**
 * Each thread waits for the others and spins; its best fiftieth of a second counts, by when V8 has
 * its better code in place.
 */
const WORKER = `
const { workerData: { module, shared, threads, seconds }, parentPort } = require('node:worker_threads');
const { spin } = new WebAssembly.Instance(module, {}).exports;
for (const warm = performance.now(); performance.now() - warm < 300; ) spin(1);
Atomics.add(shared, 0, 1);
while (Atomics.load(shared, 0) < threads);
let best = 0;
for (const end = performance.now() + 1000 * seconds; performance.now() < end; ) {
  const start = performance.now();
  let calls = 0;
  do { spin(calls); calls++; } while (performance.now() - start < 20);
  best = Math.max(best, calls / ((performance.now() - start) / 1000));
}
parentPort.postMessage(best);`;

async function compile(relaxed: boolean): Promise<WebAssembly.Module> {
  const options = {
    optimizeLevel: 3,
    runtime: 'stub',
    noAssert: true,
    enable: relaxed ? ['simd', 'relaxed-simd'] : ['simd'],
  };
  const { default: asc } = await import('assemblyscript/asc'); // the other sections run without it
  const { binary, stderr, error } = await asc.compileString(
    source(relaxed),
    options as Parameters<typeof asc.compileString>[1],
  );
  if (error || !binary) throw new Error(`[bench] peak: ${stderr.toString()}`);
  return new WebAssembly.Module(binary as Uint8Array<ArrayBuffer>);
}

export interface PeakOptions {
  threads: number;
  /** The backend's build. */
  build: SimdInfo['build'];
  seconds: number;
}

/** GFLOP/s of multiply-adds on registers: what the build cannot go beyond here. */
export async function peakGflops(options: PeakOptions): Promise<number> {
  const { build, threads, seconds } = options;
  if (build === 'plain' || build === 'relaxed')
    return webAssemblyPeak({ threads, relaxed: build === 'relaxed', seconds });
  const addon = createRequire(import.meta.url)(
    '../../packages/backend-simd/native/dist/simd.node',
  ) as { peak(options: { build: string; threads: number; milliseconds: number }): number };
  return addon.peak({ build, threads, milliseconds: Math.round(1000 * seconds) });
}

interface WebAssemblyOptions {
  threads: number;
  /** Whether the module has relaxed SIMD, which has a multiply-add in one instruction. */
  relaxed: boolean;
  seconds: number;
}

/** The same of 128-bit multiply-adds in WebAssembly. */
async function webAssemblyPeak({ threads, relaxed, seconds }: WebAssemblyOptions) {
  if (relaxed) v8.setFlagsFromString('--experimental-wasm-relaxed-simd'); // Node 20; from 22 it is on
  const module = await compile(relaxed);
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { module, shared, threads, seconds };
  const rates = await Promise.all(
    Array.from({ length: threads }, () => {
      const worker = new Worker(WORKER, { eval: true, workerData, execArgv: [] });
      return new Promise<number>((resolve, reject) =>
        worker.once('message', resolve).once('error', reject),
      );
    }),
  );
  return (rates.reduce((sum, calls) => sum + calls, 0) * FLOPS) / 1e9;
}

/** GB/s of copying 64 MiB on one thread, read and written bytes counted. */
export function copyBandwidth(seconds: number): number {
  const [from, to] = [new Float32Array(1 << 24).fill(1), new Float32Array(1 << 24)];
  let best = 0;
  for (const end = performance.now() + 1000 * seconds; performance.now() < end; ) {
    const start = performance.now();
    to.set(from);
    best = Math.max(best, (2 * from.byteLength) / 1e6 / (performance.now() - start));
  }
  return best;
}
