/** Rules that the options of several transforms share. */
import { rule } from '@deepend/core';
import type { Range } from './implementation';
import { isResize, isSide, LARGEST_SIDE, type ResizeTo } from './resample/layout';

/** A number is the side of a square. */
export type CropSize = number | readonly [height: number, width: number];

export const asHeightWidth = (size: CropSize): readonly [height: number, width: number] =>
  typeof size === 'number' ? [size, size] : size;

const isRange = (value: unknown): value is [number, number] =>
  Array.isArray(value) &&
  value.length === 2 &&
  value.every((each) => Number.isFinite(each)) &&
  value[0] <= value[1];
const isWithin = (value: unknown, least: number, most: number) =>
  typeof value === 'number' && value >= least && value <= most;

export const size = () =>
  rule.custom<ResizeTo>(
    isResize,
    `an integer from 1 to ${LARGEST_SIDE} or [height, width] of such integers`,
  );
export const interpolation = () => rule.oneOf(['bilinear', 'bicubic', 'nearest']).optional();
export const side = () => rule.custom<number>(isSide, `an integer from 1 to ${LARGEST_SIDE}`);
export const padding = () =>
  rule
    .custom<number>((value) => value === 0 || isSide(value), `an integer from 0 to ${LARGEST_SIDE}`)
    .optional();
export const probability = () =>
  rule.custom<number>((value) => isWithin(value, 0, 1), 'a number from 0 to 1').optional();
export const value = () => rule.finiteNumber().optional();
/** Fractions of an image's area. */
export const areaRange = () =>
  rule
    .custom<Range>(
      (value) => isRange(value) && value[0] >= 0 && value[1] <= 1 && value[1] > 0,
      '[least, most] of numbers from 0 to 1',
    )
    .optional();
export const ratioRange = () =>
  rule
    .custom<Range>((value) => isRange(value) && value[0] > 0, '[least, most] of numbers above 0')
    .optional();
export const channelValues = (message: string, test: (each: number) => boolean) =>
  rule.custom<number[]>(
    (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((each) => Number.isFinite(each) && test(each)),
    message,
  );

/** A number of at least 0, or the range it stands for. */
export const strength = () =>
  rule
    .custom<number | Range>(
      (value) => isWithin(value, 0, Number.MAX_VALUE) || (isRange(value) && value[0] >= 0),
      'a number of at least 0 or [least, most] of such numbers',
    )
    .optional();
export const degrees = () =>
  rule.custom<number | Range>(
    (value) => isWithin(value, 0, Number.MAX_VALUE) || isRange(value),
    'a number of at least 0 or [least, most] of finite numbers',
  );
