/**
 * The table of docs/results.md from the runs in docs/results: `npm run bench:figures -- runs/lenet
 * ...` takes runs' directories in and writes it;
 * a test holds the page to the files.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = 'docs/results';
const PAGE = 'docs/results.md';
const [BEGIN, END] = ['<!-- figures:begin -->', '<!-- figures:end -->'];

interface Published {
  readonly loss: number;
  readonly trainAcc: number;
  readonly testAcc: number;
}

/** A run as it is kept: what its directory says, without what is its machine's own. */
export interface KeptRun {
  readonly settings: Readonly<Record<string, unknown>> & {
    model: string;
    epochs: number;
    lr: number;
    batchSize: number;
  };
  readonly hardware: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly history: readonly { loss: number; trainAcc: number; testAcc: number }[];
}

export const keptRuns = (): KeptRun[] =>
  readdirSync(FOLDER)
    .sort()
    .map((name) => JSON.parse(readFileSync(path.join(FOLDER, name), 'utf8')) as KeptRun);

/** @param publishedOf what the book's own run of a net reached */
export function figuresTable(
  runs: readonly KeptRun[],
  publishedOf: (model: string) => Published | undefined,
): string {
  const rows = runs.map(({ settings, history }) => {
    const last = history.at(-1);
    const published = publishedOf(settings.model);
    const { model, epochs, lr, batchSize, train, resize } = settings;
    const data = `${train ?? 'all'} images${resize ? `, ${resize} px` : ''}`;
    const own = last
      ? [last.loss, last.trainAcc, last.testAcc].map((value) => value.toFixed(3)).join(' / ')
      : '';
    const theirs = published
      ? [published.loss, published.trainAcc, published.testAcc]
          .map((value) => value.toFixed(3))
          .join(' / ')
      : '';
    return `| \`${model}\` | ${lr} / ${batchSize} / ${epochs} | ${data} | ${own} | ${theirs} |`;
  });
  return [
    '| net | lr / batch / epochs | trained on | loss / train acc / test acc | the book, 10 epochs on all |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

/** The page, with the table in its place. */
export function withTable(page: string, table: string): string {
  const [before] = page.split(BEGIN);
  const after = page.split(END)[1] ?? '';
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}

/** Takes runs' directories in. */
export function keep(folders: readonly string[]): void {
  for (const folder of folders) {
    const { settings, hardware, versions } = JSON.parse(
      readFileSync(path.join(folder, 'config.json'), 'utf8'),
    );
    const lines = readFileSync(path.join(folder, 'history.jsonl'), 'utf8').trim().split('\n');
    const run = { settings, hardware, versions, history: lines.map((line) => JSON.parse(line)) };
    writeFileSync(
      path.join(FOLDER, `${path.basename(folder)}.json`),
      `${JSON.stringify(run, null, 1)}\n`,
    );
  }
}

export const readPage = () => readFileSync(PAGE, 'utf8');
export const writePage = (text: string) => writeFileSync(PAGE, text);
