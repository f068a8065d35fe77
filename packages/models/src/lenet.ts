/** LeNet-5, LeCun et al. 1998, https://doi.org/10.1109/5.726791, as the book writes it (Dive into Deep Learning, chapter 7.6). */
import { averagePool, type Block, chain, conv, dense, flatten, sigmoid } from './layers';
import { numbered, scope } from './naming';

/** 5×5 convolution, sigmoid, 2×2 average pool: `[batch, h, w, c]` → `[batch, ⌊(h + 2·padding − 4) / 2⌋, …, filters]`. */
export function lenetStage(filters: number, { padding = 0 }: { padding?: number } = {}): Block {
  const blocks = chain(
    conv(filters, { kernel: 5, padding, name: 'conv' }),
    sigmoid('sigmoid'),
    averagePool({ size: 2, name: 'pool' }),
  );
  return (x) => scope(numbered('stage'), () => blocks(x));
}

/** Linear layers with sigmoids between them: `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
export function lenetHead(hidden: readonly number[], numClasses: number): Block {
  const layers = hidden.map((units, i) => chain(dense(units, `dense${i + 1}`), sigmoid(`sigmoid${i + 1}`)));
  return (x) => scope('head', () => chain(flatten('flatten'), ...layers, dense(numClasses, `dense${hidden.length + 1}`))(x));
}
