/** The committed runs and measurements that the figures are drawn from. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { EpochRecord } from 'deepend';

export const ROOT = path.resolve(import.meta.dirname, '../..');
/** Runs of the site's pages. `docs/figures/keep.ts` takes them in. */
export const RUNS = path.join(ROOT, 'docs/results/site');

export interface SiteRun {
  /** What makes it again; empty where a page says it. */
  readonly command: string;
  readonly hardware: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly history: readonly EpochRecord[];
}

/** Attention weights of a translation, for `showHeatmaps`. */
export interface AttentionWeights {
  /** `[block][head][query][key]`, rounded. */
  readonly weights: readonly (readonly (readonly (readonly number[])[])[])[];
  readonly xticks: readonly string[];
  readonly yticks: readonly string[];
}

/** A run of a script of examples/text. `docs/figures/keep-text.ts` takes them in. */
export interface TextRun extends Omit<SiteRun, 'history'> {
  readonly minutes: number;
  /** The mean cross-entropy of each epoch. */
  readonly losses: readonly number[];
  /** Accuracy on the test set after the last epoch, where classes were counted. */
  readonly testAcc?: number;
  /** What it generated: texts of a language model, or translations. */
  readonly texts: readonly string[];
  readonly attention?: AttentionWeights;
}

interface Series {
  readonly name: string;
  readonly median: number;
}

interface Bench {
  readonly rows: readonly { readonly title: string; readonly series: readonly Series[] }[];
}

const readJson = <T>(file: string): T => JSON.parse(readFileSync(file, 'utf8')) as T;

/** What a script of the examples has written, with its command. */
export const keptResult = <T>(name: string): T => readJson(path.join(RUNS, `${name}.json`));

export const siteRun = (name: string): SiteRun => readJson(path.join(RUNS, `${name}.json`));

export const textRun = (name: string): TextRun => readJson(path.join(RUNS, `${name}.json`));

/** A run of docs/results.md, which has its command. */
export const bookRun = (name: string): SiteRun => ({
  command: '',
  ...readJson<Omit<SiteRun, 'command'>>(path.join(ROOT, `docs/results/${name}.json`)),
});

export const bench = (name: string): Bench =>
  readJson(path.join(ROOT, `test/bench/results/${name}.json`));

/** Samples per second of a row's series whose name begins with `name`; the best of several. */
export function speed({ rows }: Bench, title: string, name: string): number {
  const row = rows.find((each) => each.title.startsWith(title));
  const medians = (row?.series ?? [])
    .filter((series) => series.name === name || series.name.startsWith(`${name}, channels`))
    .map(({ median }) => median);
  return Math.max(...medians);
}
