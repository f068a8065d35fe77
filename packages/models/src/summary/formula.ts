/** Formulas with their text and their value, both computed from the same numbers. */

/** `text` = `value`. */
export interface Formula {
  readonly text: string;
  readonly value: number;
}

/** 1234567 → 1,234,567. `toLocaleString` would load Node's locale data at import. */
const group = (n: number) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

export const number = (value: number): Formula => ({ text: group(value), value });

type Term = number | Formula;
const formula = (term: Term): Formula => (typeof term === 'number' ? number(term) : term);

/** `3·3·64`. Put a sum among the factors in brackets first. */
export const product = (factors: readonly Term[]): Formula => join(factors, '·', (a, b) => a * b);

/** `64 + 128` */
export const sum = (terms: readonly Term[]): Formula => join(terms, ' + ', (a, b) => a + b);

/** `224 − 7` */
export const minus = (a: Term, b: Term): Formula => join([a, b], ' − ', (x, y) => x - y);

/** `(64/32)` */
export const share = (a: number, b: number): Formula => ({
  text: `(${group(a)}/${group(b)})`,
  value: a / b,
});

/** `(a + b)` */
export const bracket = ({ text, value }: Formula): Formula => ({ text: `(${text})`, value });

/** `⌊(a)/b⌋`, where a is a sum. */
export const floorQuotient = (a: Formula, b: number): Formula => ({
  text: `⌊(${a.text})/${group(b)}⌋`,
  value: Math.floor(a.value / b),
});

/** `⌈a/b⌉` */
export const ceilQuotient = (a: Formula, b: number): Formula => ({
  text: `⌈${a.text}/${group(b)}⌉`,
  value: Math.ceil(a.value / b),
});

function join(
  terms: readonly Term[],
  sign: string,
  combine: (a: number, b: number) => number,
): Formula {
  const formulas = terms.map(formula);
  return {
    text: formulas.map(({ text }) => text).join(sign),
    value: formulas.map(({ value }) => value).reduce(combine),
  };
}

/** `3·3·64 = 576` */
export const equation = ({ text, value }: Formula): string => `${text} = ${group(value)}`;
