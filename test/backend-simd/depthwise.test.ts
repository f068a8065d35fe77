/** Depthwise convolution and its gradients on simd equal stock cpu's. */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { runsOf } from '../helpers/full';
import { type Convolution, convolution, definedGradients, infoOf, numbers } from './convolutions';
import { expectAlike, expectLikeCpu, type KernelCall, poisoned, poisonOf, runOn } from './kernels';

const DIRECTIONS = ['forward', 'input', 'filter'] as const;
type Direction = (typeof DIRECTIONS)[number];

function callOf(c: Convolution, direction: Direction): KernelCall {
  const { x, filter, dy } = numbers(c, true);
  const attrs = { strides: c.strides, pad: c.pad as 'valid', dilations: c.dilations };
  return {
    forward: { kernel: 'DepthwiseConv2dNative', inputs: { x, filter }, attrs },
    input: {
      kernel: 'DepthwiseConv2dNativeBackpropInput',
      inputs: { dy, filter },
      attrs: { ...attrs, inputShape: c.image },
    },
    filter: {
      kernel: 'DepthwiseConv2dNativeBackpropFilter',
      inputs: { x, dy },
      attrs: { ...attrs, filterShape: c.filter },
    },
  }[direction];
}

const termsOf = (c: Convolution) => {
  const { batchSize, outHeight, outWidth } = infoOf(c, true);
  return { terms: Math.max(c.filter[0] * c.filter[1], batchSize * outHeight * outWidth) };
};

const every = convolution({ columns: [1, 1, 2, 3] }, true);

/** As a convolution of all channels with all, whose filter is a diagonal. */
function dense(c: Convolution) {
  const { x, filter, dy } = numbers(c, true);
  const [height, width, channels] = c.filter;
  const values = new Float32Array(height * width * channels * channels);
  filter.values.forEach((value, i) => {
    values[i * channels + (i % channels)] = value;
  });
  const shape: Convolution['filter'] = [height, width, channels, channels];
  return { c: { ...c, filter: shape }, numbers: { x, filter: { shape, values }, dy } };
}

describe('depthwise convolutions', () => {
  it('have the gradients that the definition has, dilated ones too', async () => {
    await fc.assert(
      fc.asyncProperty(convolution({ channels: [1, 3, 5, 8], columns: [1] }, true), async (c) => {
        const whole = dense(c);
        const { dx, dFilter } = definedGradients(whole.c, whole.numbers);
        const channels = c.filter[2];
        const diagonal = dFilter.values.filter(
          (_, i) => Math.floor(i / channels) % channels === i % channels,
        );
        expectAlike(await runOn('simd', callOf(c, 'input')), dx, termsOf(c));
        expectAlike(
          await runOn('simd', callOf(c, 'filter')),
          { shape: c.filter, values: diagonal },
          termsOf(c),
        );
      }),
      { numRuns: runsOf(100) },
    );
  });
});

describe.each(DIRECTIONS)('depthwise convolutions: %s', (direction) => {
  // Stock's gradients know no dilation.
  const any = direction === 'forward' ? every : every.filter((c) => c.dilations.join() === '1,1');

  it('equal stock cpu', async () => {
    await fc.assert(
      fc.asyncProperty(any, (c) => expectLikeCpu(callOf(c, direction), termsOf(c))),
      { numRuns: runsOf(150) },
    );
  });

  it('have NaN and infinity where stock cpu has them', async () => {
    const named = any.chain((c) =>
      fc.tuple(fc.constant(c), poisonOf(Object.keys(callOf(c, direction).inputs))),
    );
    await fc.assert(
      fc.asyncProperty(named, ([c, poison]) =>
        expectLikeCpu(poisoned(callOf(c, direction), poison), termsOf(c)),
      ),
      { numRuns: runsOf(80) },
    );
  });
});
