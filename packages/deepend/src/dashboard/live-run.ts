/** One run that is being watched: its files are read again as they change. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { EpochRecord } from '@deepend/core';
import { JsonLines } from '../run/json-lines';
import { RUN_FILES } from '../run/layout';
import { type Fields, parseEpoch, parseObject, parseStep, type StepLine } from '../run/records';
import { openInside, readInside } from './confine';
import { summarize } from './summary';
import type { RunSummary } from './types';

const LARGEST_JSON = 1024 * 1024; // bytes
const SETTLE_MS = 2000; // a file may be written twice within one tick of the file system's clock
const WATCHED = ['config', 'result', 'history', 'steps'] as const;
type WatchedFile = (typeof WATCHED)[number];

/** The dashboard's view of a run. Files outside the dashboard's folder are never read. */
export class LiveRun {
  summary: RunSummary | undefined;
  config: Fields = {};
  #result: Fields | undefined;
  readonly #history = new JsonLines<EpochRecord>(parseEpoch);
  readonly #steps = new JsonLines<StepLine>(parseStep, { tail: 64 * 1024, keep: 64 });
  /** Each file's state when it was last read, and when it was last written. */
  readonly #seen = new Map<WatchedFile, { readonly mark: string; readonly time: number }>();
  #settled: number | undefined;

  readonly #root: string;
  readonly #place: { readonly id: string; readonly name: string };

  /**
   * @param root the dashboard's folder, a real path
   * @param place the run's folder relative to it, and the name to show
   */
  constructor(root: string, place: { readonly id: string; readonly name: string }) {
    this.#root = root;
    this.#place = place;
  }

  get id(): string {
    return this.#place.id;
  }

  get name(): string {
    return this.#place.name;
  }

  /**
   * The epochs, oldest first. The last one may be the current epoch so far; its `epoch` is then a
   * fraction.
   */
  get history(): readonly ChartedEpoch[] {
    const last = this.#history.records.at(-1)?.epoch ?? 0;
    const current = this.#steps.records.findLast((line) => 'step' in line);
    if (!current || current.epoch <= last || current.numBatches === null)
      return this.#history.records;
    return [
      ...this.#history.records,
      {
        epoch: current.epoch - 1 + current.step / current.numBatches,
        loss: current.loss ?? Number.NaN,
        trainAcc: current.trainAcc ?? Number.NaN,
        samplesPerSecond: current.samplesPerSecond ?? Number.NaN,
        testAcc: null,
      },
    ];
  }

  /** Shows the run as failed: its files cannot be understood. */
  fail(error: unknown): void {
    const reason = `its files cannot be read: ${(error as Error).message}`;
    const now = Date.now();
    const nothing = { config: {}, result: undefined, history: [], steps: [] };
    const empty = summarize(this.#place, { ...nothing, started: now, lastNews: now, now });
    const { started, lastNews } = this.summary ?? empty;
    this.summary = { ...empty, state: 'failed', reason, started, lastNews };
    this.#settled = undefined;
  }

  /**
   * Reads the files that changed.
   * @param folderTime when the folder was last written; a run that has ended is not read again
   *   until this changes
   */
  async refresh(folderTime: number): Promise<void> {
    if (this.#settled === folderTime) return;
    for (const file of WATCHED) await this.#refreshFile(file);
    const time = (file: WatchedFile) => this.#seen.get(file)?.time;
    const times = WATCHED.flatMap((file) => time(file) ?? []);
    this.summary = summarize(this.#place, {
      config: this.config,
      result: this.#result,
      history: this.#history.records,
      steps: this.#steps.records,
      started: parseTime(this.config.startedAt) ?? time('config') ?? folderTime,
      lastNews: Math.max(...times, 0) || folderTime,
      now: Date.now(),
    });
    const ended = this.summary.state !== 'running' && this.summary.state !== 'silent';
    this.#settled = ended && Date.now() - folderTime > SETTLE_MS ? folderTime : undefined;
  }

  async #refreshFile(file: WatchedFile): Promise<void> {
    const place = path.join(this.#root, this.id, RUN_FILES[file]);
    const found = await stat(place).catch(() => undefined);
    const mark = found && `${found.ino} ${found.size} ${found.mtimeMs}`;
    const before = this.#seen.get(file);
    if (mark === before?.mark && Date.now() - (found?.mtimeMs ?? 0) > SETTLE_MS) return;
    if (found && mark) this.#seen.set(file, { mark, time: found.mtimeMs });
    else this.#seen.delete(file);
    await this.#read(file);
  }

  async #read(file: WatchedFile): Promise<void> {
    const name = RUN_FILES[file];
    const place = this.id === '.' ? name : `${this.id}/${name}`;
    if (file === 'config' || file === 'result') {
      const value = parseObject(await readInside(this.#root, place, LARGEST_JSON));
      if (file === 'config') this.config = value ?? {};
      else this.#result = value;
      return;
    }
    const lines = file === 'history' ? this.#history : this.#steps;
    const handle = await openInside(this.#root, place);
    if (!handle) return lines.clear();
    try {
      await lines.read(handle);
    } catch {
      lines.clear(); // the disk is gone; the next refresh reads everything again
    } finally {
      await handle.close();
    }
  }
}

/** A time in milliseconds since 1970; undefined for anything that is not one. */
function parseTime(value: unknown): number | undefined {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(time) ? time : undefined;
}

/** The columns of an epoch that the dashboard draws. */
export type ChartedEpoch = Pick<
  EpochRecord,
  'epoch' | 'loss' | 'trainAcc' | 'testAcc' | 'samplesPerSecond'
>;
