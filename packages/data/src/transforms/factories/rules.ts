/** What the options of transforms may be. */
import { rule } from '@deepend/core';
import { isResize, isSide, LARGEST_SIDE, type ResizeTo } from '../resample/size';

/** `[least, most]`. */
export type Range = readonly [least: number, most: number];

/** A number is the side of a square. */
export type CropSize = number | readonly [height: number, width: number];

const isPair = (value: unknown): value is [number, number] =>
  Array.isArray(value) &&
  value.length === 2 &&
  value.every((each) => Number.isFinite(each)) &&
  value[0] <= value[1];
const within = (least: number, most: number) => (value: unknown) =>
  typeof value === 'number' && value >= least && value <= most;

export const size = () =>
  rule.custom<ResizeTo>(
    isResize,
    `an integer from 1 to ${LARGEST_SIDE} or [height, width] of such numbers`,
  );
export const interpolation = () => rule.oneOf(['bilinear', 'bicubic', 'nearest']).optional();
export const side = () => rule.custom<number>(isSide, `an integer from 1 to ${LARGEST_SIDE}`);
export const padding = () =>
  rule
    .custom<number>((value) => value === 0 || isSide(value), `an integer from 0 to ${LARGEST_SIDE}`)
    .optional();
export const probability = () =>
  rule.custom<number>(within(0, 1), 'a number from 0 to 1').optional();
export const value = () => rule.finiteNumber().optional();
/** Shares of an image's area. */
export const share = () =>
  rule
    .custom<Range>(
      (at) => isPair(at) && at[0] >= 0 && at[1] <= 1 && at[1] > 0,
      '[least, most] of numbers from 0 to 1',
    )
    .optional();
export const ratio = () =>
  rule
    .custom<Range>((at) => isPair(at) && at[0] > 0, '[least, most] of numbers above 0')
    .optional();
export const channels = (message: string, test: (each: number) => boolean) =>
  rule.custom<number[]>(
    (at) =>
      Array.isArray(at) && at.length > 0 && at.every((each) => Number.isFinite(each) && test(each)),
    message,
  );

/** A number of at least 0 that `[least, most]` may stand for. */
export const amount = () =>
  rule
    .custom<number | Range>(
      (at) => within(0, Number.MAX_VALUE)(at) || (isPair(at) && at[0] >= 0),
      'a number of at least 0 or [least, most] of such numbers',
    )
    .optional();
export const degrees = () =>
  rule.custom<number | Range>(
    (at) => within(0, Number.MAX_VALUE)(at) || isPair(at),
    'a number of at least 0 or [least, most] of finite numbers',
  );

export const square = (at: CropSize): readonly [number, number] =>
  typeof at === 'number' ? [at, at] : at;
