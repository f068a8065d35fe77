/**
 * Names and seeds of the layers of a net while it is built. `sequential` opens a build; blocks open
 * scopes in it, so that a layer
 * is called `stage2.block1.conv1` wherever its block is used, and its initial weights depend on the
 * net's seed and its place alone.
 */
import { mixSeed } from '@deepend/core';
import type { layers } from '@tensorflow/tfjs-layers';
import type { Init } from './initializers';

interface Build {
  readonly init: Init;
  readonly seed: number;
  /**
   * Works out shapes and makes no weights: what finds out beforehand whether an image is too small.
   */
  readonly dry: boolean;
  /** What has been made so far, to be disposed of when the build fails. */
  readonly made: layers.Layer[];
  layers: number;
  scopes: string[];
  counts: Map<string, number>;
}

let current: Build | undefined;
/**
 * A block that is used outside a build takes its seeds here, so that two of its layers never begin
 * alike.
 */
let loose = 0;

/**
 * Runs `make` as one build: its layers are named by scope and seeded from `seed`. Builds nest; one
 * that fails leaves no weights.
 */
export function build<T>(
  { init, seed, dry = false }: { init: Init; seed: number; dry?: boolean },
  make: () => T,
): T {
  const outer = current;
  const made: layers.Layer[] = [];
  current = { init, seed, dry, made, layers: 0, scopes: [], counts: new Map() };
  try {
    return make();
  } catch (error) {
    for (const layer of made) if (layer.built) layer.dispose();
    throw error;
  } finally {
    current = outer;
  }
}

/** Remembers a layer that the present build has made. */
export const remember = (layer: layers.Layer): void => {
  current?.made.push(layer);
};

/** Whether the present build makes no weights. */
export const isDry = (): boolean => current?.dry ?? false;

/** Runs `make` inside the scope `name` of the build; an empty name opens none. */
export function scope<T>(name: string, make: () => T): T {
  if (!current || name === '') return make();
  current.scopes.push(name);
  try {
    return make();
  } finally {
    current.scopes.pop();
  }
}

/**
 * `name` if it is given, else `kind` and the next free number in the present scope: `block1`,
 * `block2`, ...
 */
export function numbered(kind: string, name?: string): string {
  if (name !== undefined || !current) return name ?? kind;
  const key = [...current.scopes, kind].join('.');
  const count = (current.counts.get(key) ?? 0) + 1;
  current.counts.set(key, count);
  return `${kind}${count}`;
}

/**
 * What every layer is made with: its full name (undefined outside a build: tfjs then counts), its
 * seed, and the build's `init`.
 */
export function layerConfig(name: string): { name: string | undefined; seed: number; init: Init } {
  if (!current) return { name: undefined, seed: loose++, init: 'xavier-uniform' };
  const seed = mixSeed(current.seed, current.layers++);
  return { name: [...current.scopes, name].join('.'), seed, init: current.init };
}
