/** A run as a row of the dashboard's table, computed from its files. */
import path from 'node:path';
import type { EpochRecord } from '@deepend/core';
import { type Fields, isObject, type StepLine, toNumber, toText } from '../run/records';
import type { RunState, RunSummary } from './types';

const MIN_SILENCE_MS = 60_000;
const SILENT_EPOCHS = 2.5; // epochs without news after which a run counts as silent
const RECENT = 3; // epochs from which the speed is computed

export interface RunFiles {
  readonly config: Readonly<Fields>;
  /** undefined while the run has not ended. */
  readonly result: Readonly<Fields> | undefined;
  readonly history: readonly EpochRecord[];
  readonly steps: readonly StepLine[];
  /** This and the following: milliseconds since 1970. */
  readonly started: number;
  readonly lastNews: number;
  readonly now: number;
}

/** @param place the run's folder relative to the dashboard's, and the name to show */
export function summarize(
  place: { readonly id: string; readonly name: string },
  files: RunFiles,
): RunSummary {
  const { config, result, history, steps, started, lastNews } = files;
  const settings = isObject(config.settings) ? config.settings : {};
  const last = history.at(-1);
  const live = steps.findLast((line) => 'step' in line && line.epoch > (last?.epoch ?? 0)) as
    | Live
    | undefined;
  const epoch = live
    ? live.epoch - 1 + (live.numBatches ? Math.min(1, live.step / live.numBatches) : 0)
    : (last?.epoch ?? 0);
  const numEpochs = toNumber(config.numEpochs);
  const { state, reason } = findState(files);
  return {
    ...place,
    model: toText(settings.model ?? config.model),
    data: toText(settings.data ?? nameOfData(config.data)),
    device: toText(config.device),
    state,
    reason: reason ?? toText(result?.stopped),
    epoch,
    numEpochs,
    secondsLeft:
      state === 'running' && numEpochs !== null ? secondsLeft(files, numEpochs - epoch) : null,
    loss: toNumber((live ?? last)?.loss),
    trainAcc: toNumber((live ?? last)?.trainAcc),
    testAcc: last?.testAcc ?? null,
    samplesPerSecond: toNumber((live ?? last)?.samplesPerSecond),
    started,
    lastNews,
  };
}

type Live = Extract<StepLine, { step: number }>;

/** A script may record the name of its data, or a path. */
const nameOfData = (data: unknown) => (typeof data === 'string' ? path.basename(data) : data);

function findState({ result, history, steps, lastNews, now }: RunFiles): {
  state: RunState;
  reason: string | null;
} {
  if (result) return { state: 'finished', reason: null };
  const end = steps.at(-1);
  if (end && 'ended' in end)
    return { state: end.ended === 'failed' ? 'failed' : 'interrupted', reason: end.reason };
  const longest = Math.max(
    0,
    ...history.slice(-RECENT).map(({ seconds }) => toNumber(seconds) ?? 0),
  );
  const silent = now - lastNews > Math.max(MIN_SILENCE_MS, SILENT_EPOCHS * longest * 1000);
  return { state: silent ? 'silent' : 'running', reason: null };
}

/** From the speed of the last epochs, or of the steps so far during the first epoch. */
function secondsLeft({ history, steps }: RunFiles, epochs: number): number | null {
  const seconds = history.slice(-RECENT).flatMap((record) => toNumber(record.seconds) ?? []);
  if (seconds.length > 0)
    return Math.max(0, epochs) * (seconds.reduce((sum, one) => sum + one) / seconds.length);
  const timed = steps.filter((line): line is Live => 'step' in line && line.time !== null);
  const [first, last] = [timed[0], timed.at(-1)];
  if (!first?.time || !last?.time || !last.numBatches || last.step <= first.step) return null;
  const each = (last.time - first.time) / 1000 / (last.step - first.step);
  return Math.max(0, epochs) * last.numBatches * each;
}
