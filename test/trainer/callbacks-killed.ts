/**
 * A run of nothing but epochs, for a test that kills it: `callbacks-killed.ts DIR` writes histories
 * and events there as fast as it can.
 */
import path from 'node:path';
import { tensorBoard } from '@deepend/export';
import { csvHistory, jsonlHistory } from '@deepend/trainer';

const [dir = ''] = process.argv.slice(2);
const callbacks = [
  jsonlHistory(path.join(dir, 'h.jsonl')),
  csvHistory(path.join(dir, 'h.csv')),
  tensorBoard(path.join(dir, 'events')),
];
for (const callback of callbacks)
  await callback.onTrainBegin?.({ history: [], resumed: false } as never);
const speeds = { seconds: 1.5, samplesPerSecond: 1e4 / 3, samplesPerSecondWithLoading: 1e3 / 3 };
for (let epoch = 1; ; epoch++) {
  const record = {
    epoch,
    loss: 1 / epoch,
    trainAcc: 1 - 1 / epoch,
    testAcc: null,
    testLoss: null,
    lr: 0.1,
    ...speeds,
  };
  for (const callback of callbacks) await callback.onEpochEnd?.(record);
  if (epoch === 10) console.log('ten epochs');
}
