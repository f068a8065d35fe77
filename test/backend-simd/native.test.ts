/** The native build: its threads, its builds next to WebAssembly's, and how it is found. */
import '@deepend/backend-simd';
import '@tensorflow/tfjs-layers'; // registers the gradients
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { findNative } from '../../packages/backend-simd/src/native';
import { findFault } from '../../packages/backend-simd/src/native-probe';
import { setBuild, setThreads, simdInfo } from '../../packages/backend-simd/src/settings';
import { mix } from '../helpers/fill';
import { expectRight, open } from './runtimes';

const found = findNative();
const reason = 'reason' in found ? found.reason : '';
const title = reason ? `the native build (skipped: ${reason})` : 'the native build';

describe.skipIf(reason)(title, () => {
  it.each([1, 2, 3, 8])('does a job whole on %d threads, again and again', (threads) => {
    const own = open({ threads, native: found });
    for (let i = 0; i < 300; i++) expectRight(own, { count: 1 + i * 7, block: 1 + (i % 13) });
  });

  it('finds its threads changed between any two jobs', () => {
    const own = open({ threads: 8, native: found });
    for (let i = 0; i < 100; i++) {
      own.setThreads(1 + ((i * 5) % 8));
      expectRight(own);
    }
  });

  it('gives way to WebAssembly when a thread hangs', () => {
    const own = open({ threads: 2, native: found, watchdogTimeout: 50 });
    expectRight(own);
    expect(() => own.injectFault('hang')).toThrow(/a native thread failed .*within 0.05 s/);
    expect(own.build).toBe(own.builds.at(-1));
    expectRight(own);
  });

  it('has builds that agree, and each the same bits on any number of threads', async () => {
    await tf.setBackend('simd');
    const { build, builds, threads } = simdInfo();
    onTestFinished(() => {
      setBuild(build);
      setThreads(threads);
    });
    const [first, ...others] = builds.map((name) => {
      setBuild(name);
      expect(simdInfo().build).toBe(name);
      const [one, two, three] = [1, 2, 3].map((count) => {
        setThreads(count);
        return gradients();
      });
      expect(two).toEqual(one);
      expect(three).toEqual(one);
      return one as Float32Array;
    });
    for (const other of others) {
      const difference = Math.max(...other.map((value, i) => Math.abs(value - (first?.[i] ?? 0))));
      expect(difference).toBeLessThan(1e-4);
    }
  });

  it('is not one of another name', () => {
    expect(() => setBuild('sse9' as 'avx2')).toThrow(/setBuild: expected one of .*, got 'sse9'/);
  });
});

/** Gradients of a small net that runs most kernels, in a row. */
function gradients(): Float32Array {
  return tf.tidy(() => {
    const fill = (shape: number[], seed: string) =>
      tf.tensor(
        mix(tf.util.sizeFromShape(shape), seed).map((value) => value - 0.5),
        shape,
      );
    const x = fill([4, 12, 12, 16], 'x') as tf.Tensor4D;
    const filters = fill([3, 3, 16, 24], 'f') as tf.Tensor4D;
    const strided = fill([5, 5, 24, 20], 's') as tf.Tensor4D;
    const dense = fill([20 * 9, 10], 'd') as tf.Tensor2D;
    const labels = tf.oneHot(tf.tensor1d([1, 5, 9, 0], 'int32'), 10);
    const loss = (...[f, s, d]: tf.Tensor[]) => {
      const a = tf.maxPool(tf.relu(tf.conv2d(x, f as tf.Tensor4D, 1, 'same')), 2, 2, 'same');
      const b = tf.tanh(tf.conv2d(a, s as tf.Tensor4D, 2, 'same'));
      const logits = tf.matMul(tf.reshape(b, [4, -1]) as tf.Tensor2D, d as tf.Tensor2D);
      return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), labels), 1))) as tf.Scalar;
    };
    const all = tf.grads(loss)([filters, strided, dense]);
    return tf.concat(all.map((gradient) => tf.reshape(gradient, [-1]))).dataSync() as Float32Array;
  });
}

describe('DEEPEND_NATIVE', () => {
  it('0 keeps to WebAssembly', () => {
    expect(findNative('0')).toEqual({ reason: 'DEEPEND_NATIVE is 0' });
  });

  it('is 0 or 1', () => {
    expect(() => findNative('yes')).toThrow(/DEEPEND_NATIVE: expected '0' or '1', got 'yes'/);
  });

  it('unset leaves the choice of a WebAssembly build to DEEPEND_WASM', () => {
    vi.stubEnv('DEEPEND_WASM', 'plain');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(findNative('')).toEqual({ reason: 'DEEPEND_WASM asks for WebAssembly' });
  });
});

describe('an addon that', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'deepend-native-'));
    vi.stubEnv('XDG_CACHE_HOME', folder);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A module that counts how often it is loaded. */
  const addon = (text: string) => {
    const file = path.join(folder, 'addon.js');
    const count = `require('fs').appendFileSync(${JSON.stringify(`${file}.loads`)}, 'x');`;
    writeFileSync(file, `${count}\n${text}`);
    return file;
  };
  const loads = (file: string) => readFileSync(`${file}.loads`, 'utf8').length;

  it.each([
    ['crashes', "process.kill(process.pid, 'SIGILL')", /ends the process \(SIGILL\)/],
    ['computes wrong numbers', 'exports.check = () => false', /computes wrong numbers/],
    ['does not load', "throw new Error('wrong ELF class')", /does not load \(Error: wrong ELF/],
  ])('%s is refused, and not tried again', (_, text, message) => {
    const file = addon(text);
    expect(findFault(file)).toMatch(message);
    expect(findFault(file)).toMatch(message);
    expect(loads(file)).toBe(1);
  });

  it('works is tried once', () => {
    const file = addon('exports.check = () => true');
    expect([findFault(file), findFault(file)]).toEqual([undefined, undefined]);
    expect(loads(file)).toBe(1);
  });

  it('works is used where nothing can be remembered', () => {
    const file = addon('exports.check = () => true');
    vi.stubEnv('XDG_CACHE_HOME', '/dev/null');
    expect(findFault(file)).toBeUndefined();
  });
});
