/**
 * Grouped convolution (Krizhevsky et al. 2012; Xie et al. 2017, https://arxiv.org/abs/1611.05431).
 * Groups of few channels are convolved where they are (conv-groups.ts). Otherwise each group's
 * channels are copied into a contiguous tensor, so that any algorithm can convolve them, and the
 * result is copied back among the other groups' channels.
 */
import type { SimdBackend } from '../backend';
import { convForward, filterGradient, inputGradient } from './conv';
import type { Finish } from './conv-direct';
import { flipGeometry, type Geometry } from './conv-geometry';
import {
  convGroups,
  filterGradientGroups,
  inputGradientGroups,
  shouldGatherGroups,
} from './conv-groups';
import { areFinite, isPadded } from './finite';
import { copy } from './strided-copy';

const FLOAT_BYTES = 4;

/** A tensor [rows][channels of all groups]. */
interface GroupedTensor {
  at: number;
  rows: number;
  channels: number;
  groupChannels: number;
}

/** The geometry of one group. */
const groupGeometry = (g: Geometry, groups: number): Geometry => ({
  ...g,
  channels: g.channels / groups,
  outChannels: g.outChannels / groups,
});

/** Copies a group's channels from a grouped tensor to the address `packed`, or back. */
function copyGroup(
  backend: SimdBackend,
  { at, rows, channels, groupChannels }: GroupedTensor,
  { group, packed, back = false }: { group: number; packed: number; back?: boolean },
): void {
  const part = at + group * groupChannels * FLOAT_BYTES;
  const steps = back ? [groupChannels, channels] : [channels, groupChannels];
  const walk = [
    { size: rows, steps },
    { size: groupChannels, steps: [1, 1] },
  ];
  copy(backend, back ? { from: packed, to: part, walk } : { from: part, to: packed, walk });
}

interface GroupJob {
  inputs: [GroupedTensor, GroupedTensor];
  output: GroupedTensor;
  use: (inputs: [number, number], out: number, group: number) => void;
}

/** For each group: copies its inputs, lets `use` compute, and copies the result back. */
function forEachGroup(
  backend: SimdBackend,
  groups: number,
  { inputs: [a, b], output, use }: GroupJob,
): void {
  const bytes = ({ rows, groupChannels }: GroupedTensor) => rows * groupChannels * FLOAT_BYTES;
  backend.temporary(bytes(a), (first) =>
    backend.temporary(bytes(b), (second) =>
      backend.temporary(bytes(output), (out) => {
        for (let group = 0; group < groups; group++) {
          copyGroup(backend, a, { group, packed: first });
          copyGroup(backend, b, { group, packed: second });
          use([first, second], out, group);
          copyGroup(backend, output, { group, packed: out, back: true });
        }
      }),
    ),
  );
}

/**
 * The three tensors of a grouped convolution. The filter is [kh, kw, channels / groups,
 * outChannels]: its last axis holds the groups.
 */
function groupedTensors(g: Geometry, groups: number) {
  const channels = g.channels / groups;
  const outChannels = g.outChannels / groups;
  return {
    x: (at: number): GroupedTensor => ({
      at,
      rows: g.batch * g.height * g.width,
      channels: g.channels,
      groupChannels: channels,
    }),
    y: (at: number): GroupedTensor => ({
      at,
      rows: g.batch * g.outHeight * g.outWidth,
      channels: g.outChannels,
      groupChannels: outChannels,
    }),
    filter: (at: number): GroupedTensor => ({
      at,
      rows: g.kernelHeight * g.kernelWidth * channels,
      channels: g.outChannels,
      groupChannels: outChannels,
    }),
  };
}

/** Whether the zeros of the padding, if there is any, meet finite weights only. */
const meetsFinite = (
  backend: SimdBackend,
  g: Geometry,
  { filter, groups }: { filter: number; groups: number },
): boolean => {
  const count = (g.kernelHeight * g.kernelWidth * g.channels * g.outChannels) / groups;
  return !isPadded(g) || areFinite(backend, filter, count);
};

export function convGrouped(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; filter: number; out: number; groups: number } & Finish,
): void {
  const { groups, bias = 0, activation } = at;
  if (shouldGatherGroups(g, groups) && meetsFinite(backend, g, at)) {
    convGroups(backend, g, at);
    return;
  }
  const { x, y, filter } = groupedTensors(g, groups);
  const one = groupGeometry(g, groups);
  const groupBytes = one.outChannels * FLOAT_BYTES;
  forEachGroup(backend, groups, {
    inputs: [x(at.x), filter(at.filter)],
    output: y(at.out),
    use: ([source, kernel], out, group) =>
      convForward(backend, one, {
        x: source,
        filter: kernel,
        out,
        bias: bias ? bias + group * groupBytes : 0,
        activation,
      }),
  });
}

export function inputGradientGrouped(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number; groups: number },
): void {
  const { groups } = at;
  const flipped = flipGeometry(g);
  const isDense = g.strideY === 1 && g.strideX === 1 && flipped.padTop >= 0 && flipped.padLeft >= 0;
  if (isDense && shouldGatherGroups(flipped, groups) && meetsFinite(backend, flipped, at)) {
    inputGradientGroups(backend, g, at);
    return;
  }
  const { x, y, filter } = groupedTensors(g, groups);
  const one = groupGeometry(g, groups);
  forEachGroup(backend, groups, {
    inputs: [y(at.dy), filter(at.filter)],
    output: x(at.out),
    use: ([dy, kernel], out) => inputGradient(backend, one, { dy, filter: kernel, out }),
  });
}

export function filterGradientGrouped(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; dy: number; out: number; groups: number },
): void {
  const { groups } = at;
  if (shouldGatherGroups(g, groups)) {
    filterGradientGroups(backend, g, at);
    // As in conv.ts: NaN or infinity in dy shows in the first row of the result.
    if (areFinite(backend, at.out, g.outChannels)) return;
  }
  const { x, y, filter } = groupedTensors(g, groups);
  const one = groupGeometry(g, groups);
  forEachGroup(backend, groups, {
    inputs: [x(at.x), y(at.dy)],
    output: filter(at.out),
    use: ([source, dy], out) => filterGradient(backend, one, { x: source, dy, out }),
  });
}
