/** Histories as text for other programs: records of any kind, a run's epochs first of all. */

/** A line of JSON for each record. Numbers that JSON lacks (NaN, Infinity) become null. */
export function toJsonl(history: readonly object[]): string {
  return history.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/**
 * A JSON list, each record in a line of its own. Numbers that JSON lacks (NaN, Infinity) become
 * null.
 */
export function toJson(history: readonly object[]): string {
  return history.length === 0
    ? '[]\n'
    : `[\n${history.map((record) => JSON.stringify(record)).join(',\n')}\n]\n`;
}

/**
 * Comma-separated values (RFC 4180, with line feeds) with a head line; nothing at all for no
 * record. The columns are those of all records, in
 * the order they come up; what an object holds has columns of its own (`metrics.top5`), and a list
 * is one cell of JSON. A null is an empty cell.
 */
export function toCsv(history: readonly object[]): string {
  const rows = history.map((record) => flat(record));
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  if (columns.length === 0) return '';
  return [columns, ...rows.map((row) => columns.map((column) => row.get(column)))]
    .map((row) => `${row.map(cell).join(',')}\n`)
    .join('');
}

function flat(record: object, prefix = ''): Map<string, unknown> {
  const entries = Object.entries(record).flatMap(([key, value]): [string, unknown][] => {
    const isObject =
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      !ArrayBuffer.isView(value);
    return isObject ? [...flat(value, `${prefix}${key}.`)] : [[`${prefix}${key}`, value]];
  });
  return new Map(entries);
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  const list = ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value;
  const text = typeof list === 'object' ? JSON.stringify(list) : String(list);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
