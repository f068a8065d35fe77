/** Numbers and moments as the page says them. */

export const NOT_KNOWN = '–';

const finite = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value);

/** `0.412`, as the book prints losses and shares. */
export const figure = (value: number | null | undefined, digits = 3): string =>
  finite(value) ? value.toFixed(digits) : NOT_KNOWN;

/** `12,345`, and one decimal below a thousand: `228.1`. */
export const rate = (value: number | undefined): string =>
  finite(value)
    ? value.toLocaleString('en-US', { maximumFractionDigits: value < 1000 ? 1 : 0 })
    : NOT_KNOWN;

export const count = (value: number): string => value.toLocaleString('en-US');

export const percent = (share: number): string =>
  finite(share) ? `${(100 * share).toFixed(1)} %` : NOT_KNOWN;

/** `1 epoch`, `12 epochs`. */
export const some = (number: number, what: string): string =>
  `${count(number)} ${what}${number === 1 ? '' : 's'}`;

/** `1 h 02 min`, `3 min 20 s`, `4.2 s`. */
export function duration(seconds: number): string {
  if (!finite(seconds)) return NOT_KNOWN;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0 ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(whole % 60)} s`;
}

/** `2026-11-25 03:39 UTC`; what is no moment, as not known. */
export function moment(text: string | undefined): string {
  const time = new Date(text ?? Number.NaN);
  return Number.isNaN(time.getTime())
    ? NOT_KNOWN
    : `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** A learning rate, or any number of unknown size: `0.05`, `1e-7`. */
export const short = (value: number | undefined): string =>
  finite(value) ? String(Number(value.toPrecision(4))) : NOT_KNOWN;
