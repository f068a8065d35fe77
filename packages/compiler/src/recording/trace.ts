/** What was computed in a recording, so that a second one shows whether it is always the same. */
import { formatValue } from '@deepend/core';

export interface TraceEntry {
  /** For messages: `the kernel Relu`, `a constant tensor [2, 3]`. */
  readonly label: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Whether two values are equal, to any depth. Functions are, since they are made in each pass. */
function areEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a === 'function' && typeof b === 'function') return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (ArrayBuffer.isView(a) || Array.isArray(a)) {
    const [left, right] = [a, b] as unknown as [ArrayLike<unknown>, ArrayLike<unknown>];
    if (left.length !== right.length) return false;
    for (let i = 0; i < left.length; i++) if (!areEqual(left[i], right[i])) return false;
    return true;
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => areEqual(a[key as never], b[key as never]));
}

const nameOf = (entry: TraceEntry | undefined): string => entry?.label ?? 'its end';

/** Says where two traces differ first; undefined where they do not. */
export function differenceOf(
  before: readonly TraceEntry[],
  now: readonly TraceEntry[],
): string | undefined {
  for (let i = 0; i < Math.max(before.length, now.length); i++) {
    const [a, b] = [before[i], now[i]];
    if (!a || !b || a.label !== b.label) return `${nameOf(a)} was followed by ${nameOf(b)}`;
    const key = Object.keys(a.data).find((name) => !areEqual(a.data[name], b.data[name]));
    if (key === undefined) continue;
    const [was, is] = [a.data[key], b.data[key]];
    return isShort(was) && isShort(is)
      ? `${a.label} had ${key} ${formatValue(was)}, then ${formatValue(is)}`
      : `${a.label} had other ${key}`;
  }
  return undefined;
}

const isShort = (value: unknown) => typeof value !== 'object' || value === null;
