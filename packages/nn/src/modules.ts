/**
 * Lists of layers that are named by their index, as in PyTorch's `nn.Sequential`, or by their kind,
 * as in the book's models here.
 */
import { type Block, chain } from './layers';
import { scope } from './naming';

/** A layer that gets its name later. */
export interface NamedLayer {
  /** `conv`, `relu`, `pool`, ...: what `numberedByKind` calls it. */
  readonly kind: string;
  readonly make: (name: string) => Block;
}

export const namedLayer = (kind: string, make: (name: string) => Block): NamedLayer => ({
  kind,
  make,
});

/**
 * `nn.Sequential`: names the layers `first`, `first + 1`, ..., inside the scope `name`.
 * @param options.first the name of the first layer @default 0
 */
export function modules(
  name: string,
  parts: readonly NamedLayer[],
  { first = 0 }: { first?: number } = {},
): Block {
  return (x) => scope(name, () => chain(...parts.map(({ make }, i) => make(`${first + i}`)))(x));
}

/**
 * Names the layers by their kind and a number: `conv1`, `relu1`, `conv2`, ...; a kind that occurs
 * once has no number.
 */
export function numberedByKind(name: string, parts: readonly NamedLayer[]): Block {
  const counts = new Map<string, number>();
  const nameOf = ({ kind }: NamedLayer) => {
    if (parts.filter((other) => other.kind === kind).length === 1) return kind;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return `${kind}${counts.get(kind)}`;
  };
  const blocks = parts.map((one) => one.make(nameOf(one)));
  return (x) => scope(name, () => chain(...blocks)(x));
}
