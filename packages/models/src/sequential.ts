import { checkOptions, rule } from '@deepend/checks';
import * as tfl from '@tensorflow/tfjs-layers';
import type { Block } from './layers';
import { build, type Init } from './naming';

/** `[height, width, channels]` */
export type ImageShape = [height: number, width: number, channels: number];

export interface SequentialOptions {
  /** `[height, width, channels]` of one image, without the batch. */
  inputShape: ImageShape;
  /** How kernels begin. @default 'xavier-uniform' */
  init?: Init;
  /** Where the initial weights come from: the same seed, the same weights. @default 0 */
  seed?: number;
  /** @default 'net' */
  name?: string;
}

export const INITS = ['xavier-uniform', 'he-normal'] as const satisfies readonly Init[];

const options = rule.options({
  inputShape: rule.imageShape(),
  init: rule.oneOf(INITS).optional(),
  seed: rule.nonNegativeInteger().optional(),
  name: rule.text().optional(),
});

/**
 * Builds a net from blocks, one after the other: `sequential([stem, residualStage(64, 2, { firstBlock: true }), ...], { inputShape })`.
 * Its weights are initialized here; nothing resets them later.
 * @throws RangeError when the image is too small for a block
 */
export function sequential(blocks: readonly Block[], sequentialOptions: SequentialOptions): tfl.LayersModel {
  const checked = checkOptions('[models] sequential', options, sequentialOptions);
  const { inputShape, init = 'xavier-uniform', seed = 0, name = 'net' } = checked;
  if (blocks.length === 0) throw new RangeError('[models] sequential: expected at least one block, got an empty list');
  return build({ init, seed }, () => {
    const image = tfl.input({ shape: inputShape, name: 'input' });
    const output = blocks.reduce<tfl.SymbolicTensor>(
      (x, block, i) => checkedShape(block(x), { name, inputShape, place: i + 1 }),
      image,
    );
    return tfl.model({ name, inputs: image, outputs: output });
  });
}

function checkedShape(x: tfl.SymbolicTensor, at: { name: string; inputShape: ImageShape; place: number }): tfl.SymbolicTensor {
  if (x.shape.slice(1).every((size) => size === null || size >= 1)) return x;
  throw new RangeError(
    `[models] ${at.name}: block ${at.place} would give [${x.shape.slice(1).join(', ')}] from an image of [${at.inputShape.join(', ')}]; ` +
      'give it larger images (the `resize` option of the data loaders)',
  );
}
