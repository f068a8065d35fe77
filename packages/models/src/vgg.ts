/** VGG, Simonyan & Zisserman 2014, https://arxiv.org/abs/1409.1556, as the book writes it (Dive into Deep Learning, chapter 8.2). */
import { type Block, chain, conv, dense, dropout, flatten, maxPool, relu } from './layers';
import { numbered, scope } from './naming';

/** `depth` times 3×3 convolution and ReLU, then 2×2 max-pool: `[batch, h, w, c]` → `[batch, ⌊h / 2⌋, ⌊w / 2⌋, filters]`. */
export function vggStage(filters: number, depth: number): Block {
  const convolutions = Array.from({ length: depth }, (_, i) =>
    chain(conv(filters, { kernel: 3, padding: 1, name: `conv${i + 1}` }), relu(`relu${i + 1}`)),
  );
  return (x) => scope(numbered('stage'), () => chain(...convolutions, maxPool({ size: 2, name: 'pool' }))(x));
}

export interface VggHeadOptions {
  /** Of each hidden linear layer. */
  hidden: readonly number[];
  /** The rate of the dropout behind each hidden layer. */
  dropout: number;
  numClasses: number;
}

/** Linear layers with ReLU and dropout, and a last one without: `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
export function vggHead({ hidden, dropout: rate, numClasses }: VggHeadOptions): Block {
  const layers = hidden.map((units, i) =>
    chain(dense(units, `dense${i + 1}`), relu(`relu${i + 1}`), dropout(rate, `dropout${i + 1}`)),
  );
  return (x) => scope('head', () => chain(flatten('flatten'), ...layers, dense(numClasses, `dense${hidden.length + 1}`))(x));
}
