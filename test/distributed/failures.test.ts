// Full run only: it waits for devices that are silent.
/** How training on many devices ends: well, by a device that dies or stays silent, by Ctrl-C. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { compile, type ForwardPass, type Plan, type StepResult } from '@deepend/compiler';
import { type Device, device } from '@deepend/device';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DeviceGroup } from '../../packages/distributed/src/device-group';
import {
  type StartTransport,
  startThread,
  type Transport,
} from '../../packages/distributed/src/transport';
import { mix } from '../helpers/fill';
import { rowsOf } from '../helpers/full';
import { buildProgram, type Program } from '../helpers/program';

const init = (seed: number) => tfl.initializers.glorotUniform({ seed });
const build = () =>
  tfl.sequential({
    layers: [
      tfl.layers.conv2d({
        filters: 8,
        kernelSize: 3,
        inputShape: [16, 16, 1],
        kernelInitializer: init(1),
      }),
      tfl.layers.flatten(),
      tfl.layers.dense({ units: 3, kernelInitializer: init(2) }),
    ],
  });
let simd: Device;
let net: tfl.LayersModel;
let plan: Plan;
let tensors = 0;
beforeAll(async () => {
  simd = await device('simd');
  net = build();
  plan = compile(net);
  tensors = tf.memory().numTensors;
});
const batchOf = (count: number) => ({
  features: tf.tensor4d(mix(count * 256, 'features'), [count, 16, 16, 1]),
  labels: tf.tensor1d(
    Int32Array.from({ length: count }, (_, i) => i % 3),
    'int32',
  ),
});

let group: DeviceGroup;
const links: Transport[] = [];
/** Starts by `start`, and keeps the link. */
const kept =
  (start: StartTransport): StartTransport =>
  (options) => {
    const link = start(options);
    links.push(link);
    return link;
  };
async function begin(
  start: StartTransport,
  { timeout = 30_000, count = 2 } = {},
): Promise<DeviceGroup> {
  group = new DeviceGroup({
    model: net,
    plan,
    loss: softmaxCrossEntropy,
    devices: new Array<Device>(count).fill(simd),
    timeout,
    start: kept(start),
  });
  await group.begin();
  return group;
}
const free = ({ loss, correct, gradients }: StepResult<tf.Scalar | null>) => {
  tf.dispose([loss, correct as tf.Scalar, ...gradients.map(({ gradient }) => gradient)]);
};
async function step(count = 6) {
  const batch = batchOf(count);
  try {
    const result = await group.step(batch, 1);
    const numbers = [result.loss, ...result.gradients.map(({ gradient }) => gradient)].map(
      (tensor) => [...tensor.dataSync()],
    );
    free(result);
    return numbers;
  } finally {
    tf.dispose([batch.features, batch.labels]);
  }
}

afterEach(async () => {
  await group?.end();
  links.splice(0);
  expect(tf.memory().numTensors).toBe(tensors);
});

const PLACE = /^\[trainer\] train: device 2 of 2, cpu \(simd\): /;

describe('a device in a thread', () => {
  const start = startThread;
  const ended = /its thread ended: exit code \d; .*fewer devices/;

  it('that dies between steps', async () => {
    await begin(start);
    await step();
    await (links[0] as Transport).end();
    const next = step();
    await expect(next).rejects.toThrow(ended);
    await expect(next).rejects.toThrow(PLACE);
  });

  it('that dies while it computes', async () => {
    await begin(start);
    const next = step();
    void (links[0] as Transport).end();
    await expect(next).rejects.toThrow(ended);
  });

  it('that dies before it begins', async () => {
    const dying: StartTransport = (options) => {
      const link = start(options);
      void link.end();
      return link;
    };
    await expect(begin(dying)).rejects.toThrow(ended);
  });

  it.each(rowsOf(['begin', 'forward', 'backward'] as const, (name) => name !== 'forward'))(
    'that stays silent when asked for %s',
    async (silentOn) => {
      const silent: StartTransport = (options) => {
        const link = start(options);
        return {
          ...link,
          send: (request) => void (request.request !== silentOn && link.send(request)),
        };
      };
      const attempt = begin(silent, { timeout: 2000 }).then(() => step());
      await expect(attempt).rejects.toThrow(/device 2 of 2, cpu \(simd\): no answer for 2 s/);
    },
  );

  it('that lacks memory', async () => {
    process.env.DEEPEND_MEMORY_MIB = '16';
    try {
      await begin(start);
    } finally {
      delete process.env.DEEPEND_MEMORY_MIB;
    }
    await step();
    const attempt = step(4000); // 2000 of 14 × 14 × 8 floats
    await expect(attempt).rejects.toMatchObject({ name: 'OutOfMemoryError' });
    await expect(attempt).rejects.toThrow(PLACE);
  });
});

it('frees what was open when this thread fails', async () => {
  await begin(startThread);
  const open = plan.forward.bind(plan);
  plan.forward = (...args) => {
    const step: ForwardPass = open(...args);
    return {
      ...step,
      backward: (dLogits) => {
        dLogits.dispose();
        throw new Error('no way back');
      },
    };
  };
  try {
    await expect(step()).rejects.toThrow('no way back');
  } finally {
    plan.forward = open;
  }
  await step(); // and it goes on
});

describe('a program that trains on many devices', () => {
  const dir = path.resolve('node_modules/.cache/deepend-parallel-ends');
  let built: Program;
  beforeAll(async () => {
    await fs.emptyDir(dir);
    built = await buildProgram('test/distributed/failures-program.ts');
  });
  afterAll(async () => {
    await built.remove();
    await fs.remove(dir);
  });

  const run = (...args: string[]) =>
    spawn(process.execPath, [built.file, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
  const output = (child: ChildProcess) => {
    let text = '';
    child.stdout?.on('data', (data) => {
      text += data;
    });
    return () => text;
  };
  const firstStep = async (child: ChildProcess) => {
    await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data');
    child.stdout?.resume(); // it goes on telling of steps
  };
  it('ends by itself', async () => {
    const child = run('ends', dir);
    const text = output(child);
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(text()).toBe('done 2\n');
  });

  it('saves at Ctrl-C', async () => {
    const folder = path.join(dir, 'run');
    const child = run('saves', folder);
    await firstStep(child);
    process.kill(-(child.pid as number), 'SIGINT');
    expect(await once(child, 'exit')).toEqual([130, null]);
    expect(await fs.readdir(path.join(folder, 'checkpoints'))).not.toEqual([]);
  });
});
