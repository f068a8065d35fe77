/** The ranges of axes: counts, constants, accuracies. */
import { Animator, curves, plot, plotBars, plotRuns } from '@deepend/plot';
import { describe, expect, it } from 'vitest';
import { type AxisOptions, makeAxis } from '../../packages/plot/src/axis';

const valueAxis = (values: readonly number[], options: Partial<AxisOptions> = {}) =>
  makeAxis({
    values,
    scale: 'linear',
    pixels: [0, 100],
    room: 6,
    nice: true,
    fromZero: 'counts',
    ...options,
  });
const tickValues = (values: readonly number[], options?: Partial<AxisOptions>) =>
  valueAxis(values, options).ticks.map(({ value }) => value);

/** The labels of the y axis: the text elements that end left of the box. */
const yLabels = (svg: string) =>
  [...svg.matchAll(/text-anchor="end"[^>]*>([^<]*)</g)].map(([, label]) => Number(label));
const history = (accuracies: readonly number[]) =>
  accuracies.map((testAcc, i) => ({
    epoch: i + 1,
    loss: 0.5,
    trainAcc: testAcc,
    testAcc,
    lr: 0.1,
    seconds: 10,
    samplesPerSecond: 1000.5 + i,
  }));

describe('the axis of a constant', () => {
  it.each([0.1, 1e-5, 0.9, -0.25, 1234.5])('%d ends within a fifth of it', (value) => {
    const axis = valueAxis([value, value, value]);
    expect(axis.at(value)).toBeGreaterThan(10);
    expect(axis.at(value)).toBeLessThan(90);
    for (const tick of axis.ticks)
      expect(Math.abs(tick.value - value)).toBeLessThanOrEqual(0.2 * Math.abs(value));
    expect(new Set(axis.ticks.map(({ label }) => label)).size).toBe(axis.ticks.length);
  });

  it('learning rate 0.1 is drawn around 0.1', () => {
    const labels = yLabels(
      plotRuns([{ name: 'a', history: history([0.8]) }], { metric: 'lr' }).svg,
    );
    expect(Math.min(...labels)).toBeGreaterThanOrEqual(0.08);
    expect(Math.max(...labels)).toBeLessThanOrEqual(0.12);
  });

  it('0 starts at 0', () => {
    expect(tickValues([0, 0])).toEqual([0, 1]);
  });
});

describe('the axis of counts', () => {
  it('starts at 0', () => {
    expect(tickValues([30, 31, 35])[0]).toBe(0);
    expect(tickValues([7])[0]).toBe(0);
  });

  it('does not change where a value is negative or not an integer', () => {
    expect(tickValues([30.5, 31, 35])[0]).toBe(30);
    expect(tickValues([-30, 35])[0]).toBe(-30);
  });

  it('starts at 0 for throughput, which is an amount', () => {
    const runs = [{ name: 'a', history: history([0.8, 0.9]) }];
    expect(yLabels(plotRuns(runs, { metric: 'samplesPerSecond' }).svg)[0]).toBe(0);
    expect(plotRuns(runs, { metric: 'samplesPerSecond' }).toText()).toMatch(/^ *0 │/m);
  });
});

describe('the axis of accuracies', () => {
  it.each([[[0.9]], [[0.9, 0.9]], [[0.88, 0.91, 1]], [[0.1]]])('of %j is 0 to 1', (accuracies) => {
    const runs = [{ name: 'a', history: history(accuracies) }];
    const animator = new Animator();
    for (const record of history(accuracies)) animator.onEpochEnd(record);
    const figures = [
      plotRuns(runs),
      plotRuns(runs, { metric: 'trainAcc' }),
      curves(history(accuracies)),
      animator.figure(),
    ];
    for (const { svg } of figures) {
      expect(Math.min(...yLabels(svg))).toBe(0);
      expect(Math.max(...yLabels(svg))).toBe(1);
    }
  });

  it('yields to the limits that are given', () => {
    const runs = [{ name: 'a', history: history([0.88, 0.91]) }];
    expect(yLabels(plotRuns(runs, { ylim: [0.8, 1] }).svg)[0]).toBe(0.8);
  });

  it('shows all values of a metric in percent', () => {
    const percent = [{ name: 'a', history: [{ epoch: 1, valAcc: 88 }] }];
    expect(Math.max(...yLabels(plotRuns(percent, { metric: 'valAcc' }).svg))).toBeGreaterThan(80);
  });

  it('has no 0 where it is logarithmic', () => {
    expect(curves(history([0.5, 0.7]), { yscale: 'log' }).svg).not.toContain('NaN');
    expect(
      plotRuns([{ name: 'a', history: history([0.5, 0.7]) }], { yscale: 'log' }).svg,
    ).toContain('<path');
  });

  it('of bars ends at 1', () => {
    const labels = yLabels(plotBars([0.97, 1, 0.994]).svg);
    expect([labels[0], labels.at(-1)]).toEqual([0, 1]);
  });
});

describe('several series in a text file', () => {
  const figure = plot(
    [0, 1, 2, 3],
    [
      [0.1, 0.4, 0.5, 0.6],
      [0.9, 0.5, 0.3, 0.2],
    ],
    { legend: ['train loss', 'test loss'] },
  );

  it('have different characters, which the legend shows', () => {
    const lines = figure.toText({ width: 60 }).split('\n');
    expect(lines[0]).toContain('━●━ train loss   ━×━ test loss');
    const column = (line: number, marker: string) => lines[line]?.indexOf(marker) ?? -1;
    const first = lines.findIndex((line, i) => i > 0 && line.includes('×'));
    expect(column(first, '×')).toBeLessThan(30); // the falling series starts at the top left
    expect(lines.slice(1).join('')).toMatch(/●/);
  });

  it('that coincide both show their characters', () => {
    const same = plot(
      [0, 1, 2],
      [
        [0.1, 0.5, 0.2],
        [0.1, 0.5, 0.2],
      ],
    ).toText();
    expect(same).toContain('●');
    expect(same).toContain('×');
  });

  it('have none where there is only one series', () => {
    expect(plot([1, 2, 3], [0.1, 0.5, 0.2], { legend: ['a'] }).toText()).not.toMatch(/[●×]/);
  });
});
