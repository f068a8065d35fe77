/**
 * The tables of docs/results.md and docs/zh/results.md from the runs in docs/results: `npm run bench:figures -- runs/lenet
 * ...` takes runs' directories in and writes them; a test compares the pages with the files. Runs of
 * `deepend train` are the book's, those of a script are seeds of examples/fashion-mnist-fast.ts.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Language } from './markdown';

const FOLDER = 'docs/results';
const PAGES: Record<Language, string> = { en: 'docs/results.md', zh: 'docs/zh/results.md' };
const FAST = path.join(FOLDER, 'fashion-mnist-fast');
const LONG = path.join(FAST, 'long');
/** The epochs of the fast example where `--epochs` does not say another number. */
const FAST_EPOCHS = 7;

const WORDS = {
  en: {
    seed: 'seed',
    epoch: (n: number) => `epoch ${n}`,
    epochs: 'epochs',
    minutes: 'minutes',
    images: (count: unknown) => `${count ?? 'all'} images`,
    figures:
      '| net | lr / batch / epochs | trained on | loss / train acc / test acc | the book, 10 epochs on all |',
  },
  zh: {
    seed: '种子',
    epoch: (n: number) => `周期 ${n}`,
    epochs: '迭代周期数',
    minutes: '分钟',
    images: (count: unknown) => (count ? `${count} 幅图像` : '全部图像'),
    figures:
      '| 模型 | 学习率 / 批量大小 / 迭代周期数 | 训练数据 | 损失 / 训练准确率 / 测试准确率 | 书中：全部图像，10 个迭代周期 |',
  },
} as const;

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

/** A run of examples/fashion-mnist-fast.ts. */
export interface FastRun {
  readonly seed: number;
  readonly hardware: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly history: readonly { testAcc: number; seconds: number }[];
}

const readAll = <T>(folder: string): T[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as T);

export const keptRuns = (): KeptRun[] => readAll(FOLDER);
export const fastRuns = (): FastRun[] => readAll(FAST);
export const longRuns = (): FastRun[] => readAll(LONG);

/** The test accuracy after each epoch of the fast example, a row a seed. */
export function fastTable(runs: readonly FastRun[], language: Language = 'en'): string {
  const { seed: head, epoch, minutes } = WORDS[language];
  const epochs = Math.max(0, ...runs.map(({ history }) => history.length));
  const numbers = Array.from({ length: epochs }, (_, i) => i + 1);
  const rows = runs.map(({ seed, history }) => {
    const seconds = history.reduce((sum, epoch) => sum + epoch.seconds, 0);
    const accuracies = numbers.map((n) => history[n - 1]?.testAcc.toFixed(4) ?? '');
    return `| ${[seed, ...accuracies, (seconds / 60).toFixed(1)].join(' | ')} |`;
  });
  return [
    `| ${[head, ...numbers.map(epoch), minutes].join(' | ')} |`,
    `| ${Array.from({ length: epochs + 2 }, () => '---').join(' | ')} |`,
    ...rows,
  ].join('\n');
}

/** The test accuracy after every fourth epoch of runs of the fast example with more epochs. */
export function longTable(runs: readonly FastRun[], language: Language = 'en'): string {
  const words = WORDS[language];
  const epochs = Math.max(0, ...runs.map(({ history }) => history.length));
  const numbers = Array.from({ length: Math.floor(epochs / 4) }, (_, i) => 4 * (i + 1));
  const rows = runs.map(({ seed, history }) => {
    const accuracies = numbers.map((n) => history[n - 1]?.testAcc.toFixed(4) ?? '');
    return `| ${[history.length, seed, ...accuracies].join(' | ')} |`;
  });
  return [
    `| ${[words.epochs, words.seed, ...numbers.map(words.epoch)].join(' | ')} |`,
    `| ${Array.from({ length: numbers.length + 2 }, () => '---').join(' | ')} |`,
    ...rows,
  ].join('\n');
}

/** @param publishedOf what the book's own run of a net reached */
export function figuresTable(
  runs: readonly KeptRun[],
  publishedOf: (model: string) => Published | undefined,
  language: Language = 'en',
): string {
  const words = WORDS[language];
  const rows = runs.map(({ settings, history }) => {
    const last = history.at(-1);
    const published = publishedOf(settings.model);
    const { model, epochs, lr, batchSize, train, resize } = settings;
    const data = `${words.images(train)}${resize ? `, ${resize} px` : ''}`;
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
  return [words.figures, '| --- | --- | --- | --- | --- |', ...rows].join('\n');
}

/** The page, with the table between `<!-- name:begin -->` and `<!-- name:end -->`. */
export function withTable(page: string, name: 'figures' | 'fast' | 'long', table: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [before] = page.split(begin);
  const after = page.split(end)[1] ?? '';
  return `${before}${begin}\n\n${table}\n\n${end}${after}`;
}

/** Takes runs' directories in. */
export function keep(folders: readonly string[]): void {
  for (const folder of folders) {
    const config = JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8'));
    const lines = readFileSync(path.join(folder, 'history.jsonl'), 'utf8').trim().split('\n');
    const { settings, seed, hardware, versions } = config;
    const history = lines.map((line) => JSON.parse(line));
    const run = { ...(settings ? { settings } : { seed }), hardware, versions, history };
    const fast = path.join(history.length > FAST_EPOCHS ? LONG : FAST, `${seed}`);
    const file = settings ? path.join(FOLDER, path.basename(folder)) : fast;
    writeFileSync(`${file}.json`, `${JSON.stringify(run, null, 1)}\n`);
  }
}

export const LANGUAGES = Object.keys(PAGES) as Language[];
export const readPage = (language: Language) => readFileSync(PAGES[language], 'utf8');
export const writePage = (language: Language, text: string) => writeFileSync(PAGES[language], text);
