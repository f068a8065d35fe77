/** Numbers and times as the page shows them. */

export const NOT_KNOWN = '–';

const finite = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value);

/** `0.412`, as the book prints losses and accuracies. */
export const formatFixed = (value: number | null | undefined, digits = 3): string =>
  finite(value) ? value.toFixed(digits) : NOT_KNOWN;

/** `12,345`, and one decimal below a thousand: `228.1`. */
export const formatRate = (value: number | undefined): string =>
  finite(value)
    ? value.toLocaleString('en-US', { maximumFractionDigits: value < 1000 ? 1 : 0 })
    : NOT_KNOWN;

export const formatCount = (value: number): string => value.toLocaleString('en-US');

export const formatPercent = (fraction: number): string =>
  finite(fraction) ? `${(100 * fraction).toFixed(1)} %` : NOT_KNOWN;

/** `1 epoch`, `12 epochs`. */
export const plural = (number: number, what: string): string =>
  `${formatCount(number)} ${what}${number === 1 ? '' : 's'}`;

/** `1 h 02 min`, `3 min 20 s`, `4.2 s`. */
export function formatDuration(seconds: number): string {
  if (!finite(seconds)) return NOT_KNOWN;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(whole % 60)} s`;
}

/** `2026-11-25 03:39 UTC`, or `–` for a string that is not a time. */
export function formatTime(text: string | undefined): string {
  const time = new Date(text ?? Number.NaN);
  return Number.isNaN(time.getTime())
    ? NOT_KNOWN
    : `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** A learning rate, or any number of unknown size: `0.05`, `1e-7`. */
export const formatShort = (value: number | undefined): string =>
  finite(value) ? String(Number(value.toPrecision(4))) : NOT_KNOWN;
