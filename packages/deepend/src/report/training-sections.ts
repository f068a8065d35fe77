/** Sections from the history: curves, learning rate, throughput. */
import type { EpochRecord } from '@deepend/core';
import { curves, type Figure, plot } from '@deepend/plot';
import type { Run, Unavailable } from '../run/read-run';
import { formatDuration, formatFixed, formatRate, formatShort } from './format';
import { type Html, html } from './html';
import { absence, chart, type Section, table } from './parts';

const SIZE = { width: 460, height: 320 };

export function trainingSections({ history, dir }: Run): Section[] {
  const none: Unavailable | undefined =
    history.length > 0
      ? undefined
      : {
          reason: 'the run has not finished an epoch yet',
          hint: `npx deepend resume ${dir} continues the run`,
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
  const all = 'Training loss, and accuracy in training and on the test set, over epochs.';
  const both =
    'Training loss, measured before each step, and test loss, measured after each epoch.';
  return html`<div class="charts">${chart(curves(history, SIZE), all)}
${losses && chart(losses, both)}</div>
<details><summary>The numbers of each epoch</summary>${epochTable(history)}</details>`;
}

function rateBody(history: readonly EpochRecord[]): Html {
  const picture = lines(history, { 'learning rate': ({ lr }) => lr }, 'learning rate');
  const rates = history.map(({ lr }) => lr);
  const constant = rates.every((lr) => lr === rates[0]);
  const value = constant ? `: always ${formatShort(rates[0])}` : '';
  const caption = `The learning rate of each epoch's last step${value}.`;
  return html`${picture && chart(picture, caption)}`;
}

function throughputBody(history: readonly EpochRecord[]): Html {
  const picture = lines(
    history,
    {
      'compute only': ({ samplesPerSecond }) => samplesPerSecond,
      'with loading': (record) => record.samplesPerSecondWithLoading,
    },
    'samples/s',
    { fromZero: true },
  );
  const caption =
    'Training samples a second in each epoch: during the steps only, and with waiting for batches.';
  return html`${picture && chart(picture, caption)}`;
}

type ReadColumn = (record: EpochRecord) => number | null;

/** Draws columns of the history that have a number; undefined if none has. */
function lines(
  history: readonly EpochRecord[],
  columns: Record<string, ReadColumn>,
  ylabel: string,
  { fromZero = false } = {},
): Figure | undefined {
  const all = Object.entries(columns).map(([name, read]) => ({
    name,
    values: history.map((record) => read(record) ?? Number.NaN),
  }));
  const shown = all.filter(({ values }) => values.some(Number.isFinite));
  if (shown.length === 0) return undefined;
  const top = shown
    .flatMap(({ values }) => values.filter(Number.isFinite))
    .reduce((a, b) => Math.max(a, b));
  const dots = history.length <= 30 ? 'o' : ''; // one epoch has no line, only a dot
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
      formatFixed(value, 4),
    ),
    ...[
      formatShort(record.lr),
      formatRate(record.samplesPerSecond),
      formatRate(record.samplesPerSecondWithLoading),
      formatDuration(record.seconds),
    ],
  ]);
  return table('Figures of each epoch', columns, rows);
}
