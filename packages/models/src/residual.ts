/** Residual blocks, He et al. 2015, https://arxiv.org/abs/1512.03385, as the book writes them (Dive into Deep Learning, chapter 8.6). */
import { checkOptions, rule } from '@deepend/checks';
import { add, type Block, batchNorm, chain, conv, dense, globalAveragePool, maxPool, relu } from './layers';
import { numbered, scope } from './naming';

export interface ResidualOptions {
  /** A 1×1 convolution on the shortcut. Needed where the number of channels or the stride changes. @default false */
  projection?: boolean;
  /** Stride of the first convolution and of the projection. @default 1 */
  stride?: number;
  name?: string;
}

const residualOptions = rule.options({
  projection: rule.flag().optional(),
  stride: rule.positiveInteger().optional(),
  name: rule.text().optional(),
});

/**
 * f(x) = relu(x + g(x)), g: 3×3 convolution, batch norm, ReLU, 3×3 convolution, batch norm.
 * The book's block: its convolutions have biases and its projection no normalization, unlike torchvision's.
 */
export function residual(filters: number, options: ResidualOptions = {}): Block {
  const { projection = false, stride = 1, name } = checkOptions('[models] residual', residualOptions, options);
  return (x) =>
    scope(numbered('block', name), () => {
      const g = chain(
        conv(filters, { kernel: 3, stride, padding: 1, name: 'conv1' }),
        batchNorm('bn1'),
        relu('relu1'),
        conv(filters, { kernel: 3, padding: 1, name: 'conv2' }),
        batchNorm('bn2'),
      )(x); // [batch, ⌈h/stride⌉, ⌈w/stride⌉, filters]
      const shortcut = projection ? conv(filters, { kernel: 1, stride, name: 'conv3' })(x) : x;
      return relu('relu2')(add('add')(g, shortcut));
    });
}

export interface ResidualStageOptions {
  /** The first stage of a net neither halves the image nor projects. @default false */
  firstBlock?: boolean;
  name?: string;
}

const stageOptions = rule.options({ firstBlock: rule.flag().optional(), name: rule.text().optional() });

/** `depth` residual blocks; the first halves height and width and projects to `filters` channels, unless `firstBlock`. */
export function residualStage(filters: number, depth: number, options: ResidualStageOptions = {}): Block {
  const { firstBlock = false, name } = checkOptions('[models] residualStage', stageOptions, options);
  const blocks = Array.from({ length: depth }, (_, i) => {
    const down = i === 0 && !firstBlock;
    return residual(filters, { projection: down, stride: down ? 2 : 1 });
  });
  return (x) => scope(numbered('stage', name), () => chain(...blocks)(x));
}

/** The book's stem: 7×7 convolution at stride 2, batch norm, ReLU, 3×3 max-pool at stride 2: height and width become a quarter. */
export function residualStem(filters = 64): Block {
  return (x) =>
    scope('stem', () =>
      chain(
        conv(filters, { kernel: 7, stride: 2, padding: 3, name: 'conv' }),
        batchNorm('bn'),
        relu('relu'),
        maxPool({ size: 3, stride: 2, padding: 1, name: 'pool' }),
      )(x),
    );
}

/** The stem for small images, He et al. 2015, section 4.2: 3×3 convolution, batch norm, ReLU; height and width stay. */
export function cifarStem(filters = 64): Block {
  return (x) =>
    scope('stem', () => chain(conv(filters, { kernel: 3, padding: 1, name: 'conv' }), batchNorm('bn'), relu('relu'))(x));
}

/** Global average pool and a linear layer: `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
export function classifier(numClasses: number): Block {
  return (x) => scope('head', () => chain(globalAveragePool('pool'), dense(numClasses, 'dense'))(x));
}
