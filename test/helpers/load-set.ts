/**
 * Loads the small set in a process of its own: `tsx load-set.ts MIRROR`. Prints where the set came
 * from.
 */
import { loadDataset } from '@deepend/data';
import { smallSet } from './idx';

const [, , mirror = ''] = process.argv;
const [train] = await loadDataset(smallSet().spec, 2, {
  mirrors: [mirror],
  timeout: 20_000,
  workers: 0,
});
process.stdout.write(train.dataset.source ?? '');
