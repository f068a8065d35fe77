/**
 * What a run's files hold, as far as it is what it should be: they are others' files, and anything
 * may stand in them.
 */

/** An epoch as charts read it; `epoch` counts from 1. */
export interface EpochLine {
  readonly epoch: number;
  readonly loss: number | null;
  readonly trainAcc: number | null;
  readonly testAcc: number | null;
  readonly samplesPerSecond: number | null;
  /** That the epoch took in all. */
  readonly seconds: number | null;
}

/** New figures within an epoch, or how the run ended. */
export type StepLine =
  | {
      readonly epoch: number;
      readonly step: number;
      readonly numBatches: number | null;
      readonly loss: number | null;
      readonly trainAcc: number | null;
      readonly samplesPerSecond: number | null;
      /** Milliseconds since 1970. */
      readonly time: number | null;
    }
  | { readonly ended: string; readonly reason: string | null };

const LONGEST = 200; // characters of a text that is shown

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const toNumber = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

const toCount = (value: unknown): number | null =>
  Number.isSafeInteger(value) && (value as number) >= 1 ? (value as number) : null;

/** Not half of a character of two units, as cutting a text may leave. */
export const isWhole = (character: string): boolean => !/^[\uD800-\uDFFF]$/.test(character);

/** A text or a number as text; null for anything else and for nothing. */
export function toText(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string' || value === '') return null;
  return value.length > LONGEST
    ? `${[...value.slice(0, LONGEST - 1)].filter(isWhole).join('')}…`
    : value;
}

/** The object that a JSON text stands for; undefined for any other text. */
export function toObject(text: string | undefined): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function toEpochLine(value: unknown): EpochLine | undefined {
  const epoch = isObject(value) ? toCount(value.epoch) : null;
  if (!isObject(value) || epoch === null) return undefined;
  const [loss, trainAcc, testAcc] = [
    toNumber(value.loss),
    toNumber(value.trainAcc),
    toNumber(value.testAcc),
  ];
  return {
    epoch,
    loss,
    trainAcc,
    testAcc,
    samplesPerSecond: toNumber(value.samplesPerSecond),
    seconds: toNumber(value.seconds),
  };
}

export function toStepLine(value: unknown): StepLine | undefined {
  if (!isObject(value)) return undefined;
  if (typeof value.ended === 'string') return { ended: value.ended, reason: toText(value.reason) };
  const [epoch, step] = [toCount(value.epoch), toCount(value.step)];
  if (epoch === null || step === null) return undefined;
  const time = typeof value.time === 'string' ? toNumber(Date.parse(value.time)) : null;
  const numbers = { loss: toNumber(value.loss), trainAcc: toNumber(value.trainAcc) };
  return {
    epoch,
    step,
    numBatches: toCount(value.numBatches),
    ...numbers,
    samplesPerSecond: toNumber(value.samplesPerSecond),
    time,
  };
}
