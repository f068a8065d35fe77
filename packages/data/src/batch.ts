/** From bytes in memory to the tensors of a batch. */
import { tensor1d, tensor4d } from '@tensorflow/tfjs-core';
import { type ResizeTo, resizedShape, resizer } from './resize';
import type { Batch, Dataset } from './types';

/** 0 … 255 as float32 in [0, 1]: what torchvision's `ToTensor` makes of a byte. */
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

/** A function that makes a batch of the samples at `indices`. The caller owns the batch. */
export function batchMaker(dataset: Dataset, resize?: ResizeTo): (indices: Uint32Array) => Batch {
  const { imageShape } = dataset;
  const [height, width, channels] = resize === undefined ? imageShape : resizedShape(imageShape, resize);
  const resized = resize === undefined ? (images: Uint8Array) => images : resizer(imageShape, resize);
  const gathered = gatherer(dataset);
  return (indices) => {
    const bytes = resized(gathered(indices), indices.length); // uint8 [batch, height, width, channels]
    // Engines keep the array they are given, so each batch has its own.
    const values = new Float32Array(bytes.length);
    for (let i = 0; i < values.length; i++) values[i] = UNIT[bytes[i] as number] as number;
    const labels = Int32Array.from(indices, (index) => dataset.labels[index] as number);
    return {
      features: tensor4d(values, [indices.length, height, width, channels]),
      labels: tensor1d(labels, 'int32'),
    };
  };
}

/** Copies the images of a batch side by side, into memory that the next call uses again. */
function gatherer({ images, imageShape: [height, width, channels] }: Dataset): (indices: Uint32Array) => Uint8Array {
  const size = height * width * channels;
  let buffer = new Uint8Array(0);
  return (indices) => {
    if (buffer.length < indices.length * size) buffer = new Uint8Array(indices.length * size);
    indices.forEach((index, i) => {
      buffer.set(images.subarray(index * size, (index + 1) * size), i * size);
    });
    return buffer.subarray(0, indices.length * size);
  };
}
