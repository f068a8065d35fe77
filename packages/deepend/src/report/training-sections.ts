/** Sections that the history alone fills: curves, learning rate, throughput. */

import type { EpochRecord } from '@deepend/core';
import { curves, type Figure, plot } from '@deepend/plot';
import { type Html, html } from './html';
import type { Missing } from './missing';
import { absence, chart, type Section, table } from './parts';
import type { RunFolder } from './run-folder';
import { duration, figure, rate, short } from './words';

const SIZE = { width: 460, height: 320 };

export function trainingSections({ history, dir }: RunFolder): Section[] {
  const none: Missing | undefined =
    history.length > 0
      ? undefined
      : {
          missing: 'the run has not come to the end of an epoch yet',
          fill: `npx deepend resume ${dir} goes on with it`,
        };
  const parts: readonly (readonly [
    id: string,
    title: string,
    body: (history: readonly EpochRecord[]) => Html,
  ])[] = [
    ['curves', 'Curves', curvesBody],
    ['learning-rate', 'Learning rate', rateBody],
    ['throughput', 'Throughput', throughputBody],
  ];
  return parts.map(([id, title, body]) => ({
    id,
    title,
    body: none ? absence(none) : body(history),
  }));
}

function curvesBody(history: readonly EpochRecord[]): Html {
  const losses = lines(
    history,
    { 'train loss': ({ loss }) => loss, 'test loss': ({ testLoss }) => testLoss },
    'loss',
  );
  return html`<div class="charts">${chart(curves(history, SIZE), 'Training loss, and the shares of right answers in training and on the test set, over epochs.')}
${losses && chart(losses, 'Loss in training, each sample measured before its step, and on the test set after the epoch.')}</div>
<details><summary>The figures of each epoch</summary>${epochTable(history)}</details>`;
}

function rateBody(history: readonly EpochRecord[]): Html {
  const picture = lines(history, { 'learning rate': ({ lr }) => lr }, 'learning rate');
  const rates = history.map(({ lr }) => lr);
  const constant = rates.every((lr) => lr === rates[0]);
  return html`${picture && chart(picture, `The learning rate of each epoch's last step${constant ? `: ${short(rates[0])} throughout` : ''}.`)}`;
}

function throughputBody(history: readonly EpochRecord[]): Html {
  const picture = lines(
    history,
    {
      'compute alone': ({ samplesPerSecond }) => samplesPerSecond,
      'with loading': (record) => record.samplesPerSecondWithLoading,
    },
    'samples/s',
    { fromZero: true },
  );
  return html`${picture && chart(picture, 'Training samples a second in each epoch: counting the steps alone, and with the waiting for batches.')}`;
}

type Read = (record: EpochRecord) => number | null;

/**
 * Columns of the history over epochs; a column without a number is left out, and without any there
 * is no picture.
 */
function lines(
  history: readonly EpochRecord[],
  columns: Record<string, Read>,
  ylabel: string,
  { fromZero = false } = {},
): Figure | undefined {
  const read = Object.entries(columns).map(([name, of]) => ({
    name,
    values: history.map((record) => of(record) ?? Number.NaN),
  }));
  const shown = read.filter(({ values }) => values.some(Number.isFinite));
  if (shown.length === 0) return undefined;
  const top = shown
    .flatMap(({ values }) => values.filter(Number.isFinite))
    .reduce((a, b) => Math.max(a, b));
  const dots = history.length <= 30 ? 'o' : ''; // a single epoch is a point, which no line shows
  const options = {
    xlabel: 'epoch',
    ylabel,
    fmts: [`-${dots}`, `m--${dots}`],
    ...(shown.length > 1 && { legend: shown.map(({ name }) => name) }),
    ...(fromZero && top > 0 && { ylim: [0, top * 1.08] as const }),
    ...SIZE,
  };
  return plot(
    [history.map(({ epoch }) => epoch)],
    shown.map(({ values }) => values),
    options,
  );
}

function epochTable(history: readonly EpochRecord[]): Html {
  const names = [
    'loss',
    'train acc',
    'test loss',
    'test acc',
    'learning rate',
    'samples/s',
    'with loading',
    'time',
  ];
  const columns = [{ name: 'epoch' }, ...names.map((name) => ({ name, numeric: true }))];
  const rows = history.map((record) => [
    record.epoch,
    ...[record.loss, record.trainAcc, record.testLoss, record.testAcc].map((value) =>
      figure(value, 4),
    ),
    ...[
      short(record.lr),
      rate(record.samplesPerSecond),
      rate(record.samplesPerSecondWithLoading),
      duration(record.seconds),
    ],
  ]);
  return table('Figures of each epoch', columns, rows);
}
