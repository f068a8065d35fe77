/** The options that every model has, and their rules. */
import { type ImageShape, rule } from '@deepend/core';
import { INITS, type Init } from './initializers';

export interface ModelOptions {
  /**
   * `[height, width, channels]` of one image. @default the size its authors train at, and [224,
   * 224, 3] for torchvision's models
   */
  inputShape?: ImageShape;
  /** @default 10 for the book's and the CIFAR models, 1000 for torchvision's */
  numClasses?: number;
  /**
   * How kernels begin. @default 'xavier-uniform' for the book's models, 'he-normal' for the others
   */
  init?: Init;
  /** Seeds the initial weights: any safe integer. @default 0 */
  seed?: number;
}

export const modelRules = {
  inputShape: rule.imageShape().optional(),
  numClasses: rule.positiveInteger().optional(),
  init: rule.oneOf(INITS).optional(),
  seed: rule.seed().optional(),
};

/** The options given, and the defaults of those that are not. */
export function withDefaults<D extends object, O extends object>(defaults: D, options: O): D & O {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) } as D & O;
}
