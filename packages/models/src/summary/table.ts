/** Text in columns. */

/** Rows of cells as lines; the first `left` columns are aligned left, the others right. */
export function columns(rows: readonly (readonly string[])[], left: number): string[] {
  const count = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) =>
    Math.max(...rows.map((row) => row[i]?.length ?? 0)),
  );
  return rows.map((row) =>
    widths
      .map((width, i) => (i < left ? (row[i] ?? '').padEnd(width) : (row[i] ?? '').padStart(width)))
      .join('  '),
  );
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `3.1 MiB`; whole bytes below 1 KiB. */
export function bytesText(bytes: number): string {
  const power = Math.min(
    UNITS.length - 1,
    Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)),
  );
  const value = bytes / 1024 ** power;
  const text = value.toLocaleString('en-US', {
    minimumFractionDigits: power && 1,
    maximumFractionDigits: power && 1,
  });
  return `${text} ${UNITS[power]}`;
}
