/** A run as a row of the list, from what its files hold. */
import path from 'node:path';
import { type EpochLine, type StepLine, toNumber, toText } from './lines';
import type { RunState, RunSummary } from './types';

const LEAST_SILENCE_MS = 60_000;
const PATIENCE = 2.5; // epochs without news before a run is called silent
const RECENT = 3; // epochs that tell the pace

export interface RunFiles {
  readonly config: Readonly<Record<string, unknown>>;
  /** undefined where there is none yet: the run has not come to its end. */
  readonly result: Readonly<Record<string, unknown>> | undefined;
  readonly history: readonly EpochLine[];
  readonly steps: readonly StepLine[];
  /** Milliseconds since 1970, as the rest. */
  readonly started: number;
  readonly lastNews: number;
  readonly now: number;
}

/** @param place the run's folder below the dashboard's, and what it is called */
export function summarize(
  place: { readonly id: string; readonly name: string },
  files: RunFiles,
): RunSummary {
  const { config, result, history, steps, started, lastNews } = files;
  const settings = (config.settings ?? {}) as Record<string, unknown>;
  const last = history.at(-1);
  const live = steps.findLast((line) => 'step' in line && line.epoch > (last?.epoch ?? 0)) as
    | Live
    | undefined;
  const epoch = live
    ? live.epoch - 1 + (live.numBatches ? Math.min(1, live.step / live.numBatches) : 0)
    : (last?.epoch ?? 0);
  const numEpochs = toNumber(config.numEpochs);
  const { state, reason } = stateOf(files);
  return {
    ...place,
    model: toText(settings.model ?? config.net),
    data: toText(settings.data ?? dataOf(config.data)),
    device: toText(config.device),
    state,
    reason: reason ?? toText(result?.stopped),
    epoch,
    numEpochs,
    secondsLeft:
      state === 'running' && numEpochs !== null ? secondsLeft(files, numEpochs - epoch) : null,
    loss: (live ?? last)?.loss ?? null,
    trainAcc: (live ?? last)?.trainAcc ?? null,
    testAcc: last?.testAcc ?? null,
    samplesPerSecond: (live ?? last)?.samplesPerSecond ?? null,
    started,
    lastNews,
  };
}

type Live = Extract<StepLine, { step: number }>;

/** A script may say in one word what it trained on, or hold a path. */
const dataOf = (data: unknown) => (typeof data === 'string' ? path.basename(data) : data);

function stateOf({ result, history, steps, lastNews, now }: RunFiles): {
  state: RunState;
  reason: string | null;
} {
  if (result) return { state: 'finished', reason: null };
  const end = steps.at(-1);
  if (end && 'ended' in end)
    return { state: end.ended === 'failed' ? 'failed' : 'interrupted', reason: end.reason };
  const longest = Math.max(0, ...history.slice(-RECENT).map(({ seconds }) => seconds ?? 0));
  const silent = now - lastNews > Math.max(LEAST_SILENCE_MS, PATIENCE * longest * 1000);
  return { state: silent ? 'silent' : 'running', reason: null };
}

/** At the pace of the last epochs; of the steps so far where none is done. */
function secondsLeft({ history, steps }: RunFiles, epochs: number): number | null {
  const seconds = history.slice(-RECENT).flatMap((record) => record.seconds ?? []);
  if (seconds.length > 0)
    return Math.max(0, epochs) * (seconds.reduce((sum, one) => sum + one) / seconds.length);
  const timed = steps.filter((line): line is Live => 'step' in line && line.time !== null);
  const [first, last] = [timed[0], timed.at(-1)];
  if (!first?.time || !last?.time || !last.numBatches || last.step <= first.step) return null;
  const each = (last.time - first.time) / 1000 / (last.step - first.step);
  return Math.max(0, epochs) * last.numBatches * each;
}
