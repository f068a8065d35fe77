/** Squeeze-and-excitation, Hu et al. 2018, https://arxiv.org/abs/1709.01507. */
import {
  asPixel,
  type Block,
  chain,
  conv,
  globalAveragePool,
  multiply,
  relu,
  shapeOf,
  sigmoid,
  swish,
} from './layers';
import { scope } from './naming';

export interface SqueezeExcitationOptions {
  /** Scope of the names of its layers. @default 'se' */
  name?: string;
  /** Activation of the hidden layer. @default 'relu' */
  activation?: 'relu' | 'swish';
}

const ACTIVATIONS = { relu, swish };

/**
 * Multiplies each channel by a number in (0, 1), which two 1×1 convolutions compute from the means
 * of all channels: `[batch, h, w, c]` → the same shape.
 * @param ratio the hidden layer has channels / ratio units; 16 in the paper
 * @param options.name scope of the names of its layers @default 'se'
 * @param options.activation activation of the hidden layer @default 'relu'
 */
export function squeezeExcitation(
  ratio: number,
  { name = 'se', activation = 'relu' }: SqueezeExcitationOptions = {},
): Block {
  return (x) =>
    scope(name, () => {
      const channels = shapeOf(x).at(-1) ?? 1;
      const hidden = Math.max(1, Math.round(channels / ratio));
      const scale = chain(
        globalAveragePool('avgpool'),
        asPixel('pixel'),
        conv(hidden, { kernel: 1, name: 'fc1' }),
        ACTIVATIONS[activation](activation),
        conv(channels, { kernel: 1, name: 'fc2' }),
        sigmoid('sigmoid'),
      )(x); // [batch, 1, 1, channels]
      return multiply('scale')(x, scale);
    });
}
