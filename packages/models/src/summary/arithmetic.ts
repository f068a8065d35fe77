/**
 * A layer's output shape as formulas: convolution arithmetic, Dumoulin & Visin 2016,
 * https://arxiv.org/abs/1603.07285.
 */
import type { LayerCall } from './calls';
import { macFormula, parameterFormula, statisticFormula } from './costs';
import {
  bracket,
  ceilQuotient,
  equation,
  type Formula,
  floorQuotient,
  minus,
  number,
  product,
  sum,
} from './formula';

/** One line of arithmetic; `of` names its result. */
export interface Arithmetic extends Formula {
  /**
   * `height`, `width`, `height and width`, `channels`, `numbers`, `parameters`, `moving
   * statistics`, `MACs`, ...
   */
  readonly of: string;
}

/** Zeros before and after an axis. */
export type Sides = readonly [before: number, after: number];
/** The zeros around a layer's image: rows, then columns. */
export type Around = readonly [rows: Sides, columns: Sides];
export const NOTHING_AROUND: Around = [
  [0, 0],
  [0, 0],
];

type Pair = readonly [number, number];
const pair = (value: number | readonly number[] | undefined): Pair =>
  typeof value === 'number' || value === undefined
    ? [value ?? 1, value ?? 1]
    : [value[0] ?? 1, value[1] ?? 1];

/** The part of a layer's configuration that determines shapes. */
interface Config {
  kernelSize?: number | number[];
  poolSize?: number | number[];
  strides?: number | number[];
  dilationRate?: number | number[];
  padding?: 'same' | 'valid' | [Sides, Sides];
  dataFormat?: string;
  axis?: number;
}

type Explain = (call: LayerCall, around: Around) => Arithmetic[];

const configOf = ({ layer }: LayerCall) => layer.getConfig() as Config;
const inner = ({ shape }: { shape: readonly (number | null)[] }) =>
  shape.slice(1).map((size) => size ?? 0);
const inputOf = ({ inputs }: LayerCall) => inner(inputs[0] ?? { shape: [] });
const isChannelsFirst = (call: LayerCall) => configOf(call).dataFormat === 'channelsFirst';
/** The axes of height and width in a shape without its batch. */
const imageAxes = (call: LayerCall): Pair => (isChannelsFirst(call) ? [1, 2] : [0, 1]);

/** `2·3` where both sides have 3 zeros, else `2 + 3`. */
const zeros = ([before, after]: Sides): Formula =>
  before === after ? product([2, before]) : sum([before, after]);
const withZeros = (size: Formula, sides: Sides) =>
  sides[0] + sides[1] === 0 ? size : sum([size, zeros(sides)]);

/** Number of pixels that a dilated kernel spans. */
const reach = (kernel: number, dilation: number): Formula =>
  dilation === 1
    ? number(kernel)
    : bracket(sum([product([bracket(minus(kernel, 1)), dilation]), 1]));

/** One line for height and width where their formulas are equal. */
function heightAndWidth(height: Formula, width: Formula): Arithmetic[] {
  if (height.text === width.text) return [{ of: 'height and width', ...height }];
  return [
    { of: 'height', ...height },
    { of: 'width', ...width },
  ];
}

/** A window that slides over an image: `⌊(224 − 7 + 2·3)/2⌋ + 1`. */
const window: Explain = (call, around) => {
  const config = configOf(call);
  const kernel = pair(config.kernelSize ?? config.poolSize);
  const strides = pair(config.strides ?? config.poolSize);
  const dilations = pair(config.dilationRate);
  const axes = imageAxes(call);
  const [height, width] = [0, 1].map((i) => {
    const [size, stride] = [inputOf(call)[axes[i] as number] ?? 0, strides[i] as number];
    const sides = around[i] as Sides;
    if (config.padding === 'same') {
      const padded = withZeros(number(size), sides);
      return ceilQuotient(sides[0] + sides[1] === 0 ? padded : bracket(padded), stride);
    }
    const steps = withZeros(minus(size, reach(kernel[i] as number, dilations[i] as number)), sides);
    return sum([stride === 1 ? steps : floorQuotient(steps, stride), 1]);
  }) as [Formula, Formula];
  return heightAndWidth(height, width);
};

const AXES = ['height', 'width', 'channels'];
const axisName = (axis: number, rank: number) =>
  rank === 3 ? (AXES[axis] ?? 'numbers') : 'numbers';

const zeroPadding: Explain = (call) => {
  const [rows, columns] = configOf(call).padding as [Sides, Sides];
  const sizes = inputOf(call);
  // With channelsFirst it pads the last two axes, also where they hold width and channels.
  const first = isChannelsFirst(call) ? 1 : 0;
  return [rows, columns].flatMap((sides, i) =>
    sides[0] + sides[1] === 0
      ? []
      : [{ of: AXES[first + i] ?? '', ...withZeros(number(sizes[first + i] ?? 0), sides) }],
  );
};

const concatenate: Explain = (call) => {
  const rank = inner(call.output).length;
  const { axis = -1 } = configOf(call);
  const place = axis < 0 ? rank + axis : axis - 1; // without the batch
  return [
    { of: axisName(place, rank), ...sum(call.inputs.map((input) => inner(input)[place] ?? 0)) },
  ];
};

const global =
  (of: string): Explain =>
  (call) => [{ of, ...product(imageAxes(call).map((axis) => inputOf(call)[axis] ?? 0)) }];

/**
 * One row per class. The output of every other class has its input's shape, or the shape in its
 * configuration.
 */
const SHAPES: Record<string, Explain> = {
  Conv2D: window,
  'deepend>GroupedConv2D': window,
  DepthwiseConv2D: window,
  SeparableConv2D: window,
  MaxPooling2D: window,
  AveragePooling2D: window,
  ZeroPadding2D: zeroPadding,
  Concatenate: concatenate,
  Flatten: (call) => [{ of: 'numbers', ...product(inputOf(call)) }],
  GlobalAveragePooling2D: global('pixels in each mean'),
  GlobalMaxPooling2D: global('pixels under each maximum'),
};

/**
 * The arithmetic of one layer: its output's sizes, its parameters and its MACs.
 * @param around zeros that a padding layer adds around the image; the shape of the call's input
 *   excludes them
 */
export function explainCall(call: LayerCall, around: Around = NOTHING_AROUND): Arithmetic[] {
  const { layer } = call;
  const costs: Arithmetic[] = [
    { of: 'parameters', ...parameterFormula(layer) },
    { of: 'moving statistics', ...statisticFormula(layer) },
    { of: 'MACs', ...macFormula(call) },
  ];
  return [
    ...(SHAPES[layer.getClassName()]?.(call, around) ?? []),
    ...costs.filter(({ value }) => value > 0),
  ];
}

/** `height and width: ⌊(224 − 7 + 2·3)/2⌋ + 1 = 112` */
export const printed = ({ of, ...formula }: Arithmetic): string => `${of}: ${equation(formula)}`;
