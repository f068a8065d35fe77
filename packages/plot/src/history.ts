/** Histories as text for other programs. */

/** A line of JSON for each record. Numbers that JSON lacks (NaN, Infinity) become null. */
export function toJsonl(history: readonly object[]): string {
  return history.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/** Comma-separated values with a head line; the columns are the first record's. A null is an empty cell. */
export function toCsv(history: readonly object[]): string {
  const columns = Object.keys(history[0] ?? {});
  const cell = (value: unknown) => {
    const text = value === null || value === undefined ? '' : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rows = history.map((record) => columns.map((column) => cell((record as Record<string, unknown>)[column])));
  return [columns, ...rows].map((row) => `${row.join(',')}\n`).join('');
}
