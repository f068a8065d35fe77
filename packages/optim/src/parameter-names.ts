import type { Parameter } from '@deepend/compiler';

/**
 * A parameter's name within its model: `layer/kernel`. (TensorFlow.js numbers the names of a second
 * model in a process; this name is the same in both.)
 */
export const nameOf = ({ layerVariable }: Pick<Parameter, 'layerVariable'>): string =>
  layerVariable.originalName;

/** Unique names of parameters: models within a model may have layers of the same name. */
export class ParameterNames {
  readonly #names = new Map<number, string>(); // by variable
  readonly #taken = new Set<string>();

  of(parameter: Parameter): string {
    const known = this.#names.get(parameter.variable.id);
    if (known) return known;
    const plain = nameOf(parameter);
    let name = plain;
    for (let i = 2; this.#taken.has(name); i++) name = `${plain}_${i}`;
    this.#taken.add(name);
    this.#names.set(parameter.variable.id, name);
    return name;
  }
}
