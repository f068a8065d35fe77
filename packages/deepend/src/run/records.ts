/**
 * What the files of a run hold, read tolerantly: another version, a script or a killed process may
 * have written them. A value of another type than expected counts as absent.
 */
import type { EpochRecord } from '@deepend/core';

export type Fields = Record<string, unknown>;

/** Metrics within an epoch, or how the run ended. */
export type StepLine =
  | {
      readonly epoch: number;
      /** In this epoch, from 1. */
      readonly step: number;
      readonly numBatches: number | null;
      /** In the whole run, from 1. */
      readonly globalStep: number | null;
      /** Training so far in this epoch. */
      readonly loss: number | null;
      readonly trainAcc: number | null;
      /** Since the previous line of this epoch, with waiting for the loader. */
      readonly samplesPerSecond: number | null;
      /** Milliseconds since 1970. */
      readonly time: number | null;
    }
  | { readonly ended: string; readonly reason: string | null };

const LONGEST_TEXT = 200; // characters of a string that is shown

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A finite number, or null. */
export const toNumber = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

const toCount = (value: unknown): number | null =>
  Number.isSafeInteger(value) && (value as number) >= 1 ? (value as number) : null;

/** Whether this is a whole character, not half of one of two units, as slicing may leave. */
export const isWhole = (character: string): boolean => !/^[\uD800-\uDFFF]$/.test(character);

/** A string or a number as a string of at most 200 characters; null for anything else. */
export function toText(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string' || value === '') return null;
  return value.length > LONGEST_TEXT
    ? `${[...value.slice(0, LONGEST_TEXT - 1)].filter(isWhole).join('')}…`
    : value;
}

/**
 * The object that a JSON string stands for; undefined for any other string. A byte order mark,
 * which some editors write, is skipped.
 */
export function parseObject(text: string | undefined): Fields | undefined {
  try {
    const value: unknown = JSON.parse((text ?? '').replace(/^\uFEFF/, ''));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A line of `history.jsonl`. JSON has no NaN, so a number that is null or missing is NaN again;
 * `testAcc` and `testLoss` are null without a test set.
 */
export function parseEpoch(value: unknown): EpochRecord | undefined {
  const epoch = isObject(value) ? toCount(value.epoch) : null;
  if (!isObject(value) || epoch === null) return undefined;
  const number = (name: string) => toNumber(value[name]) ?? Number.NaN;
  return {
    ...value,
    epoch,
    loss: number('loss'),
    trainAcc: number('trainAcc'),
    testAcc: toNumber(value.testAcc),
    testLoss: toNumber(value.testLoss),
    lr: number('lr'),
    seconds: number('seconds'),
    samplesPerSecond: number('samplesPerSecond'),
    samplesPerSecondWithLoading: number('samplesPerSecondWithLoading'),
  };
}

/** A line of `steps.jsonl`. */
export function parseStep(value: unknown): StepLine | undefined {
  if (!isObject(value)) return undefined;
  if (typeof value.ended === 'string') return { ended: value.ended, reason: toText(value.reason) };
  const epoch = toCount(value.epoch);
  const step = toCount(value.step);
  if (epoch === null || step === null) return undefined;
  return {
    epoch,
    step,
    numBatches: toCount(value.numBatches),
    globalStep: toCount(value.globalStep),
    loss: toNumber(value.loss),
    trainAcc: toNumber(value.trainAcc),
    samplesPerSecond: toNumber(value.samplesPerSecond),
    time: typeof value.time === 'string' ? toNumber(Date.parse(value.time)) : null,
  };
}

/** `config.json`. Each field may be absent. */
export interface RunConfig {
  readonly model?: string;
  readonly device?: string;
  readonly backend?: string;
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
  /** How the data were loaded. */
  readonly loaders?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

const isString = (value: unknown) => typeof value === 'string';
const isList = (test: (value: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.every(test);

const CONFIG_TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  model: isString,
  device: isString,
  backend: isString,
  hardware: isString,
  why: isString,
  startedAt: isString,
  gitCommit: isString,
  numEpochs: Number.isFinite,
  lr: Number.isFinite,
  seed: Number.isFinite,
  batchSize: Number.isFinite,
  numSamples: Number.isFinite,
  numClasses: Number.isFinite,
  inputShape: isList(Number.isInteger),
  classNames: isList(isString),
  versions: isObject,
  training: isObject,
  loaders: isObject,
};

/** The fields of `config.json`; those of another type than expected are undefined. */
export function parseConfig(fields: Fields): RunConfig {
  const known = Object.entries(CONFIG_TYPES).map(([name, isRight]) => [
    name,
    isRight(fields[name]) ? fields[name] : undefined,
  ]);
  return { ...fields, ...Object.fromEntries(known) };
}

/** `result.json`. */
export interface RunResult {
  readonly epochs: number;
  readonly samplesPerSecond: number;
  /** Why the run ended before its last epoch. */
  readonly stopped?: string;
}

export function parseResult(fields: Fields | undefined): RunResult | undefined {
  const epochs = toNumber(fields?.epochs);
  if (!fields || epochs === null) return undefined;
  const { stopped } = fields;
  return {
    epochs,
    samplesPerSecond: toNumber(fields.samplesPerSecond) ?? Number.NaN,
    ...(typeof stopped === 'string' && { stopped }),
  };
}
