/**
 * Convolution and both gradients on simd equal stock cpu's, and the definition's where stock has
 * none.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseGeometry, winogradTile } from '../../packages/backend-simd/src/kernels/conv-geometry';
import { rowsOf, runsOf } from '../helpers/full';
import {
  type Convolution,
  convolution,
  definedGradients,
  dense,
  infoOf,
  numbers,
} from './convolutions';
import {
  expectAlike,
  expectLikeCpu,
  input,
  type KernelCall,
  poisoned,
  poisonOf,
  runOn,
} from './kernels';

type Direction = 'forward' | 'input' | 'filter';

function callOf(c: Convolution, direction: Direction): KernelCall {
  const { x, filter, dy } = numbers(c);
  const attrs = {
    strides: c.strides,
    pad: c.pad as 'valid',
    dilations: c.dilations,
    dataFormat: 'NHWC',
  };
  return {
    forward: { kernel: 'Conv2D', inputs: { x, filter }, attrs },
    input: {
      kernel: 'Conv2DBackpropInput',
      inputs: { dy, filter },
      attrs: { ...attrs, inputShape: c.image },
    },
    filter: {
      kernel: 'Conv2DBackpropFilter',
      inputs: { x, dy },
      attrs: { ...attrs, filterShape: c.filter },
    },
  }[direction];
}

/** Winograd's transforms cost a digit: 3×3, stride 1, 16 channels and more. */
function closeness(c: Convolution, direction: Direction) {
  const { outHeight, outWidth, batchSize } = infoOf(c);
  const [height, width, channels, columns] = c.filter;
  const winograd =
    height === 3 && width === 3 && channels >= 16 && columns >= 16 && c.strides.join() === '1,1';
  const terms = {
    forward: height * width * channels,
    input: height * width * columns,
    filter: outHeight * outWidth * batchSize,
  };
  return { tolerance: winograd ? 1e-4 : 1e-5, terms: terms[direction] };
}

/** The same call for one image of the batch. */
function ofImage({ kernel, inputs, attrs }: KernelCall, which: number): KernelCall {
  const one = Object.entries(inputs).map(([name, { shape, values }]) => {
    if (name === 'filter') return [name, inputs.filter];
    const length = values.length / (shape[0] as number);
    return [
      name,
      { shape: [1, ...shape.slice(1)], values: values.slice(which * length, (which + 1) * length) },
    ];
  });
  const { inputShape } = attrs as { inputShape?: number[] };
  const shaped = inputShape && { inputShape: [1, ...inputShape.slice(1)] };
  return { kernel, inputs: Object.fromEntries(one), attrs: { ...attrs, ...shaped } };
}

const THREE: readonly [number, number][] = [[3, 3]];
/** Shapes that Winograd's algorithm computes, and others. */
const KINDS = {
  'of every kind': convolution(),
  'of three by three pixels and many channels': convolution({
    kernels: THREE,
    channels: [16, 20, 40],
    columns: [16, 20, 40],
    batch: [10, 30], // the larger, the sooner Winograd pays
    stretch: dense,
    most: 5_000_000,
  }),
  'of few channels': convolution({ channels: [1, 3, 5], columns: [1, 3, 6, 8, 20] }),
};
const DIRECTIONS: readonly Direction[] = ['forward', 'input', 'filter'];
const kinds = Object.entries(KINDS).map(([kind, arbitrary]) => ({ kind, arbitrary }));
const cases = kinds.flatMap((row) => DIRECTIONS.map((direction) => ({ ...row, direction })));

describe.each(cases)('convolutions $kind: $direction', ({ arbitrary, direction }) => {
  const stock =
    direction === 'forward' ? arbitrary : arbitrary.filter((c) => c.dilations.join() === '1,1');

  const runs = direction === 'filter' ? 20 : 100; // stock's is slow

  it('equal stock cpu', async () => {
    await fc.assert(
      fc.asyncProperty(stock, (c) => expectLikeCpu(callOf(c, direction), closeness(c, direction))),
      { numRuns: runsOf(runs) },
    );
  }, 240_000);

  // Winograd's transforms spread an infinity over a tile; such a result is computed again without
  // them.
  it('have NaN and infinity where stock cpu has them', async () => {
    const named = stock.chain((c) =>
      fc.tuple(fc.constant(c), poisonOf(Object.keys(callOf(c, direction).inputs))),
    );
    await fc.assert(
      fc.asyncProperty(named, ([c, poison]) =>
        expectLikeCpu(poisoned(callOf(c, direction), poison), closeness(c, direction)),
      ),
      { numRuns: runsOf(runs / 2) },
    );
  });
});

describe('convolutions', () => {
  it('have the gradients that the definition has, dilated ones too', async () => {
    await fc.assert(
      fc.asyncProperty(convolution(), async (c) => {
        const { dx, dFilter } = definedGradients(c);
        expectAlike(await runOn('simd', callOf(c, 'input')), dx, closeness(c, 'input'));
        expectAlike(await runOn('simd', callOf(c, 'filter')), dFilter, closeness(c, 'filter'));
      }),
      { numRuns: runsOf(150) },
    );
  });

  it('fused with bias and activation equal stock cpu', async () => {
    const activation = fc.constantFrom('linear', 'relu', 'relu6', 'elu');
    await fc.assert(
      fc.asyncProperty(convolution(), activation, fc.boolean(), (c, activation, biased) => {
        const { inputs, attrs } = callOf(c, 'forward');
        const bias = biased && { bias: input([c.filter[3]], `bias${c.seed}`) };
        const call = {
          kernel: 'FusedConv2D',
          inputs: { ...inputs, ...(bias || {}) },
          attrs: { ...attrs, activation },
        };
        return expectLikeCpu(call, closeness(c, 'forward'));
      }),
      { numRuns: runsOf(150) },
    );
  });

  it('of windows as large as the image, and too large to be gathered', async () => {
    const image: Convolution['image'] = [2, 50, 50, 2];
    const c: Convolution = {
      image,
      filter: [48, 48, 2, 9],
      strides: [1, 1],
      dilations: [1, 1],
      pad: 'valid',
      seed: 1,
    };
    for (const direction of DIRECTIONS)
      await expectLikeCpu(callOf(c, direction), closeness(c, direction));
  });

  // Such a chunk holds some 110 tiles: one image of 64 fits, and two do not.
  const CHUNKED = [
    [16, 1024],
    [1024, 16],
  ] as const;
  it.each(rowsOf(CHUNKED, ([channels]) => channels === 16))(
    'of so many channels that Winograd takes them in chunks: %i to %i',
    async (channels, columns) => {
      const of = (batch: number, height: number): Convolution => {
        const filter: Convolution['filter'] = [3, 3, channels, columns];
        return {
          image: [batch, height, 29, channels],
          filter,
          strides: [1, 1],
          dilations: [1, 1],
          pad: 'same',
          seed: 2,
        };
      };
      const small = of(1, 4);
      const { dx, dFilter } = definedGradients(small);
      await expectLikeCpu(callOf(small, 'forward'), closeness(small, 'forward'));
      expectAlike(await runOn('simd', callOf(small, 'input')), dx, closeness(small, 'input'));
      expectAlike(
        await runOn('simd', callOf(small, 'filter')),
        dFilter,
        closeness(small, 'filter'),
      );
      for (const direction of DIRECTIONS) {
        const call = callOf(of(2, 30), direction);
        const whole = await runOn('simd', call);
        const [first, second] = [
          await runOn('simd', ofImage(call, 0)),
          await runOn('simd', ofImage(call, 1)),
        ];
        const half = first.values.length;
        const parts =
          direction === 'filter'
            ? first.values.map((value, i) => value + (second.values[i] as number))
            : Float32Array.from(
                { length: whole.values.length },
                (_, i) => (i < half ? first : second).values[i % half] as number,
              );
        expectAlike(whole, { shape: whole.shape, values: parts }, { terms: 1800 });
      }
    },
  );

  it('are tested both through Winograd and without it', () => {
    const pays = (c: Convolution) => winogradTile(parseGeometry(infoOf(c)));
    const sample = fc.sample(KINDS['of three by three pixels and many channels'], {
      numRuns: 100,
      seed: 1,
    });
    const many = sample.filter(pays).length;
    expect(many).toBeGreaterThan(10);
    expect(many).toBeLessThan(90);
  });
});
