/**
 * Splits a page's text and a reader's query into words. Chinese has no spaces between words:
 * `Intl.Segmenter`, which Node.js and browsers have, finds them. The function is written into the
 * page as text, so it uses nothing outside itself.
 */
export function tokenize(text: string): string[] {
  const han = /[\u3400-\u9fff]/;
  const words = text.split(/[\s\p{P}\p{S}]+/u).filter(Boolean);
  if (!han.test(text) || typeof Intl.Segmenter === 'undefined') return words;
  const segmenter = new Intl.Segmenter('zh', { granularity: 'word' });
  return words.flatMap((word) =>
    han.test(word) ? Array.from(segmenter.segment(word), ({ segment }) => segment) : [word],
  );
}
