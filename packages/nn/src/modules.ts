/**
 * Lists of layers named by their place, as PyTorch's `nn.Sequential` names them, or by their kind,
 * as the book's models do here.
 */
import { type Block, chain } from './layers';
import { scope } from './naming';

/** A layer that waits for its name. */
export interface NamedLayer {
  /** `conv`, `relu`, `pool`, ...: its name where names tell the kind. */
  readonly kind: string;
  readonly make: (name: string) => Block;
}

export const namedLayer = (kind: string, make: (name: string) => Block): NamedLayer => ({
  kind,
  make,
});

/**
 * `nn.Sequential`: the layers are called `0`, `1`, `2`, ... from `first` on, inside the scope
 * `name`.
 */
export function modules(
  name: string,
  parts: readonly NamedLayer[],
  { first = 0 }: { first?: number } = {},
): Block {
  return (x) => scope(name, () => chain(...parts.map(({ make }, i) => make(`${first + i}`)))(x));
}

/**
 * The layers are called by their kind and its count: `conv1`, `relu1`, `conv2`, ...; a kind that
 * comes once has no number.
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
