/**
 * A process on WebGPU that ends in one of several ways: `tsx webgpu-child.ts WAY`. Prints what it
 * came to.
 */
import { cpu, device } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';

const way = process.argv[2];

if (way === 'no driver') {
  await device('webgpu:0').catch((error: Error) => console.log(error.message));
  console.log((await cpu()).backend);
} else {
  await device('webgpu:0');
  const product = tf.matMul(tf.ones([64, 64]), tf.ones([64, 64]));
  if (way === 'reads') console.log((await product.data())[0]);
  if (way === 'exits while a number is under way') {
    product.data();
    process.exit(0);
  }
  if (way === 'throws') {
    product.dataSync();
    throw new Error('on purpose');
  }
  if (way === 'loses the device')
    (tf.backend() as unknown as { device: { destroy(): void } }).device.destroy();
}
