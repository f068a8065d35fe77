/** Callbacks that measure time: a time limit, and the throughput of a run. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { countSamples } from '../loader';
import type { Callback, RunInfo } from './callback';

/**
 * Ends the run after the first step that ends this many seconds after its beginning, evaluations
 * included. The run ends as if it had reached its last epoch.
 * @param seconds above 0
 * @example
 * callbacks: [timeLimit(3600)]
 */
export function timeLimit(seconds: number): Callback {
  if (!(typeof seconds === 'number' && seconds > 0))
    throw new RangeError(
      `[trainer] timeLimit: expected a number of seconds above 0, got ${formatValue(seconds)}`,
    );
  let run: RunInfo | undefined;
  let startedAt = 0; // milliseconds
  return {
    name: 'timeLimit',
    config: { seconds },
    onTrainBegin(info) {
      run = info;
      startedAt = performance.now();
    },
    onStep() {
      if (performance.now() - startedAt >= 1000 * seconds)
        run?.control.stop(`the time limit of ${seconds} s is over`);
    },
  };
}

const rules = rule.object({ every: rule.positiveInteger().optional() });

/**
 * Prints the training throughput since its last line, waiting for the loader included, evaluation
 * excluded: `epoch 2, step 300/469: 1234.5 examples/sec`.
 * @param settings.every steps from one line to the next within an epoch @default 100
 * @example
 * callbacks: [samplesPerSecond({ every: 50 })]
 */
export function samplesPerSecond(settings: { every?: number } = {}): Callback {
  const { every = 100 } = checkOptions('[trainer] samplesPerSecond', rules, settings);
  let run: RunInfo | undefined;
  let startedAt = 0; // milliseconds
  let numSamples = 0;
  const restart = () => {
    startedAt = performance.now();
    numSamples = 0;
  };
  return {
    name: 'samplesPerSecond',
    onTrainBegin(info) {
      run = info;
      restart();
    },
    onEpochBegin: restart,
    onStep({ epoch, step, numBatches }) {
      const batch = run?.control.lastBatch();
      if (batch) numSamples += countSamples(batch);
      if (step % every !== 0) return;
      const rate = numSamples / ((performance.now() - startedAt) / 1000);
      console.log(`epoch ${epoch}, step ${step}/${numBatches}: ${rate.toFixed(1)} examples/sec`);
      restart();
    },
  };
}
