import type { Parameter } from '@deepend/compiler';

/**
 * A parameter's name within its net: `layer/kernel`. (tfjs numbers the names of a second net in a
 * process; this one is the same in both.)
 */
export const nameOf = ({ layerVariable }: Pick<Parameter, 'layerVariable'>): string =>
  layerVariable.originalName;

/** Names that no two parameters share: nets within a net may have layers of one name. */
export class ParameterNames {
  private readonly names = new Map<number, string>(); // by variable
  private readonly taken = new Set<string>();

  of(parameter: Parameter): string {
    const known = this.names.get(parameter.variable.id);
    if (known) return known;
    const plain = nameOf(parameter);
    let name = plain;
    for (let i = 2; this.taken.has(name); i++) name = `${plain}_${i}`;
    this.taken.add(name);
    this.names.set(parameter.variable.id, name);
    return name;
  }
}
