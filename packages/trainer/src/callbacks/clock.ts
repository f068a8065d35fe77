/** Callbacks that look at the clock. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import type { Callback, RunInfo } from '../types';

/**
 * Ends the run in good order at the first step after so many seconds from its beginning,
 * evaluations counted.
 * @param seconds above 0
 */
export function timeLimit(seconds: number): Callback {
  if (!(typeof seconds === 'number' && seconds > 0))
    throw new RangeError(
      `[trainer] timeLimit: expected a number of seconds above 0, got ${formatValue(seconds)}`,
    );
  let run: RunInfo | undefined;
  let started = 0;
  return {
    onTrainBegin(info) {
      run = info;
      started = performance.now();
    },
    onStep() {
      if (performance.now() - started >= 1000 * seconds)
        run?.control.stop(`the time limit of ${seconds} s is over`);
    },
  };
}

const rules = rule.object({ every: rule.positiveInteger().optional() });

/**
 * Prints the training throughput of the steps since the last line, waiting for the loader included
 * and evaluation not:
 * `epoch 2, step 300/469: 1234.5 examples/sec`.
 * @param settings.every steps from line to line; an epoch's last ones may have none @default 100
 */
export function samplesPerSecond(settings: { every?: number } = {}): Callback {
  const { every = 100 } = checkOptions('[trainer] samplesPerSecond', rules, settings);
  let run: RunInfo | undefined;
  let [since, samples] = [0, 0];
  const begin = () => {
    [since, samples] = [performance.now(), 0];
  };
  return {
    onTrainBegin(info) {
      run = info;
      begin();
    },
    onEpochBegin: begin,
    onStep({ epoch, step, numBatches }) {
      samples += run?.control.lastBatch()?.features.shape[0] ?? 0;
      if (step % every !== 0) return;
      const rate = samples / ((performance.now() - since) / 1000);
      console.log(`epoch ${epoch}, step ${step}/${numBatches}: ${rate.toFixed(1)} examples/sec`);
      begin();
    },
  };
}
