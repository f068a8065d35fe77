/** `steps.jsonl`: where a run stands within its epoch, for those who watch it from outside. */
import { readFile } from 'node:fs/promises';
import type { StepRecord } from '@deepend/core';
import type { RunInfo } from '@deepend/trainer';
import fs from 'fs-extra';
import { writeWhole } from './files';

const WHERE = '[deepend] saveRun';

/**
 * A line of the file; the last one of a run that did not come to its end is `{ ended, reason?, time
 * }`.
 */
export interface StepsLine {
  readonly epoch: number;
  /** In this epoch, from 1. */
  readonly step: number;
  readonly numBatches: number;
  /** In the whole run, from 1. */
  readonly globalStep: number;
  /** Training so far in this epoch. */
  readonly loss: number;
  readonly trainAcc: number;
  /** Since the line before in this epoch, with waiting for the loader. */
  readonly samplesPerSecond: number;
  /** ISO 8601. */
  readonly time: string;
}

export interface StepsFile {
  begin(info: RunInfo): Promise<void>;
  beginEpoch(): void;
  step(record: StepRecord): Promise<void> | undefined;
  /** Says that the run did not come to its end. */
  end(how: 'interrupted' | 'failed', reason?: string): Promise<void>;
}

/**
 * Writes a line each time that the trainer has fetched new figures from the device, some five times
 * an epoch, and nothing in between. A run that
 * goes on from a checkpoint takes back the lines after it.
 */
export function stepsFile(file: string): StepsFile {
  let [batchSize, numSamples] = [1, Number.POSITIVE_INFINITY];
  let goesOn = false; // whether lines after the checkpoint are still there
  let since = { step: 0, time: 0 };
  let seen: Pick<StepRecord, 'loss' | 'trainAcc'> | undefined;

  const write = async (record: StepRecord) => {
    const { epoch, step, numBatches, globalStep, loss, trainAcc } = record;
    if (goesOn) await keep(file, (line) => line.globalStep < globalStep);
    goesOn = false;
    const now = performance.now();
    const samples = Math.min(numSamples, step * batchSize) - since.step * batchSize;
    const samplesPerSecond = samples / ((now - since.time) / 1000);
    since = { step, time: now };
    const time = new Date().toISOString();
    await add(file, {
      epoch,
      step,
      numBatches,
      globalStep,
      loss,
      trainAcc,
      samplesPerSecond,
      time,
    } satisfies StepsLine);
  };

  return {
    begin: async (info) => {
      ({ batchSize, numSamples } = info);
      goesOn = info.resumed;
      if (goesOn)
        await keep(file, () => true); // without the word of its end
      else await fs.remove(file);
    },
    beginEpoch: () => {
      seen = undefined;
      since = { step: 0, time: performance.now() };
    },
    step: (record) => {
      const { loss, trainAcc, step } = record;
      if (seen === undefined && step > 1) since.step = step - 1; // it goes on within the epoch
      if (seen && Object.is(seen.loss, loss) && Object.is(seen.trainAcc, trainAcc))
        return undefined;
      seen = { loss, trainAcc };
      return write(record);
    },
    end: (how, reason) =>
      add(file, {
        ended: how,
        ...(reason !== undefined && { reason }),
        time: new Date().toISOString(),
      }),
  };
}

/** The file with those of its lines alone that are whole, tell a step and pass. */
async function keep(file: string, passes: (line: StepsLine) => boolean): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const kept = text.split('\n').filter((line) => {
    try {
      const value = JSON.parse(line) as StepsLine;
      return typeof value.globalStep === 'number' && passes(value);
    } catch {
      return false; // a killed process leaves half a line
    }
  });
  await writeWhole(WHERE, file, kept.map((line) => `${line}\n`).join(''));
}

async function add(file: string, line: object): Promise<void> {
  try {
    await fs.appendFile(file, `${JSON.stringify(line)}\n`);
  } catch (cause) {
    const next = 'free the disk or name another folder';
    throw new Error(`${WHERE}: cannot write ${file}: ${(cause as Error).message}; ${next}`, {
      cause,
    });
  }
}
