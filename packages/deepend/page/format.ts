/** Numbers and times as people read them. */

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const;

/** `2 h 5 min`, `41 s`: the two largest units, seconds only under ten minutes. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const first = UNITS.findIndex(([, size]) => whole >= size);
  if (first < 0) return '0 s';
  const parts = UNITS.slice(first, first + 2).map(([unit, size], i) => {
    const [, above] = i === 0 ? [] : (UNITS[first] ?? []);
    return { unit, count: Math.floor((above ? whole % above : whole) / size) };
  });
  const shown = parts.filter(
    ({ unit, count }, i) => i === 0 || (count > 0 && (unit !== 's' || whole < 600)),
  );
  return shown.map(({ unit, count }) => `${count} ${unit}`).join(' ');
}

const none = '–';

export const loss = (value: number | null): string =>
  value === null
    ? none
    : value !== 0 && Math.abs(value) < 0.001
      ? value.toExponential(1)
      : value.toFixed(3);
export const share = (value: number | null): string => (value === null ? none : value.toFixed(3));
export const rate = (value: number | null): string =>
  value === null
    ? none
    : value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 1 : 0 });
export const text = (value: string | null): string => value ?? none;
export const percent = (value: number | null): string =>
  value === null ? none : `${Math.round(100 * value)} %`;
export const gibibytes = (bytes: number): string => (bytes / 1024 ** 3).toFixed(1);

/** `3.4 of 10`: whole epochs without a fraction. */
export function epochs(epoch: number, numEpochs: number | null): string {
  const done = Number.isInteger(epoch) ? String(epoch) : epoch.toFixed(1);
  return numEpochs === null ? done : `${done} of ${numEpochs}`;
}

/** `today 14:03`, or the day and the time. */
export function moment(time: number): string {
  const date = new Date(time);
  const clock = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  const today = date.toDateString() === new Date().toDateString();
  return today
    ? `today ${clock}`
    : `${date.toLocaleDateString([], { month: 'short', day: 'numeric' })} ${clock}`;
}
