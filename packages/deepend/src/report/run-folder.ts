/** What a run's directory says about it, read without a net or data. */
import path from 'node:path';
import type { EpochRecord } from '@deepend/core';
import fs from 'fs-extra';
import { parseHistory, parseObject } from '../history';
import { type Settings, settingsFrom } from '../settings';
import type { Missing } from './missing';

const WHERE = '[deepend] report';

/**
 * `config.json`, as far as a page reads it. Everything may be absent: an older deepend, or a
 * script, wrote it.
 */
export interface RunConfig {
  readonly net?: string;
  readonly device?: string;
  readonly engine?: string;
  readonly hardware?: string;
  readonly why?: string;
  readonly numEpochs?: number;
  readonly lr?: number;
  readonly seed?: number;
  readonly batchSize?: number;
  readonly numSamples?: number;
  readonly inputShape?: readonly number[];
  readonly numClasses?: number;
  readonly classNames?: readonly string[];
  readonly startedAt?: string;
  readonly gitCommit?: string;
  readonly versions?: Readonly<Record<string, string>>;
  readonly training?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

export interface RunResult {
  readonly epochs: number;
  readonly samplesPerSecond: number;
  /** Why it ended before its last epoch. */
  readonly stopped?: string;
}

export interface RunFolder {
  readonly dir: string;
  readonly config: RunConfig;
  /** What `deepend train` was told, or why that is not known. */
  readonly settings: Settings | Missing;
  readonly history: readonly EpochRecord[];
  /** Of a run that has come to its end; its `net/` is the run's last word then. */
  readonly result: RunResult | undefined;
  /** How a run that has not come to its end was broken off, where it could still say so. */
  readonly broken: { readonly ended: string; readonly reason?: string } | undefined;
}

/** @throws Error when the folder is not a run's, or a file in it is damaged */
export async function readRunFolder(dir: string): Promise<RunFolder> {
  const config = await readConfig(path.join(dir, 'config.json'));
  const history = await readHistory(path.join(dir, 'history.jsonl'));
  const result = await readResult(path.join(dir, 'result.json'));
  const end = isEnd(result, { config, history }) ? result : undefined;
  const broken = end ? undefined : await lastWord(path.join(dir, 'steps.jsonl'));
  return { dir, config, settings: settingsOf(config), history, result: end, broken };
}

async function readConfig(file: string): Promise<RunConfig> {
  const text = await fs.readFile(file, 'utf8').catch((cause: Error) => {
    const what = "expected a run's directory, as deepend train or saveRun fills it";
    throw new Error(`${WHERE}: ${file}: cannot be read (${cause.message}); ${what}`, { cause });
  });
  const config = parseObject(`${WHERE}: ${file}`, text, "a run's config");
  return { ...config, ...typed(config) };
}

/**
 * Fields of another type than they are written with are taken for absent: the page shows what it
 * can.
 */
function typed(config: Record<string, unknown>): RunConfig {
  const isText = (value: unknown) => typeof value === 'string';
  const isObject = (value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const texts = ['net', 'device', 'engine', 'hardware', 'why', 'startedAt', 'gitCommit'];
  const numbers = ['numEpochs', 'lr', 'seed', 'batchSize', 'numSamples', 'numClasses'];
  const lists: Record<string, (value: unknown) => boolean> = {
    inputShape: Number.isInteger,
    classNames: isText,
  };
  const right = [
    ...texts.map((key) => [key, isText(config[key])] as const),
    ...numbers.map((key) => [key, Number.isFinite(config[key])] as const),
    ...Object.entries(lists).map(
      ([key, test]) =>
        [key, Array.isArray(config[key]) && (config[key] as unknown[]).every(test)] as const,
    ),
    ...['versions', 'training'].map((key) => [key, isObject(config[key])] as const),
  ];
  return Object.fromEntries(right.map(([key, is]) => [key, is ? config[key] : undefined]));
}

function settingsOf(config: RunConfig): Settings | Missing {
  if (config.settings === undefined) {
    return {
      missing: 'a script started this run, and config.json holds no settings of deepend train',
      fill: 'run the script again',
    };
  }
  try {
    return settingsFrom(`${WHERE}: config.json`, config.settings as object);
  } catch (error) {
    return { missing: (error as Error).message, fill: 'use the deepend that wrote them' };
  }
}

/** None yet where there is no file. */
async function readHistory(file: string): Promise<EpochRecord[]> {
  if (!(await fs.pathExists(file))) return [];
  return parseHistory(WHERE, file, await fs.readFile(file, 'utf8')).map(mended);
}

/** Figures that are not there, or were not finite, are NaN. */
function mended(record: EpochRecord): EpochRecord {
  const number = (value: unknown) => (typeof value === 'number' ? value : Number.NaN);
  const { loss, trainAcc, lr, seconds, samplesPerSecond, samplesPerSecondWithLoading } = record;
  const numbers = { loss, trainAcc, lr, seconds, samplesPerSecond, samplesPerSecondWithLoading };
  const figures = Object.fromEntries(
    Object.entries(numbers).map(([key, value]) => [key, number(value)]),
  );
  return {
    ...record,
    testAcc: record.testAcc ?? null,
    testLoss: record.testLoss ?? null,
    ...figures,
  };
}

async function readResult(file: string): Promise<RunResult | undefined> {
  if (!(await fs.pathExists(file))) return undefined;
  return parseObject(
    `${WHERE}: ${file}`,
    await fs.readFile(file, 'utf8'),
    "a run's result",
  ) as unknown as RunResult;
}

/** The last line of `steps.jsonl`, where it tells an end. */
async function lastWord(file: string): Promise<RunFolder['broken']> {
  const text = await fs.readFile(file, 'utf8').catch(() => '');
  try {
    const { ended, reason } = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as Record<
      string,
      unknown
    >;
    if (typeof ended === 'string') return { ended, ...(typeof reason === 'string' && { reason }) };
  } catch {} // a line that is not whole is no last word
  return undefined;
}

/**
 * A run that went on after its end, and was interrupted then, still has the result of the first
 * time.
 */
function isEnd(
  result: RunResult | undefined,
  { config, history }: Pick<RunFolder, 'config' | 'history'>,
): boolean {
  if (!result || result.epochs !== history.length) return false;
  return result.stopped !== undefined || result.epochs >= (config.numEpochs ?? 0);
}
