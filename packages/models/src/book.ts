/** The nets of Dive into Deep Learning, https://d2l.ai, with the hyper-parameters of its runs. */
import { checkOptions, rule } from '@deepend/checks';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { lenetHead, lenetStage } from './lenet';
import type { Init } from './naming';
import { cifarStem, classifier, residualStage, residualStem } from './residual';
import { type ImageShape, INITS, sequential } from './sequential';
import { vggHead, vggStage } from './vgg';

/** A row: the filters and padding of each stage's convolution, and the units of the linear layers before the last. */
export interface BookLenet {
  readonly stages: readonly (readonly [filters: number, padding: number])[];
  readonly hidden: readonly number[];
}

export const BOOK_LENETS = {
  // chapter 7.6; 61,706 parameters for 28×28 pixels, 1 channel and 10 classes
  lenet: { stages: [[6, 2], [16, 0]], hidden: [120, 84] }, // biome-ignore format: a row a net
} as const satisfies Record<string, BookLenet>;

/** A row: the filters and convolutions of each stage, and the units of the linear layers before the last. */
export interface BookVgg {
  readonly stages: readonly (readonly [filters: number, depth: number])[];
  readonly hidden: readonly number[];
}

export const BOOK_VGGS = {
  // chapter 8.2; for 224×224 pixels, 1 channel and 10 classes 128,806,154 parameters, with a quarter of the filters 43,093,322
  vgg11: { stages: [[64, 1], [128, 1], [256, 2], [512, 2], [512, 2]], hidden: [4096, 4096] }, // biome-ignore format: a row a net
} as const satisfies Record<string, BookVgg>;

/** A row: the filters of the stem and of each stage, and the blocks in each stage. */
export interface BookResNet {
  readonly stem: number;
  readonly stages: readonly (readonly [filters: number, depth: number])[];
}

export const BOOK_RESNETS = {
  // chapter 8.6; 11,178,378 parameters for 1 channel and 10 classes, with the stem for small images 11,175,818
  resnet18: { stem: 64, stages: [[64, 2], [128, 2], [256, 2], [512, 2]] }, // biome-ignore format: a row a net
  // the same builder, small enough to learn on a laptop in a minute: 78,538 parameters
  resnet8: { stem: 16, stages: [[16, 1], [32, 1], [64, 1]] }, // biome-ignore format: a row a net
} as const satisfies Record<string, BookResNet>;

/** `book`: 7×7 at stride 2 and max-pool; `cifar`: 3×3 at stride 1, which keeps a small image whole. */
const STEMS = { book: residualStem, cifar: cifarStem } as const;

export type BookLenetName = keyof typeof BOOK_LENETS;
export type BookVggName = keyof typeof BOOK_VGGS;
export type BookResNetName = keyof typeof BOOK_RESNETS;
export type ResNetStem = keyof typeof STEMS;

export interface NetOptions {
  /** `[height, width, channels]` of one image. @default [28, 28, 1] for LeNet, else [224, 224, 1] */
  inputShape?: ImageShape;
  /** @default 10 */
  numClasses?: number;
  /** How kernels begin. @default 'xavier-uniform' for the book's nets */
  init?: Init;
  /** Where the initial weights come from. @default 0 */
  seed?: number;
}

export interface VggOptions extends NetOptions {
  /** What every convolution's filters are divided by; the book trains with 4. It divides 64. @default 1 */
  widthDivisor?: number;
  /** The rate of the dropout behind each hidden linear layer, from 0 up to but not including 1. @default 0.5 */
  dropout?: number;
}

export interface ResNetOptions extends NetOptions {
  /** @default 'book' */
  stem?: ResNetStem;
}

/** What a net of the book may be asked for; each refuses what is another's. */
export type BookNetOptions = NetOptions | VggOptions | ResNetOptions;

const netRules = {
  inputShape: rule.imageShape().optional(),
  numClasses: rule.positiveInteger().optional(),
  init: rule.oneOf(INITS).optional(),
  seed: rule.nonNegativeInteger().optional(),
};

const NARROWEST = 64; // the filters of VGG's first stage
const DIVISOR = `a whole number that divides ${NARROWEST}`;

const netOptions = rule.options(netRules);
const vggOptions = rule.options({
  ...netRules,
  widthDivisor: rule
    .positiveInteger()
    .refine((divisor) => NARROWEST % divisor === 0, DIVISOR)
    .optional(),
  dropout: rule.nonNegativeNumber().lt(1, 'a number below 1').optional(),
});
const resNetOptions = rule.options({ ...netRules, stem: rule.oneOf(['book', 'cifar']).optional() });

/** Builds a LeNet of the book: `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
function bookLenet(name: BookLenetName, options: NetOptions = {}): LayersModel {
  const { inputShape = [28, 28, 1], numClasses = 10, ...rest } = checkOptions(`[models] book.${name}`, netOptions, options);
  const { stages, hidden } = BOOK_LENETS[name];
  const blocks = stages.map(([filters, padding]) => lenetStage(filters, { padding }));
  return sequential([...blocks, lenetHead(hidden, numClasses)], { inputShape, name: `book/${name}`, ...rest });
}

/** Builds a VGG of the book: `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
function bookVgg(name: BookVggName, options: VggOptions = {}): LayersModel {
  const checked = checkOptions(`[models] book.${name}`, vggOptions, options);
  const { inputShape = [224, 224, 1], numClasses = 10, widthDivisor = 1, dropout = 0.5, ...rest } = checked;
  const { stages, hidden } = BOOK_VGGS[name];
  const blocks = stages.map(([filters, depth]) => vggStage(filters / widthDivisor, depth));
  return sequential([...blocks, vggHead({ hidden, dropout, numClasses })], { inputShape, name: `book/${name}`, ...rest });
}

/** Builds a ResNet of the book: `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
function bookResNet(name: BookResNetName, options: ResNetOptions = {}): LayersModel {
  const checked = checkOptions(`[models] book.${name}`, resNetOptions, options);
  const { inputShape = [224, 224, 1], numClasses = 10, stem = 'book', ...rest } = checked;
  const row = BOOK_RESNETS[name];
  const blocks = row.stages.map(([filters, depth], i) => residualStage(filters, depth, { firstBlock: i === 0 }));
  return sequential([STEMS[stem](row.stem), ...blocks, classifier(numClasses)], { inputShape, name: `book/${name}`, ...rest });
}

/** The builder of an id `book/x` is `book.x`. */
export const book = {
  /** The book's LeNet (chapter 7.6): sigmoids and average pooling. */
  lenet: (options?: NetOptions): LayersModel => bookLenet('lenet', options),
  /** The book's VGG-11 (chapter 8.2), at full width unless `widthDivisor` says otherwise. */
  vgg11: (options?: VggOptions): LayersModel => bookVgg('vgg11', options),
  /** The book's ResNet-18 (chapter 8.6): biased convolutions, no normalization on the projection. */
  resnet18: (options?: ResNetOptions): LayersModel => bookResNet('resnet18', options),
  /** A small ResNet of the same parts: three stages of one block with 16, 32 and 64 filters. */
  resnet8: (options?: ResNetOptions): LayersModel => bookResNet('resnet8', options),
};
