import { RECIPES, type Recipe } from '@deepend/models';
import { describe, expect, it } from 'vitest';
import {
  fastRuns,
  fastTable,
  figuresTable,
  keptRuns,
  LANGUAGES,
  longRuns,
  longTable,
  readPage,
} from './figures';

/** A Markdown table without its padding, which the formatter writes. */
const bare = (text: string) => text.replace(/ *\| */g, '|').replace(/:?-+:?/g, '-');
const published = (model: string) => (RECIPES as Record<string, Recipe>)[model]?.published;

describe("docs/results.md, the book's figures", () => {
  it.each(LANGUAGES)('are what the runs in docs/results give, %s', (language) => {
    const table = figuresTable(keptRuns(), published, language);
    expect(bare(readPage(language))).toContain(bare(table));
  });

  it("has runs at the book's settings within 0.02 of the book's test accuracy, or above", () => {
    const whole = keptRuns().filter(
      ({ settings }) => settings.train === undefined && settings.epochs === 10,
    );
    expect(whole.map(({ settings }) => settings.model)).toContain('book/lenet');
    for (const { settings, history } of whole) {
      if (settings.model === 'book/bn_lenet') continue; // its test accuracy wanders more: the page says by how much
      expect(history.at(-1)?.testAcc, settings.model).toBeGreaterThan(
        (published(settings.model)?.testAcc ?? 0) - 0.02,
      );
    }
  });
});

describe('docs/results.md, the fast example', () => {
  it.each(LANGUAGES)('is what the kept runs give, %s', (language) => {
    const page = bare(readPage(language));
    expect(page).toContain(bare(fastTable(fastRuns(), language)));
    expect(page).toContain(bare(longTable(longRuns(), language)));
  });

  it('reaches 0.94 with more epochs', () => {
    for (const { history } of longRuns()) expect(history.at(-1)?.testAcc).toBeGreaterThan(0.94);
    expect(longRuns().length).toBeGreaterThan(0);
  });

  it("reaches the article's test accuracy with each of five seeds, within ten minutes", () => {
    expect(fastRuns().map(({ seed }) => seed)).toEqual([1, 2, 3, 4, 5]);
    for (const { seed, history } of fastRuns()) {
      expect(history.at(-1)?.testAcc, `seed ${seed}`).toBeGreaterThanOrEqual(0.926);
      const seconds = history.reduce((sum, epoch) => sum + epoch.seconds, 0);
      expect(seconds, `seed ${seed}`).toBeLessThanOrEqual(600);
    }
  });
});
