/** Structural types that several packages share. */

/** `[height, width, channels]` of one image, without the batch. */
export type ImageShape = readonly [height: number, width: number, channels: number];
