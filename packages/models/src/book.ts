/** The nets of Dive into Deep Learning, https://d2l.ai, with the hyper-parameters of its runs. */
import { checkOptions, rule } from '@deepend/checks';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Init } from './naming';
import { classifier, residualStage, residualStem } from './residual';
import { type ImageShape, INITS, sequential } from './sequential';

/** A row: the filters of the stem and of each stage, and the blocks in each stage. */
export interface BookResNet {
  readonly stem: number;
  readonly stages: readonly (readonly [filters: number, depth: number])[];
}

export const BOOK_RESNETS = {
  // chapter 8.6; 11,178,378 parameters for 1 channel and 10 classes
  resnet18: { stem: 64, stages: [[64, 2], [128, 2], [256, 2], [512, 2]] }, // biome-ignore format: a row a net
  // the same builder, small enough to learn on a laptop in a minute: 78,538 parameters
  resnet8: { stem: 16, stages: [[16, 1], [32, 1], [64, 1]] }, // biome-ignore format: a row a net
} as const satisfies Record<string, BookResNet>;

export type BookResNetName = keyof typeof BOOK_RESNETS;

export interface NetOptions {
  /** `[height, width, channels]` of one image. @default [224, 224, 1] */
  inputShape?: ImageShape;
  /** @default 10 */
  numClasses?: number;
  /** How kernels begin. @default 'xavier-uniform' for the book's nets */
  init?: Init;
  /** Where the initial weights come from. @default 0 */
  seed?: number;
}

const netOptions = rule.options({
  inputShape: rule.imageShape().optional(),
  numClasses: rule.positiveInteger().optional(),
  init: rule.oneOf(INITS).optional(),
  seed: rule.nonNegativeInteger().optional(),
});

/** Builds a ResNet of the book: `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
function bookResNet(name: BookResNetName, options: NetOptions = {}): LayersModel {
  const { inputShape = [224, 224, 1], numClasses = 10, ...rest } = checkOptions(`[models] book.${name}`, netOptions, options);
  const { stem, stages } = BOOK_RESNETS[name];
  const blocks = stages.map(([filters, depth], i) => residualStage(filters, depth, { firstBlock: i === 0 }));
  return sequential([residualStem(stem), ...blocks, classifier(numClasses)], { inputShape, name: `book/${name}`, ...rest });
}

/** The builder of an id `book/x` is `book.x`. */
export const book = {
  /** The book's ResNet-18 (chapter 8.6): biased convolutions, no normalization on the projection. */
  resnet18: (options?: NetOptions): LayersModel => bookResNet('resnet18', options),
  /** A small ResNet of the same parts: three stages of one block with 16, 32 and 64 filters. */
  resnet8: (options?: NetOptions): LayersModel => bookResNet('resnet8', options),
};
