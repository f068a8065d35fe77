/** Warns of weights that are not finite, which a saved model would hand on. */

/** The first number that is NaN or infinite, as a warning's words; undefined when there is none. */
function firstNonFinite(values: ArrayLike<number>): string | undefined {
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i])) return `${values[i]} at ${i} of ${values.length}`;
  return undefined;
}

/** Looks at weights in any order, and warns of the first that is not finite. */
export class NonFiniteWatch {
  readonly #where: string;
  #first: { index: number; text: string } | undefined;

  constructor(where: string) {
    this.#where = where;
  }

  /** @param index the weight's place in the model */
  check(index: number, name: string, values: ArrayLike<number>): void {
    if (this.#first && this.#first.index < index) return;
    const found = firstNonFinite(values);
    if (found !== undefined) this.#first = { index, text: `${found} in '${name}'` };
  }

  /** After all weights. */
  warn(): void {
    if (!this.#first) return;
    console.warn(
      `${this.#where}: expected finite weights, got ${this.#first.text}, which is saved as it ` +
        'is; load an earlier checkpoint, and train with stopOnNaN() to find where it begins',
    );
  }
}
