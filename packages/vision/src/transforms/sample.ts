/** An image with boxes and a mask, which transforms change together. */
import { formatValue, type ImageShape, isUint8Array } from '@deepend/core';
import type { Box } from '../boxes/format';

/** An image in bytes. */
export interface VisionImage {
  /** uint8 `[height, width, channels]`. */
  readonly data: Uint8Array;
  readonly shape: ImageShape;
}

/** An image and what is known of its places. */
export interface VisionSample {
  readonly image: VisionImage;
  /** `[x1, y1, x2, y2]` of each object, as fractions of the image. @default none */
  readonly boxes?: readonly Box[];
  /** The class of each box. @default none */
  readonly labels?: readonly number[];
  /** The class of each pixel, `[height, width]` of the image. @default none */
  readonly mask?: Uint8Array | Int32Array;
}

const isBox = ([x1, y1, x2, y2, ...more]: Box) =>
  more.length === 0 && 0 <= x1 && x1 < x2 && x2 <= 1 && 0 <= y1 && y1 < y2 && y2 <= 1;

/**
 * @throws TypeError for an image that is not in bytes; RangeError for a mask of another size, a box
 *   outside of the image or with x1 ≥ x2 or y1 ≥ y2, when boxes and labels differ in number, and
 *   for a label that is no integer from 0
 */
export function checkSample(where: string, { image, boxes, labels, mask }: VisionSample): void {
  const [height = 0, width = 0, channels = 0] = image?.shape ?? [];
  if (!isUint8Array(image?.data) || image.data.length !== height * width * channels || !width) {
    throw new TypeError(
      `${where}: expected an image { data, shape } of bytes [height, width, channels], got ` +
        `${formatValue(image?.data)} of shape ${formatValue(image?.shape)}`,
    );
  }
  if (mask && mask.length !== height * width) {
    throw new RangeError(
      `${where}: expected a mask of the image's ${height} × ${width} pixels, got ` +
        `${mask.length} values; give the mask of this image`,
    );
  }
  const bad = boxes?.findIndex((box) => !isBox(box)) ?? -1;
  if (bad >= 0) {
    throw new RangeError(
      `${where}: expected boxes [x1, y1, x2, y2] with 0 ≤ x1 < x2 ≤ 1 and 0 ≤ y1 < y2 ≤ 1, got ` +
        `${formatValue(boxes?.[bad])} as box ${bad}; divide pixels by width and height`,
    );
  }
  if (labels && labels.length !== (boxes?.length ?? 0)) {
    throw new RangeError(
      `${where}: expected a label for each of ${boxes?.length ?? 0} boxes, got ${labels.length}`,
    );
  }
  const wrong = labels?.findIndex((label) => !(Number.isInteger(label) && label >= 0)) ?? -1;
  if (wrong >= 0) {
    throw new RangeError(
      `${where}: expected integers from 0 as labels, got ${formatValue(labels?.[wrong])} for box ` +
        `${wrong}`,
    );
  }
}
