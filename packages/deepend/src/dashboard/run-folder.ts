/** One run: what its files tell, read again as they change. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { openInside, readInside } from './confine';
import { JsonLines } from './json-lines';
import { type EpochLine, type StepLine, toEpochLine, toObject, toStepLine } from './lines';
import { summarize } from './summary';
import type { RunSummary } from './types';

const LARGEST_JSON = 1024 * 1024; // bytes
const SETTLE_MS = 2000; // a file may be written twice within a tick of the clock
const FILES = ['config.json', 'result.json', 'history.jsonl', 'steps.jsonl'] as const;
type FileName = (typeof FILES)[number];

export class RunFolder {
  summary: RunSummary | undefined;
  config: Record<string, unknown> = {};
  #result: Record<string, unknown> | undefined;
  readonly #history = new JsonLines<EpochLine>(toEpochLine);
  readonly #steps = new JsonLines<StepLine>(toStepLine, { tail: 64 * 1024, keep: 64 });
  /** What told a file's last state from the present one, and when it was last written. */
  readonly #seen = new Map<FileName, { readonly mark: string; readonly time: number }>();
  #settled: number | undefined;

  readonly #place: { readonly id: string; readonly name: string };

  /**
   * @param root a real path
   * @param place the run's folder below it, and what it is called
   */
  constructor(
    private readonly root: string,
    place: { readonly id: string; readonly name: string },
  ) {
    this.#place = place;
  }

  get id(): string {
    return this.#place.id;
  }

  get name(): string {
    return this.#place.name;
  }

  /** Epochs, oldest first, and last the present one so far, whose `epoch` is a broken number. */
  get history(): readonly EpochLine[] {
    const last = this.#history.records.at(-1)?.epoch ?? 0;
    const now = this.#steps.records.findLast((line) => 'step' in line);
    if (!now || now.epoch <= last || now.numBatches === null) return this.#history.records;
    const { loss, trainAcc, samplesPerSecond } = now;
    const epoch = now.epoch - 1 + now.step / now.numBatches;
    return [
      ...this.#history.records,
      { epoch, loss, trainAcc, samplesPerSecond, testAcc: null, seconds: null },
    ];
  }

  /**
   * Reads what changed.
   * @param folderTime when the folder was last written: a run that has ended is left alone until it
   *   is again
   */
  async refresh(folderTime: number): Promise<void> {
    if (this.#settled === folderTime) return;
    for (const name of FILES) await this.#refreshFile(name);
    const time = (name: FileName) => this.#seen.get(name)?.time;
    const news = FILES.flatMap((name) => time(name) ?? []);
    this.summary = summarize(this.#place, {
      config: this.config,
      result: this.#result,
      history: this.#history.records,
      steps: this.#steps.records,
      started: Date.parse(String(this.config.startedAt)) || (time('config.json') ?? folderTime),
      lastNews: Math.max(...news, 0) || folderTime,
      now: Date.now(),
    });
    const ended = this.summary.state !== 'running' && this.summary.state !== 'silent';
    this.#settled = ended && Date.now() - folderTime > SETTLE_MS ? folderTime : undefined;
  }

  async #refreshFile(name: FileName): Promise<void> {
    const found = await stat(path.join(this.root, this.id, name)).catch(() => undefined);
    const mark = found && `${found.ino} ${found.size} ${found.mtimeMs}`;
    const before = this.#seen.get(name);
    if (mark === before?.mark && Date.now() - (found?.mtimeMs ?? 0) > SETTLE_MS) return;
    if (found && mark) this.#seen.set(name, { mark, time: found.mtimeMs });
    else this.#seen.delete(name);
    await this.#read(name);
  }

  async #read(name: FileName): Promise<void> {
    const place = this.id === '.' ? name : `${this.id}/${name}`;
    if (name === 'config.json' || name === 'result.json') {
      const value = toObject(await readInside(this.root, place, LARGEST_JSON));
      if (name === 'config.json') this.config = value ?? {};
      else this.#result = value;
      return;
    }
    const lines = name === 'history.jsonl' ? this.#history : this.#steps;
    const file = await openInside(this.root, place);
    if (!file) return lines.clear();
    try {
      await lines.read(file);
    } catch {
      lines.clear(); // the disk went away; the next look begins anew
    } finally {
      await file.close();
    }
  }
}
