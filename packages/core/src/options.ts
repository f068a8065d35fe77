import type { z } from 'zod';

/**
 * Returns `options` when each is known and within its rule; throws one clear error otherwise.
 * @param where who asks, as the error's beginning: `[trainer] train`
 * @throws TypeError for an option that does not exist or is of another type; RangeError for a value
 *   out of range
 */
export function checkOptions<T extends z.ZodObject>(
  where: string,
  schema: T,
  options: unknown,
): z.output<T> {
  const result = schema.safeParse(options ?? {});
  if (result.success) return result.data;
  const known = Object.keys(schema.shape);
  const issue = result.error.issues[0] as z.core.$ZodIssue; // a failed parse has at least one
  if (issue.code === 'unrecognized_keys') throw unknownOption(where, issue.keys[0] ?? '', known);
  if (issue.path.length === 0)
    throw new TypeError(`${where}: expected an object of options, got ${formatValue(options)}`);
  const value = issue.path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    options,
  );
  const message =
    `${where}: option "${issue.path.join('.')}" must be ${issue.message}, got ` +
    `${formatValue(value)}`;
  // zod calls 1.5 no integer and Infinity no number; to a caller both are numbers out of range.
  const numeric =
    issue.code === 'invalid_type' &&
    ['number', 'int'].includes(issue.expected) &&
    typeof value === 'number';
  const wrongType = value === undefined || (issue.code === 'invalid_type' && !numeric);
  throw wrongType ? new TypeError(message) : new RangeError(message);
}

function unknownOption(where: string, name: string, known: string[]): TypeError {
  const near = closest(name, known);
  const hint = near
    ? `did you mean "${near}"?`
    : `it has ${known.map((option) => `"${option}"`).join(', ')}`;
  return new TypeError(`${where}: there is no option "${name}"; ${hint}`);
}

/** The candidate that `word` most likely stood for, or undefined when none is near. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const asked = word.toLowerCase();
  const distances = candidates.map((candidate) => editDistance(asked, candidate.toLowerCase()));
  const least = Math.min(...distances);
  if (least <= Math.max(1, Math.floor(word.length / 3)))
    return candidates[distances.indexOf(least)];
  return asked.length < 3
    ? undefined
    : candidates.find((candidate) => candidate.toLowerCase().includes(asked)); // epochs: numEpochs
}

/**
 * The least number of insertions, deletions, substitutions and swaps of neighbours (Damerau 1964,
 * each place changed once).
 */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const substituted = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? at(i - 2, j - 2) + 1
          : Number.POSITIVE_INFINITY;
      rows[i]?.push(Math.min(substituted, swapped, at(i - 1, j) + 1, at(i, j - 1) + 1));
    }
  }
  return at(a.length, b.length);
}

/** A value as an error shows it: short, on one line. */
export function formatValue(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (typeof value === 'string')
    return `'${value.length > 60 ? `${value.slice(0, 57)}...` : value}'`;
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value))
    return `[${value.slice(0, 8).map(formatValue).join(', ')}${value.length > 8 ? ', ...' : ''}]`;
  const name = value.constructor?.name;
  return name && name !== 'Object'
    ? `a ${name}`
    : `{ ${Object.keys(value).slice(0, 8).join(', ')} }`;
}
