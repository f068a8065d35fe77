/** `history.jsonl` read back: a record of an epoch a line. */
import type { EpochRecord } from '@deepend/core';

/**
 * What JSON cannot hold, NaN, was written as null, and is null here.
 * @param where who reads, as an error's beginning
 * @throws Error that names the line, where one is not a record
 */
export function parseHistory(where: string, file: string, text: string): EpochRecord[] {
  const lines = text.split('\n').filter(Boolean);
  return lines.map((line, i) => {
    const place = `${where}: ${file}, line ${i + 1}`;
    const record = parseObject(place, line, 'a record of an epoch') as unknown as EpochRecord;
    if (typeof record.epoch !== 'number') throw unexpected(place, 'a record with its "epoch"');
    return record;
  });
}

/** @param what is expected, for the error */
export function parseObject(where: string, text: string, what: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {}
  throw unexpected(where, what);
}

const unexpected = (where: string, what: string) =>
  new Error(`${where}: expected ${what}, JSON, got something else; mend or remove it`);
