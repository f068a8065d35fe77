/** The options that every model has, and the rules that check them. */
import { type ImageShape, rule } from '@deepend/core';
import { INITS, type Init } from './initializers';

export interface ModelOptions {
  /**
   * `[height, width, channels]` of one image, such as `[96, 96, 1]`. @default [224, 224, 3] for
   * torchvision's models, [32, 32, 3] for CIFAR's, the size that the book trains at for the book's
   * @example [28, 28, 1]
   */
  inputShape?: ImageShape;
  /**
   * Number of classes, the length of the logits. @default 10 for the book's and the CIFAR models,
   * 1000 for torchvision's
   * @example 10
   */
  numClasses?: number;
  /**
   * How kernels are initialized; biases are initialized with 0. @default 'xavier-uniform' for the
   * book's models, 'he-normal' for the others
   * @example 'he-normal'
   */
  init?: Init;
  /**
   * Seeds the initial weights: any safe integer. @default 0
   * @example 1
   */
  seed?: number;
}

export const modelRules = {
  inputShape: rule.imageShape().optional(),
  numClasses: rule.positiveInteger().optional(),
  init: rule.oneOf(INITS).optional(),
  seed: rule.seed().optional(),
};

/** The given options, completed by the defaults. */
export function withDefaults<D extends object, O extends object>(defaults: D, options: O): D & O {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) } as D & O;
}
