/** A band between two curves with lines over it, such as a prediction and its uncertainty. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { drawOver } from './chart';
import type { Figure } from './figure';
import {
  type ChartOptions,
  type ChartSettings,
  chartRules,
  makeSeries,
  type Point,
  resolveAliases,
  type Series,
} from './series';
import { parseFmt } from './style';
import { decimal, tag } from './svg';

type Numbers = ArrayLike<number>;

/** Points that are drawn over the band: `x` is the band's unless given. */
export interface BandLine {
  readonly x?: Numbers;
  readonly y: Numbers;
}

export interface BandOptions extends ChartOptions {
  /**
   * Lines or points over the band, with the names of `legend` and the styles of `fmts`.
   * @default none
   */
  lines?: readonly BandLine[];
}

const OPTIONS = rule.object({
  ...chartRules,
  lines: rule
    .custom<readonly BandLine[]>(
      (value) => Array.isArray(value) && value.every((one) => one && isNumbers(one.y)),
      'a list of { x, y }',
    )
    .default([] as never),
});

const isNumbers = (value: unknown): value is Numbers =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

const OPACITY = 0.2;

/**
 * Draws the band between `low` and `high`, and lines over it: matplotlib's `fill_between`.
 * @param x increasing, with a value for each of `low` and `high`
 * @param band.low the lower edge
 * @param band.high the upper edge
 * @throws RangeError when the numbers of values differ, or one of the band is not finite
 * @example
 * plotBand(x, { low, high }, { lines: [{ y: mean }], legend: ['mean'], ylabel: 'y' });
 */
export function plotBand(
  x: Numbers,
  band: { readonly low: Numbers; readonly high: Numbers },
  options: BandOptions = {},
): Figure {
  const where = '[plot] plotBand';
  const { lines, ...settings } = checkOptions(where, OPTIONS, resolveAliases(where, options)) as {
    lines: readonly BandLine[];
  } & ChartSettings;
  const edges = [band?.low, band?.high].map((ys) => readEdge(where, x, ys));
  const over = makeSeries(
    where,
    lines.map((line) => pointsOf(where, line.x ?? x, line.y)),
    settings,
  );
  // The edges count for the axes, but no line is drawn there.
  const hidden = edges.map((points): Series => ({ label: undefined, points, style: INVISIBLE }));
  return drawOver([...hidden, ...over], settings, {
    description: settings.title ?? `Band with ${lines.length} lines`,
    under: (plane) => {
      const at = ({ x, y }: Point) => `${decimal(plane.x.at(x))} ${decimal(plane.y.at(y))}`;
      const [low, high] = edges as [Point[], Point[]];
      const d = `M${[...low, ...high.toReversed()].map(at).join('L')}Z`;
      return [tag('path', { d, fill: parseFmt('b').color, 'fill-opacity': OPACITY })];
    },
  });
}

const INVISIBLE = { ...parseFmt('b'), dash: null, marker: undefined };

function pointsOf(where: string, xs: Numbers, ys: Numbers): Point[] {
  if (isNumbers(xs) && isNumbers(ys) && xs.length === ys.length && xs.length > 0)
    return Array.from(ys, (y, i) => ({ x: xs[i] as number, y }));
  throw new RangeError(
    `${where}: expected as many x values as y values, at least one, got ${xs?.length ?? 0} and ` +
      `${ys?.length ?? 0}`,
  );
}

function readEdge(where: string, xs: Numbers, ys: Numbers): Point[] {
  const points = pointsOf(where, xs, ys);
  const wrong = points.find(({ x, y }) => !Number.isFinite(x) || !Number.isFinite(y));
  if (!wrong) return points;
  throw new RangeError(
    `${where}: expected finite numbers for the band, got ${formatValue(wrong.y)} at x ${wrong.x}`,
  );
}
