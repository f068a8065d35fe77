// Full run only: each case is a process that bundles the sources and loads data.
/** A process with loaders exits by itself, also after abandoned loops. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

describe('the process', () => {
  const run = promisify(execFile);
  const root = path.resolve(import.meta.dirname, '../..');
  const script = (body: string) => `
    import * as tf from '@tensorflow/tfjs-core';
    import '@tensorflow/tfjs-backend-cpu';
    import { DataLoader } from '${path.join(root, 'packages/data/src/index.ts')}';
    const dataset = { images: new Uint8Array(40 * 48), labels: new Uint8Array(40), imageShape: [4, 4, 3] };
    const loader = new DataLoader(dataset, { batchSize: 4, resize: 64, workers: 2 });
    ${body}`;
  const evaluate = (body: string) =>
    run(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script(body)], {
      cwd: root,
      env: { ...process.env, TSX_TSCONFIG_PATH: path.join(root, 'tsconfig.json') },
      timeout: 30_000,
    });

  it.each([
    [
      'a whole loop',
      'let n = 0; for await (const { features } of loader) n++; console.log(n);',
      '10',
    ],
    [
      'a loop that is left',
      'for await (const { features } of loader) { console.log(features.shape[1]); break; }',
      '64',
    ],
    [
      'a loop that nobody goes on with',
      'const { value } = await loader[Symbol.asyncIterator]().next(); console.log(value.features.shape[1]);',
      '64',
    ],
    [
      'an error in a loop',
      'try { for await (const _ of loader) throw new Error("x"); } catch (e) { console.log(e.message); }',
      'x',
    ],
  ])('ends by itself after %s', async (_, body, said) => {
    expect((await evaluate(body)).stdout.trim()).toBe(said);
  });
});
