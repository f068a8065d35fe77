/** The axes of the dashboard's charts after a run's first epoch, when each curve is one dot. */
import { expect, it } from 'vitest';
import { drawMetric } from '../../packages/deepend/src/dashboard/charts';

const first = { epoch: 1, loss: 0.7, trainAcc: 0.7, testAcc: 0.7, samplesPerSecond: 1000 };
const labels = (metric: 'trainAcc' | 'testAcc' | 'samplesPerSecond') => {
  const markup = drawMetric([{ name: 'run', history: [first] }], { metric, width: 480 });
  return [...markup.matchAll(/>([\d.,]+)<\/text>/g)].map(([, text]) =>
    Number(text?.replaceAll(',', '')),
  );
};

it.each(['trainAcc', 'testAcc'] as const)('%s has an axis from 0 to 1', (metric) => {
  expect(labels(metric)).toEqual(expect.arrayContaining([0, 1]));
  expect(Math.max(...labels(metric))).toBe(1);
});

it('samples per second start at 0', () => {
  expect(labels('samplesPerSecond')).toEqual(expect.arrayContaining([0, 1000]));
});
