import type { Parameter } from '@deepend/compiler';

/** Unique names of parameters: models within a model may have layers of the same name. */
export class ParameterNames {
  readonly #names = new Map<number, string>(); // by variable
  readonly #taken = new Set<string>();

  of(parameter: Parameter): string {
    const known = this.#names.get(parameter.variable.id);
    if (known) return known;
    const plain = parameter.name;
    let name = plain;
    for (let i = 2; this.#taken.has(name); i++) name = `${plain}_${i}`;
    this.#taken.add(name);
    this.#names.set(parameter.variable.id, name);
    return name;
  }
}
