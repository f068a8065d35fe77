/** Line charts as Vega-Lite specifications: plain JSON for editors, notebooks and pages. */
import type { DrawSettings, Limits, Point, Series } from './series';

/** A specification as in https://vega.github.io/vega-lite/docs/spec.html. */
export interface VegaLiteSpec {
  readonly $schema: string;
  readonly description: string;
  readonly [property: string]: unknown;
}

// The nearest of Vega's shapes; its only cross is upright.
const SHAPES = {
  circle: 'circle',
  dot: 'circle',
  square: 'square',
  triangle: 'triangle-up',
  cross: 'cross',
  plus: 'cross',
};

/**
 * Makes the specification of series in one pair of axes: data, colours, dashes and markers, but not
 * the layout.
 */
export function toVegaLite(
  series: readonly Series[],
  options: DrawSettings,
  description: string,
): VegaLiteSpec {
  const {
    title,
    xlabel,
    ylabel,
    xlim,
    ylim,
    xscale = 'linear',
    yscale = 'linear',
    width = 560,
    height = 400,
  } = options;
  const names = uniqueNames(series);
  const has = (scale: 'linear' | 'log') => (value: number) =>
    Number.isFinite(value) && (scale === 'linear' || value > 0);
  const hasX = has(xscale);
  const hasY = has(yscale);
  const row = (name: string) => (point: Point) => ({
    series: name,
    x: point.x,
    y: hasY(point.y) ? point.y : null,
  });
  const values = series.flatMap(({ points }, i) =>
    points.filter(({ x }) => hasX(x)).map(row(names[i] ?? '')),
  );
  const axis = (field: 'x' | 'y', name: string | undefined, scale: object) => ({
    field,
    type: 'quantitative',
    title: name ?? null,
    scale,
  });
  const makeScale = (type: 'linear' | 'log', limits: Limits | undefined) => ({
    type,
    ...(type === 'linear' && { zero: false }),
    ...(limits && { domain: limits }),
  });
  const byName = (range: readonly unknown[]) => ({ domain: names, range });
  const only = (keep: (one: Series) => boolean) => [
    {
      filter: { field: 'series', oneOf: series.flatMap((one, i) => (keep(one) ? [names[i]] : [])) },
    },
  ];
  const legend = series.some(({ label }) => label !== undefined) ? {} : { legend: null };
  const dashes = series.map(({ style }) => (style.dash?.length ? style.dash : [1, 0]));
  const shapes = series.map(({ style }) => SHAPES[style.marker ?? 'circle']);
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    description,
    ...(title && { title }),
    width,
    height,
    data: { values },
    encoding: {
      x: axis('x', xlabel, makeScale(xscale, xlim)),
      y: axis('y', ylabel, makeScale(yscale, ylim)),
      color: {
        field: 'series',
        type: 'nominal',
        title: null,
        sort: null,
        scale: byName(series.map(({ style }) => style.color)),
        ...legend,
      },
      tooltip: ['series', 'x', 'y'].map((field) => ({ field })),
    },
    layer: [
      {
        transform: only(({ style }) => style.dash !== null),
        mark: { type: 'line', clip: true },
        encoding: {
          strokeDash: {
            field: 'series',
            type: 'nominal',
            title: null,
            sort: null,
            scale: byName(dashes),
            ...legend,
          },
        },
      },
      {
        transform: only(({ style }) => style.marker !== undefined),
        mark: { type: 'point', filled: true, opacity: 1, size: 45 },
        encoding: {
          shape: {
            field: 'series',
            type: 'nominal',
            title: null,
            sort: null,
            scale: byName(shapes),
            ...legend,
          },
        },
      },
    ],
  };
}

/** Vega-Lite tells series apart by name, so unnamed series and repeated names get numbers. */
function uniqueNames(series: readonly Series[]): string[] {
  const taken = new Set<string>();
  return series.map(({ label }, i) => {
    const name = label ?? `series ${i}`;
    let unique = name;
    for (let n = 2; taken.has(unique); n++) unique = `${name} (${n})`;
    taken.add(unique);
    return unique;
  });
}
