/** The models of Dive into Deep Learning, https://d2l.ai, each with its builder. */
import { checkOptions, rule } from '@deepend/core';
import type { ModelOptions } from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type AlexNetOptions, bookAlexnet } from './alexnet';
import { bookRegnetx32, bookResnext18 } from './anynet';
import { bookDensenet } from './densenet';
import { bookGooglenet } from './googlenet';
import { type BookLenetName, bookLenet } from './lenet';
import { bookMlp, type MlpOptions } from './mlp';
import { bookNin, type NinOptions } from './nin';
import {
  buildResNet,
  type ResNetOptions,
  type ResNetSpec,
  type ResNetStyle,
  resNetRules,
} from './resnet';
import { type BookVggOptions, bookVgg } from './vgg';

export const BOOK_RESNETS = {
  // chapter 8.6; 11,178,378 parameters for 1 channel and 10 classes, with the stem for small images
  // 11,175,818
  resnet18: { block: 'basic', depths: [2, 2, 2, 2] },
  // the same builder, small enough to train on a laptop in a minute: 78,538 parameters
  resnet8: { block: 'basic', depths: [1, 1, 1], filters: 16 },
} as const satisfies Record<string, ResNetSpec>;

export type BookResNetName = keyof typeof BOOK_RESNETS;

/** The book's residual model: biased convolutions, no normalization on the projection. */
const BOOK_STYLE: ResNetStyle = {
  names: {
    stem: ['stem', 'conv', 'bn', 'relu', 'pool'],
    stage: (place) => `stage${place + 1}`,
    block: (place) => `block${place + 1}`,
    end: { norm: 'end.bn', relu: 'end.relu' },
    head: ['head', 'pool', 'dense'],
  },
  bias: true,
  normalizedProjection: false,
  defaults: {
    inputShape: [224, 224, 1],
    numClasses: 10,
    init: 'xavier-uniform',
    stem: 'book',
    shortcut: 'B',
  },
};

const resNetOptions = rule.object(resNetRules);

function bookResnet(name: BookResNetName, options: ResNetOptions = {}): LayersModel {
  const checked = checkOptions(`[models] book.${name}`, resNetOptions, options) as ResNetOptions;
  return buildResNet(`book/${name}`, BOOK_RESNETS[name], checked, BOOK_STYLE);
}

/** The options of the book's models; a model refuses options of another one. */
export type BookModelOptions =
  | ModelOptions
  | BookVggOptions
  | ResNetOptions
  | AlexNetOptions
  | NinOptions
  | MlpOptions;

const lenet = (name: BookLenetName) => (options?: ModelOptions) => bookLenet(name, options);

/** The book's models: `book.x` builds the model with the id `book/x`. */
export const book = {
  /** Softmax regression (chapter 4): one linear layer. */
  softmax_regression: (options?: ModelOptions): LayersModel =>
    bookMlp('softmax_regression', options),
  /** The multilayer perceptron (chapter 5): 256 hidden units. */
  mlp: (options?: MlpOptions): LayersModel => bookMlp('mlp', options),
  /** The book's LeNet (chapter 7.6): sigmoids and average pooling. */
  lenet: lenet('lenet'),
  /** LeNet with batch normalization (chapter 8.5). */
  bn_lenet: lenet('bn_lenet'),
  /** The book's AlexNet (chapter 8.1). */
  alexnet: bookAlexnet,
  /** The book's VGG-11 (chapter 8.2), at full width unless `widthDivisor` is set. */
  vgg11: (options?: BookVggOptions): LayersModel => bookVgg('vgg11', options),
  /** VGG-13 as the book writes VGG. */
  vgg13: (options?: BookVggOptions): LayersModel => bookVgg('vgg13', options),
  /** VGG-16 as the book writes VGG. */
  vgg16: (options?: BookVggOptions): LayersModel => bookVgg('vgg16', options),
  /** VGG-19 as the book writes VGG. */
  vgg19: (options?: BookVggOptions): LayersModel => bookVgg('vgg19', options),
  /** The book's network in network (chapter 8.3). */
  nin: bookNin,
  /** The book's GoogLeNet (chapter 8.4). */
  googlenet: bookGooglenet,
  /**
   * The book's ResNet-18 (chapter 8.6): biased convolutions, no normalization on the projection.
   */
  resnet18: (options?: ResNetOptions): LayersModel => bookResnet('resnet18', options),
  /** A small ResNet of the same parts: three stages of one block with 16, 32 and 64 filters. */
  resnet8: (options?: ResNetOptions): LayersModel => bookResnet('resnet8', options),
  /** ResNet-18's stages made of the book's ResNeXt blocks (chapter 8.6.5). */
  resnext18: bookResnext18,
  /** The book's DenseNet (chapter 8.7). */
  densenet: bookDensenet,
  /** RegNetX-32 (chapter 8.8). */
  regnetx32: bookRegnetx32,
};
