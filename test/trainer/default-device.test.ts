/** Without a choice, the best CPU backend computes; a backend set through TensorFlow.js stays. */
import { evaluate, predict, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it, vi } from 'vitest';
import { fakeLoader, linearNet } from '../helpers/loaders';

it('the best CPU backend is the default, and a backend that the user sets stays', async () => {
  const net = linearNet(); // TensorFlow.js has started plain JavaScript by itself
  expect(tf.getBackend()).toBe('cpu');
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const { device } = await train(net, fakeLoader(12, 3), null, { numEpochs: 1, lr: 0.1 });
  const lines = log.mock.calls.map(([line]) => String(line));
  log.mockRestore();
  expect(device).toMatchObject({ name: 'cpu', backend: 'simd' });
  expect(device.why).toMatch(/^no device was chosen, so the best CPU backend computes/);
  expect(lines[0]).toBe(`training on cpu: ${device.hardware} (${device.why})`);

  await tf.setBackend('cpu');
  const plain = linearNet();
  const quiet = { numEpochs: 1, lr: 0.1, progress: false };
  const trained = await train(plain, fakeLoader(12, 3), null, quiet);
  expect(trained.device.backend).toBe('cpu-js');
  await evaluate(plain, fakeLoader(12, 3));
  const outputs = await predict(plain, fakeLoader(12, 3));
  outputs.dispose();
  expect(tf.getBackend()).toBe('cpu');
});
