/** Runs that stop and resume: the same bits as if they had not stopped. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { arrayDataset, DataLoader, randomCrop } from '@deepend/data';
import { book, cifar } from '@deepend/models';
import { schedules } from '@deepend/optim';
import {
  type Callback,
  checkpoints,
  listCheckpoints,
  newestCheckpoint,
  type TrainOptions,
  train,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { isFull, rowsOf } from '../helpers/full';
import { buildProgram, type Program } from '../helpers/program';

let dir: string;
let run: string;
let runs = 0;
beforeAll(async () => {
  await use('simd');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
beforeEach(() => {
  run = path.join(dir, `run${runs++}`);
});
afterAll(() => fs.remove(dir));

const SIZE = 12;
const pictures = (count: number) =>
  arrayDataset({
    images: Uint8Array.from(mix(count * SIZE * SIZE, 'pictures'), (value) => 255 * value),
    labels: Uint8Array.from({ length: count }, (_, i) => (7 * i + 3) % 10),
    imageShape: [SIZE, SIZE, 1],
  });
const trainLoader = () =>
  new DataLoader(pictures(40), {
    batchSize: 8,
    shuffle: true,
    seed: 4,
    transforms: [randomCrop(SIZE, { padding: 2 })],
    workers: 0,
  });
const testLoader = () => new DataLoader(pictures(16), { batchSize: 8, workers: 0 });

const nets: Record<string, () => LayersModel> = {
  resnet8: () => book.resnet8({ inputShape: [SIZE, SIZE, 1], seed: 2 }),
  'a net that drops branches': () =>
    cifar.resnet20({
      inputShape: [SIZE, SIZE, 1],
      stochasticDepth: 0.3,
      blockOrder: 'full-pre-activation',
      seed: 2,
    }),
};

const bits = (net: LayersModel) => {
  const hash = createHash('sha256');
  for (const weight of net.weights)
    hash.update(new Uint8Array(weight.read().dataSync().slice().buffer));
  return hash.digest('hex');
};

const SETTINGS: Record<string, () => Partial<TrainOptions>> = {
  'plain SGD': () => ({ lr: 0.05 }),
  'momentum, a schedule, averaged weights and clipped gradients': () => ({
    lr: schedules.cosine({ lr: 0.05, epochs: 4, by: 'step' }),
    optimizer: { name: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 1e-3 },
    emaDecay: 0.9,
    clipNorm: 1,
  }),
  'AdamW and accumulated gradients': () => ({
    lr: 1e-3,
    optimizer: { name: 'adamw', weightDecay: 0.01 },
    gradientAccumulationSteps: 2,
  }),
  'parts of a batch': () => ({ lr: 0.05, microBatch: 3 }),
};

const base = { numEpochs: 4, seed: 5, progress: false } as const;

/** Ends a run by an error, as a fault would, after this many steps. */
const breaksAfter = (steps: number): Callback => ({
  onStep: ({ globalStep }) => {
    if (globalStep === steps) throw new Error('pulled the plug');
  },
});
const plain = (history: readonly object[]) =>
  history.map((record) => ({
    ...record,
    seconds: 0,
    samplesPerSecond: 0,
    samplesPerSecondWithLoading: 0,
  }));

describe.each(Object.entries(SETTINGS))('with %s', (setting, options) => {
  // By default a net of either kind, and the settings with the most state.
  const isRepresentative = (name: string) =>
    name === (setting.startsWith('momentum') ? 'a net that drops branches' : 'resnet8');
  it.each(rowsOf(Object.keys(nets), isRepresentative))(
    '%s: 2 + 2 epochs are 4 epochs, bit for bit',
    async (name) => {
      const make = nets[name] as () => LayersModel;
      const whole = make();
      const { history } = await train(whole, trainLoader(), testLoader(), {
        ...base,
        ...options(),
      } as TrainOptions);

      await train(make(), trainLoader(), testLoader(), {
        ...base,
        ...options(),
        numEpochs: 2,
        callbacks: [checkpoints(run)],
      } as TrainOptions);
      const later = make();
      const resumed = await train(later, trainLoader(), testLoader(), {
        ...base,
        ...options(),
        resume: run,
      } as TrainOptions);
      expect(plain(resumed.history)).toEqual(plain(history));
      expect(bits(later)).toBe(bits(whole));
    },
  );

  it('resumes in the middle of an epoch', async () => {
    const make = nets.resnet8 as () => LayersModel;
    const whole = make();
    const { history } = await train(whole, trainLoader(), testLoader(), {
      ...base,
      ...options(),
    } as TrainOptions);

    const save = checkpoints(run, { everySteps: 2 });
    const failing = { ...base, ...options(), callbacks: [save, breaksAfter(9)] } as TrainOptions;
    await expect(train(make(), trainLoader(), testLoader(), failing)).rejects.toThrow(
      'pulled the plug',
    );
    const { checkpoint } = (await newestCheckpoint(run)) as NonNullable<
      Awaited<ReturnType<typeof newestCheckpoint>>
    >;
    expect(checkpoint.progress.epochsDone).toBe(1);
    expect([3, 4]).toContain(checkpoint.progress.step); // of 5; accumulated gradients are waited for
    const later = make();
    const resumed = await train(later, trainLoader(), testLoader(), {
      ...base,
      ...options(),
      resume: run,
      callbacks: [checkpoints(run)],
    } as TrainOptions);
    expect(plain(resumed.history)).toEqual(plain(history));
    expect(bits(later)).toBe(bits(whole));
  });
});

describe('checkpoints', () => {
  const make = nets.resnet8 as () => LayersModel;
  const options = (more: object = {}) => ({ ...base, lr: 0.05, ...more }) as TrainOptions;
  const names = async () =>
    (await listCheckpoints(path.join(run, 'checkpoints'))).map((file) => path.basename(file));

  it('keep the newest, and the best besides', async () => {
    await train(
      make(),
      trainLoader(),
      testLoader(),
      options({ callbacks: [checkpoints(run, { keep: 3, best: 1, monitor: 'loss' })] }),
    );
    expect(await names()).toEqual([
      'step-00000010.ckpt',
      'step-00000015.ckpt',
      'step-00000020.ckpt',
    ]);
    const best = (await fs.readdir(path.join(run, 'checkpoints'))).filter((name) =>
      name.startsWith('best-'),
    );
    expect(best).toHaveLength(1);
  });

  it('that are damaged are skipped', async () => {
    await train(
      make(),
      trainLoader(),
      testLoader(),
      options({ numEpochs: 3, callbacks: [checkpoints(run)] }),
    );
    const [older, newest] = await listCheckpoints(path.join(run, 'checkpoints'));
    const bytes = await fs.readFile(newest as string);
    const middle = bytes.length >> 1;
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    await fs.writeFile(newest as string, bytes);
    const found = await newestCheckpoint(run);
    expect(found?.file).toBe(older);
    expect(found?.damaged[0]?.reason).toMatch(/its checksum is wrong: it is damaged or cut off/);
    await fs.truncate(older as string, 100);
    await expect(
      train(make(), trainLoader(), testLoader(), options({ resume: run })),
    ).rejects.toThrow(/no checkpoint in .* is valid/);
  });

  const foreign: [string, Buffer, RegExp][] = [
    ['empty', Buffer.alloc(0), /expected a checkpoint, got something else/],
    ['of something else', Buffer.alloc(1000, 'x'), /expected a checkpoint, got something else/],
    [
      'of a later format',
      Buffer.concat([Buffer.from('DEEPEND'), Buffer.from([9]), Buffer.alloc(100)]),
      /expected format 2, got 9/,
    ],
    [
      'with a header beyond its end',
      Buffer.concat([
        Buffer.from('DEEPEND'),
        Buffer.from([2, 255, 255, 255, 255]),
        Buffer.alloc(100),
      ]),
      /its checksum is wrong/,
    ],
  ];
  it.each(foreign)('a file %s is refused', async (_, bytes, message) => {
    await fs.outputFile(path.join(run, 'checkpoints', 'step-00000001.ckpt'), bytes);
    await expect(newestCheckpoint(run)).rejects.toThrow(message);
  });

  it('are refused by another run', async () => {
    await train(
      make(),
      trainLoader(),
      null,
      options({ numEpochs: 1, callbacks: [checkpoints(run)] }),
    );
    const go = (net: LayersModel, more: object) =>
      train(net, trainLoader(), null, options({ resume: run, ...more }));
    await expect(go(make(), { seed: 6 })).rejects.toThrow(
      /is of another run: seed: 5 there, 6 here/,
    );
    await expect(go(make(), { optimizer: 'adam' })).rejects.toThrow(
      /optimizer: undefined there, 'adam' here/,
    );
    await expect(go(book.lenet({ inputShape: [28, 28, 1] }), {})).rejects.toThrow(/28/);
    await expect(
      go(book.resnet8({ inputShape: [SIZE, SIZE, 1], numClasses: 11 }), {}),
    ).rejects.toThrow(/expected the weight head.dense\/kernel of \[64, 11\], got \[64, 10\]/);
  });

  it('start from the beginning when there is none, and end at once when the run has ended', async () => {
    const first = await train(
      make(),
      trainLoader(),
      testLoader(),
      options({ resume: run, callbacks: [checkpoints(run)] }),
    );
    expect(first.history).toHaveLength(4);
    const net = make();
    const again = await train(net, trainLoader(), testLoader(), options({ resume: run }));
    expect(plain(again.history)).toEqual(plain(first.history));
  });

  it('leave no tensor', async () => {
    const net = make();
    const before = tf.memory().numTensors;
    await train(
      net,
      trainLoader(),
      testLoader(),
      options({ numEpochs: 1, optimizer: 'adam', emaDecay: 0.9, callbacks: [checkpoints(run)] }),
    );
    await train(
      net,
      trainLoader(),
      testLoader(),
      options({ numEpochs: 2, optimizer: 'adam', emaDecay: 0.9, resume: run }),
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});

if (isFull)
  describe('a run that is killed at random moments', () => {
    let program: Program;
    beforeAll(async () => {
      program = await buildProgram('test/trainer/killed.ts');
    });
    afterAll(() => program.remove());
    const start = (folder: string) => spawn(process.execPath, [program.file, folder]);

    it('always resumes, to the same result', async () => {
      const whole = path.join(dir, 'whole');
      const finish = (folder: string) =>
        new Promise<string>((resolve, reject) => {
          const child = start(folder);
          let output = '';
          child.stdout.on('data', (chunk) => {
            output += chunk;
          });
          child.on('close', (code) =>
            code === 0
              ? resolve(output.trim().split('\n').at(-1) as string)
              : reject(new Error(output)),
          );
        });
      const expected = await finish(whole);
      let seed = 1;
      for (let kill = 0; kill < 6; kill++) {
        const child = start(run);
        await new Promise<void>((resolve) => {
          let steps = 0;
          seed = (seed * 48_271) % 2_147_483_647;
          const least = 1 + (seed % 5); // steps that it is given, then some milliseconds
          const closed = () => resolve();
          child.on('close', closed);
          child.stdout.on('data', (chunk) => {
            steps += String(chunk).split('step').length - 1;
            if (steps >= least) setTimeout(() => child.kill('SIGKILL'), seed % 37);
          });
        });
      }
      expect(await finish(run)).toBe(expected);
    }, 180_000);
  });
