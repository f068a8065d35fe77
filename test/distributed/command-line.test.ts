// Full run only: it trains in many processes, from the sources and as built.
/**
 * `deepend train --devices`, from the sources; and many devices from the built packages, whose
 * workers ask for them in another way.
 */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { loadFashionMnist } from '@deepend/data';
import { main } from 'deepend/cli';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

const absent = await loadFashionMnist(1, { progress: false }).then(
  () => undefined,
  () => 'skipped: Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
);

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

describe(`deepend train --devices (${absent ?? 'real data'})`, () => {
  const told: string[] = [];
  beforeEach(() => {
    told.length = 0;
    vi.spyOn(console, 'log').mockImplementation((...words) => told.push(words.join(' ')));
    vi.spyOn(console, 'error').mockImplementation((...words) => told.push(words.join(' ')));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = 0;
  });
  const deepend = (line: string) => main(['node', 'deepend', ...line.split(' ').filter(Boolean)]);
  const SMALL = '--model book/lenet --batch-size 32 --train 96 --test 32 --epochs 1 --workers 0';

  it.skipIf(absent)('trains on them, and goes on on them', async () => {
    const run = path.join(dir, 'run');
    await deepend(`train ${SMALL} --devices simd,cpu-js --out ${run}`);
    expect(told.join('\n')).toMatch(/examples\/sec on \[cpu, cpu\]/);
    expect((await fs.readJson(path.join(run, 'config.json'))).settings).toMatchObject({
      devices: 'simd,cpu-js',
    });
    told.length = 0;
    await deepend(`resume ${run} --epochs 2`);
    expect(told.join('\n')).toMatch(/examples\/sec on \[cpu, cpu\]/);
  });

  it.skipIf(absent)('takes all GPUs there are, and one device alone as ever', async () => {
    vi.stubEnv('DEEPEND_DEVICE', 'simd');
    await deepend(`train ${SMALL} --devices all --out ${path.join(dir, 'all')}`);
    vi.unstubAllEnvs();
    expect(told.join('\n')).toMatch(/examples\/sec on cpu$/m);
  });

  it.skipIf(absent).each([
    [
      '--device simd --devices simd,simd',
      /expected "device" or "devices", got both: 'simd' and 'simd,simd'/,
    ],
    ['--devices simd,smd', /got 'smd'; did you mean 'simd'\?/],
    ['--devices simd,simd --micro-batch 4', /"microBatch" must be left out with many devices/],
  ])('refuses %s', async (flags, message) => {
    await deepend(`train ${SMALL} ${flags} --out ${path.join(dir, 'refused')}`);
    expect(told.join('\n')).toMatch(message);
    expect(process.exitCode).toBe(1);
    expect(await fs.pathExists(path.join(dir, 'refused'))).toBe(false);
  });
});

const PROGRAM = `
  const simd = await device('simd');
  const grouped = nn.groupedConv2d({ filters: 4, kernelSize: 3, groups: 2, inputShape: [8, 8, 2], name: 'grouped' }); // tfjs has no such layer
  const net = tfl.sequential({ layers: [grouped, tfl.layers.flatten(), tfl.layers.dense({ units: 3 })] });
  const batch = () => ({ features: tf.randomUniform([6, 8, 8, 2], 0, 1, 'float32', 1), labels: tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32') });
  const loader = { numSamples: 6, numBatches: 1, batchSize: 6, async *[Symbol.asyncIterator]() { yield batch(); } };
  const { history } = await train(net, loader, null, { numEpochs: 30, lr: 0.05, devices: [simd, simd], progress: false });
  console.log(history[0].loss > history.at(-1).loss);
`;
const NAMES = '{ device, nn, train }';

it.each(
  Object.entries({
    'module.mjs': `import ${NAMES} from 'deepend';\nimport * as tf from '@tensorflow/tfjs-core';\nimport * as tfl from '@tensorflow/tfjs-layers';\n${PROGRAM}`,
    'script.cjs': `const ${NAMES} = require('deepend');\nconst tf = require('@tensorflow/tfjs-core');\nconst tfl = require('@tensorflow/tfjs-layers');\n(async () => {${PROGRAM}})();`,
  }),
)('the built packages: %s', async (name, text) => {
  const folder = path.resolve('node_modules/.cache/deepend-parallel-built');
  const file = path.join(folder, name);
  await fs.outputFile(file, text);
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: dir });
    expect(stdout).toBe('true\n');
  } finally {
    await fs.remove(file);
  }
});
