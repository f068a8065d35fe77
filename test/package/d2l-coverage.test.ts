/**
 * deepend is the book's package for TypeScript: `d2l` has every function and class of d2l/torch.py
 * of both editions, and says where the book has it.
 */
import { describe, expect, it } from 'vitest';
// @ts-expect-error: a script without declarations
import { camelCase, listExports, readNames, updateNames } from '../../docs/figures/book-names.mjs';

interface BookName {
  readonly name: string;
  /** The section of each edition, or null where it does not have the name. */
  readonly en: string | null;
  readonly zh: string | null;
  /** How it is called in deepend. */
  readonly call?: string;
}

const names: readonly BookName[] = readNames();
const exported: ReadonlyMap<string, { call: string; documentation: string }> = listExports();

/** Chapters of the English edition with the content of the Chinese one's. */
const ENGLISH: Readonly<Record<number, readonly number[]>> = { 2: [2], 3: [3, 4] };
const chapterOf = (section: string | null) => Number(section?.split('.')[0] ?? Number.NaN);

/** The chapters that the comment of a name may give. */
function chaptersOf({ en, zh }: BookName): number[] {
  const chinese = chapterOf(zh);
  const equal = Number.isNaN(chinese) ? [] : (ENGLISH[chinese] ?? [chinese + 1]);
  return [chapterOf(en), chinese, ...equal];
}

/** Chapters in a comment: "Section 3.4", "the book's 4.5", "zh 13.4", "sections 9.1 and 9.2". */
const chaptersIn = (comment: string): number[] =>
  [
    ...comment.matchAll(/(?:[Ss]ections?|[Cc]hapters?|d2l|zh|en|book's|,|and) (\d+)(?:\.\d+)?\b/g),
  ].map(([, chapter]) => Number(chapter));

describe("the book's names", () => {
  it('are all there', () => {
    const absent = names.filter(({ name }) => !exported.has(camelCase(name)));
    expect(absent.map(({ name }) => name)).toEqual([]);
    expect(names.length).toBe(187); // 167 of the English edition 1.0.3, 140 of the Chinese 2.0.0
    expect(names.filter(({ en }) => en !== null)).toHaveLength(167);
    expect(names.filter(({ zh }) => zh !== null)).toHaveLength(140);
  });

  it('have comments that name the chapter', () => {
    const silent = names.filter((row) => {
      const found = exported.get(camelCase(row.name));
      const chapters = chaptersIn(found?.documentation ?? '');
      return found && !chapters.some((chapter) => chaptersOf(row).includes(chapter));
    });
    expect(silent.map(({ name, en, zh }) => `${name}: ${en}, zh ${zh}`)).toEqual([]);
  });

  it('are in the list with the calls that they have now', () => {
    const hint = 'stale: run node docs/figures/book-names.mjs, then npm run docs:figures names';
    expect(updateNames(exported), hint).toEqual(names);
  });
});
