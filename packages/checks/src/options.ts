import type { z } from 'zod';

/**
 * Returns `options` when each is known and within its rule; throws one clear error otherwise.
 * @param where who asks, as the error's beginning: `[trainer] train`
 * @throws TypeError for an option that does not exist or is of another type; RangeError for a value out of range
 */
export function checkOptions<T extends z.ZodObject>(where: string, schema: T, options: unknown): z.output<T> {
  const result = schema.safeParse(options ?? {});
  if (result.success) return result.data;
  const known = Object.keys(schema.shape);
  const issue = result.error.issues[0] as z.core.$ZodIssue; // a failed parse has at least one
  if (issue.code === 'unrecognized_keys') throw unknownOption(where, issue.keys[0] ?? '', known);
  if (issue.path.length === 0) throw new TypeError(`${where}: expected an object of options, got ${show(options)}`);
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], options);
  const message = `${where}: option "${issue.path.join('.')}" must be ${issue.message}, got ${show(value)}`;
  const wrongType = value === undefined || (issue.code === 'invalid_type' && !Number.isNaN(value));
  throw wrongType ? new TypeError(message) : new RangeError(message);
}

function unknownOption(where: string, name: string, known: string[]): TypeError {
  const near = closest(name, known);
  const hint = near ? `did you mean "${near}"?` : `it has ${known.map((option) => `"${option}"`).join(', ')}`;
  return new TypeError(`${where}: there is no option "${name}"; ${hint}`);
}

/** The candidate that `word` most likely stood for, or undefined when none is near. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const distances = candidates.map((candidate) => editDistance(word.toLowerCase(), candidate.toLowerCase()));
  const least = Math.min(...distances);
  return least <= Math.max(1, Math.floor(word.length / 3)) ? candidates[distances.indexOf(least)] : undefined;
}

/** Levenshtein 1966: the least number of insertions, deletions and substitutions. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** A value as an error shows it: short, on one line. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}...` : value}'`;
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(show).join(', ')}${value.length > 8 ? ', ...' : ''}]`;
  const name = value.constructor?.name;
  return name && name !== 'Object' ? `a ${name}` : `{ ${Object.keys(value).slice(0, 8).join(', ')} }`;
}
