/**
 * Grouped convolution (Krizhevsky et al. 2012; Xie et al. 2017, https://arxiv.org/abs/1611.05431):
 * each group's channels are put side by
 * side, so that any way of convolving serves, and its result is spread again.
 */
import type { SimdBackend } from '../backend';
import { convolve, filterGradient, inputGradient } from './conv';
import type { Finish } from './conv-direct';
import type { Geometry } from './conv-geometry';
import { copy } from './strided-copy';

const FLOAT_BYTES = 4;

/**
 * A tensor of pixels or of filter places, each with all groups' channels, and how many belong to a
 * group.
 */
interface Spread {
  at: number;
  rows: number;
  all: number;
  own: number;
}

/** One group's geometry. */
const groupOf = (g: Geometry, groups: number): Geometry => ({
  ...g,
  channels: g.channels / groups,
  columns: g.columns / groups,
});

/** Copies a group out of a tensor, or back into it. */
function move(
  backend: SimdBackend,
  { at, rows, all, own }: Spread,
  group: number,
  { place, back = false }: { place: number; back?: boolean },
) {
  const part = at + group * own * FLOAT_BYTES;
  const steps = (spread: number, close: number): [number, number] =>
    back ? [close, spread] : [spread, close];
  const walk = [
    { size: rows, steps: steps(all, own) },
    { size: own, steps: steps(1, 1) },
  ];
  copy(backend, back ? { from: place, to: part, walk } : { from: part, to: place, walk });
}

/** For each group: copies the inputs together, lets `use` compute, and spreads the result. */
function eachGroup(
  backend: SimdBackend,
  groups: number,
  {
    inputs,
    output,
    use,
  }: {
    inputs: [Spread, Spread];
    output: Spread;
    use: (places: [number, number], out: number, group: number) => void;
  },
): void {
  const bytes = ({ rows, own }: Spread) => rows * own * FLOAT_BYTES;
  const [a, b] = inputs;
  backend.temporary(bytes(a), (first) =>
    backend.temporary(bytes(b), (second) =>
      backend.temporary(bytes(output), (out) => {
        for (let group = 0; group < groups; group++) {
          move(backend, a, group, { place: first });
          move(backend, b, group, { place: second });
          use([first, second], out, group);
          move(backend, output, group, { place: out, back: true });
        }
      }),
    ),
  );
}

/**
 * The three tensors of a convolution by their groups. A filter's last axis holds the groups; its
 * channels are one group's.
 */
function spreads(g: Geometry, groups: number) {
  const [channels, columns] = [g.channels / groups, g.columns / groups];
  return {
    x: (at: number): Spread => ({
      at,
      rows: g.images * g.height * g.width,
      all: g.channels,
      own: channels,
    }),
    y: (at: number): Spread => ({
      at,
      rows: g.images * g.outHeight * g.outWidth,
      all: g.columns,
      own: columns,
    }),
    filter: (at: number): Spread => ({
      at,
      rows: g.kernelHeight * g.kernelWidth * channels,
      all: g.columns,
      own: columns,
    }),
  };
}

export function convolveGrouped(
  backend: SimdBackend,
  g: Geometry,
  {
    groups,
    bias = 0,
    activation,
    ...at
  }: { x: number; filter: number; out: number; groups: number } & Finish,
): void {
  const { x, y, filter } = spreads(g, groups);
  const own = groupOf(g, groups);
  const biasOf = (group: number) => (bias ? bias + group * own.columns * FLOAT_BYTES : 0);
  eachGroup(backend, groups, {
    inputs: [x(at.x), filter(at.filter)],
    output: y(at.out),
    use: ([source, kernel], out, group) =>
      convolve(backend, own, { x: source, filter: kernel, out, bias: biasOf(group), activation }),
  });
}

export function inputGradientGrouped(
  backend: SimdBackend,
  g: Geometry,
  { groups, ...at }: { dy: number; filter: number; out: number; groups: number },
): void {
  const { x, y, filter } = spreads(g, groups);
  eachGroup(backend, groups, {
    inputs: [y(at.dy), filter(at.filter)],
    output: x(at.out),
    use: ([dy, kernel], out) =>
      inputGradient(backend, groupOf(g, groups), { dy, filter: kernel, out }),
  });
}

export function filterGradientGrouped(
  backend: SimdBackend,
  g: Geometry,
  { groups, ...at }: { x: number; dy: number; out: number; groups: number },
): void {
  const { x, y, filter } = spreads(g, groups);
  eachGroup(backend, groups, {
    inputs: [x(at.x), y(at.dy)],
    output: filter(at.out),
    use: ([source, dy], out) => filterGradient(backend, groupOf(g, groups), { x: source, dy, out }),
  });
}
