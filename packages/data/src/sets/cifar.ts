/**
 * CIFAR's binary form: records of label bytes and the planes of red, green and blue.
 * https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { DataError } from '../errors';
import type { ImageShape } from '../types';

export interface CifarForm {
  /** Shape of the images as a `Dataset` holds them. */
  imageShape: ImageShape;
  /** Label bytes at the beginning of a record; the last of them is the class. */
  labelBytes: number;
  /** The file's name, for errors. */
  file?: string;
  /** What an error advises. */
  next?: string;
}

/** Images and labels as a `Dataset` holds them. */
export interface Samples {
  images: Uint8Array;
  labels: Uint8Array;
}

/**
 * Parses a file of records.
 * @returns images uint8 `[numSamples, height, width, channels]`, labels uint8 `[numSamples]`
 * @throws DataError when the bytes are not whole records, or none
 */
export function parseCifar(bytes: Uint8Array, form: CifarForm): Samples {
  const { imageShape, labelBytes, file = 'CIFAR data', next = 'get the file again' } = form;
  const [height, width, channels] = imageShape;
  const area = height * width;
  const size = area * channels;
  const numSamples = bytes.length / (labelBytes + size);
  if (numSamples === 0 || !Number.isInteger(numSamples)) {
    throw new DataError(
      file,
      `records of ${labelBytes + size} bytes each`,
      `${bytes.length} bytes in all`,
      next,
    );
  }
  const images = new Uint8Array(numSamples * size);
  const labels = new Uint8Array(numSamples);
  for (let i = 0; i < numSamples; i++) {
    const record = i * (labelBytes + size);
    labels[i] = bytes[record + labelBytes - 1] as number;
    for (let channel = 0; channel < channels; channel++) {
      const plane = record + labelBytes + channel * area; // [height, width] of one channel
      let at = i * size + channel; // [height, width, channels]
      for (let pixel = 0; pixel < area; pixel++, at += channels)
        images[at] = bytes[plane + pixel] as number;
    }
  }
  return { images, labels };
}
