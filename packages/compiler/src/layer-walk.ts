/** The layers of a model at any depth: in models inside, wrappers and recurrent cells. */
import type * as tfl from '@tensorflow/tfjs-layers';

export type Layer = tfl.layers.Layer;

/** Fields of containers, wrappers and recurrent layers that hold layers; tfjs hides most. */
const HOLDERS = ['layers', 'layer', 'forwardLayer', 'backwardLayer', 'cell', 'cells'] as const;

/** Each layer once, a layer before those inside it. */
export function layersInside(layer: Layer, found = new Set<Layer>()): Set<Layer> {
  if (found.has(layer)) return found;
  found.add(layer);
  const fields = layer as unknown as Record<string, Layer | Layer[] | undefined>;
  for (const inner of HOLDERS.flatMap((holder) => fields[holder] ?? [])) layersInside(inner, found);
  return found;
}

/** Whether a layer is a model. */
export const isContainer = (layer: Layer): layer is tfl.LayersModel =>
  'layers' in layer && 'outputs' in layer;

/** A field of an object with another value for a while. */
export interface Patch {
  readonly object: object;
  readonly field: string;
  readonly value: unknown;
}

/** Runs `work` with fields replaced, and restores them. */
export function withPatches<T>(patches: readonly Patch[], work: () => T): T {
  const before = patches.map(({ object, field }) => Object.getOwnPropertyDescriptor(object, field));
  try {
    for (const { object, field, value } of patches)
      Object.defineProperty(object, field, { value, configurable: true, writable: true });
    return work();
  } finally {
    patches.forEach(({ object, field }, i) => {
      const own = before[i];
      if (own) Object.defineProperty(object, field, own);
      else Reflect.deleteProperty(object, field);
    });
  }
}
