/** Writing `steps.jsonl`: how far a run is within its epoch, for programs that watch it. */
import { readFile, rm } from 'node:fs/promises';
import { appendToFile, type StepRecord, writeFileAtomic } from '@deepend/core';
import type { RunInfo } from '@deepend/trainer';
import { parseJsonLines } from './json-lines';
import { parseStep, type StepLine } from './records';

const WHERE = { where: '[deepend] saveRun', hint: 'free the disk or name another folder' };

/**
 * Writes a line whenever the trainer has read new metrics from the device, about five times an
 * epoch. A run that is resumed from a checkpoint removes the lines after that checkpoint.
 */
export class StepsWriter {
  readonly #file: string;
  #batchSize = 1;
  #numSamples = Number.POSITIVE_INFINITY;
  /** Whether lines after the checkpoint may still be in the file. */
  #isStale = false;
  #previous = { step: 0, time: 0 };
  #written: Pick<StepRecord, 'loss' | 'trainAcc'> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  async begin({ batchSize, numSamples, resumed }: RunInfo): Promise<void> {
    this.#batchSize = batchSize;
    this.#numSamples = numSamples;
    this.#isStale = resumed;
    if (resumed) await this.#keepSteps(() => true);
    else await rm(this.#file, { force: true });
  }

  beginEpoch(): void {
    this.#written = undefined;
    this.#previous = { step: 0, time: performance.now() };
  }

  async step(record: StepRecord): Promise<void> {
    const { loss, trainAcc, step } = record;
    if (!this.#written && step > 1) this.#previous.step = step - 1; // resumed within the epoch
    if (Object.is(this.#written?.loss, loss) && Object.is(this.#written?.trainAcc, trainAcc))
      return;
    this.#written = { loss, trainAcc };
    await this.#write(record);
  }

  /** Records that the run did not finish. */
  end(ended: 'interrupted' | 'failed', reason?: string): Promise<void> {
    const time = new Date().toISOString();
    return this.#append({ ended, ...(reason !== undefined && { reason }), time });
  }

  async #write({ epoch, step, numBatches, globalStep, loss, trainAcc }: StepRecord): Promise<void> {
    if (this.#isStale)
      await this.#keepSteps((line) => line.globalStep !== null && line.globalStep < globalStep);
    this.#isStale = false;
    const now = performance.now();
    const samples =
      Math.min(this.#numSamples, step * this.#batchSize) - this.#previous.step * this.#batchSize;
    const samplesPerSecond = samples / ((now - this.#previous.time) / 1000);
    this.#previous = { step, time: now };
    const time = new Date().toISOString();
    await this.#append({
      epoch,
      step,
      numBatches,
      globalStep,
      loss,
      trainAcc,
      samplesPerSecond,
      time,
    } satisfies Record<keyof Step, unknown>);
  }

  /** Rewrites the file with only those of its steps that pass. */
  async #keepSteps(passes: (line: Step) => boolean): Promise<void> {
    const content = await readFile(this.#file, 'utf8').catch(() => '');
    const kept = parseJsonLines(content, parseStep).filter(
      ({ record }) => record && 'step' in record && passes(record),
    );
    await writeFileAtomic(this.#file, kept.map(({ text }) => `${text}\n`).join(''), WHERE);
  }

  #append(line: object): Promise<void> {
    return appendToFile(this.#file, `${JSON.stringify(line)}\n`, WHERE);
  }
}

type Step = Extract<StepLine, { step: number }>;
