/**
 * CIFAR's binary format: records of label bytes followed by the red, green and blue planes.
 * https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { DataError } from '../../errors';
import type { ImageShape } from '../../types';

export interface CifarFormat {
  /** Shape of the images as in a `Dataset`. */
  imageShape: ImageShape;
  /** Label bytes at the beginning of a record; the last of them is the class. */
  labelBytes: number;
  /** The file's name, for errors. */
  file?: string;
  /** The advice in errors. */
  next?: string;
}

/** Images and labels as in a `Dataset`. */
export interface CifarSamples {
  images: Uint8Array;
  labels: Uint8Array;
}

/**
 * Parses a file of records.
 * @returns images uint8 `[numSamples, height, width, channels]`, labels uint8 `[numSamples]`
 * @throws DataError when the last record is incomplete, or there are no bytes
 */
export function parseCifar(bytes: Uint8Array, format: CifarFormat): CifarSamples {
  const { imageShape, labelBytes, file = 'CIFAR data', next = 'get the file again' } = format;
  const [height, width, channels] = imageShape;
  const area = height * width;
  const size = area * channels;
  const numSamples = bytes.length / (labelBytes + size);
  if (numSamples === 0 || !Number.isInteger(numSamples)) {
    const expected = `records of ${labelBytes + size} bytes each`;
    throw new DataError(file, expected, `${bytes.length} bytes in all`, next);
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
