/**
 * Names and seeds of layers while a model is built. `sequential` opens a build, and blocks open
 * scopes in it: a layer is called `stage2.block1.conv1` wherever its block is used, and its initial
 * weights depend only on the model's seed and the layer's place.
 */
import { formatValue, mixSeed } from '@deepend/core';
import type { layers } from '@tensorflow/tfjs-layers';
import type { Init } from './initializers';

interface Build {
  readonly init: Init;
  readonly seed: number;
  /** A dry build computes shapes without creating weights, to check the size of an image first. */
  readonly dry: boolean;
  /** The layers created so far, disposed when the build fails. */
  readonly made: layers.Layer[];
  layers: number;
  scopes: string[];
  counts: Map<string, number>;
}

/**
 * The state of this package, all of it. A block is a function from tensor to tensor with no
 * argument
 * for the build that uses it, so the build is kept here while its blocks run. They run
 * synchronously, so two builds never interleave; nested builds restore the outer one.
 */
const state = {
  build: undefined as Build | undefined,
  /** Seeds taken by blocks used outside a build, so that no two of their layers start alike. */
  seedsOutside: 0,
  /** Grouped convolutions that were not given a name. */
  unnamedGroupedConvs: 0,
};

/**
 * Runs `make` as one build: its layers are named by scope and seeded from `seed`. Builds nest. The
 * weights of a build that fails are disposed.
 */
export function build<T>(
  { init, seed, dry = false }: { init: Init; seed: number; dry?: boolean },
  make: () => T,
): T {
  const outer = state.build;
  const made: layers.Layer[] = [];
  state.build = { init, seed, dry, made, layers: 0, scopes: [], counts: new Map() };
  try {
    return make();
  } catch (error) {
    for (const layer of made) if (layer.built) layer.dispose();
    throw error;
  } finally {
    state.build = outer;
  }
}

/** Adds a layer to those that the current build has created. */
export const remember = (layer: layers.Layer): void => {
  state.build?.made.push(layer);
};

/** Whether the current build creates no weights. */
export const isDry = (): boolean => state.build?.dry ?? false;

/** Runs `make` inside the scope `name` of the build; an empty name opens none. */
export function scope<T>(name: string, make: () => T): T {
  const { build: current } = state;
  if (!current || name === '') return make();
  current.scopes.push(name);
  try {
    return make();
  } finally {
    current.scopes.pop();
  }
}

/**
 * `name` if it is given, else `kind` and the next free number in the current scope: `block1`,
 * `block2`, ...
 * @throws TypeError when the name is not a string, such as options that the block does not take
 */
export function numbered(kind: string, name?: string): string {
  const { build: current } = state;
  if (name !== undefined && typeof name !== 'string') {
    throw new TypeError(
      `[nn] ${kind}: expected the layer's name as a string, got ${formatValue(name)}; an ` +
        'activation is a block of its own, such as relu()',
    );
  }
  if (name !== undefined || !current) return name ?? kind;
  const key = [...current.scopes, kind].join('.');
  const count = (current.counts.get(key) ?? 0) + 1;
  current.counts.set(key, count);
  return `${kind}${count}`;
}

/**
 * The configuration that every layer gets: its full name (undefined outside a build, where tfjs
 * numbers layers itself), its seed, and the build's `init`.
 */
export function layerConfig(name: string): { name: string | undefined; seed: number; init: Init } {
  const { build: current } = state;
  if (!current) return { name: undefined, seed: state.seedsOutside++, init: 'xavier-uniform' };
  const seed = mixSeed(current.seed, current.layers++);
  return { name: [...current.scopes, name].join('.'), seed, init: current.init };
}

/**
 * tfjs would name the layer after its class, `deepend>GroupedConv2D`; no tensor may be called so.
 */
export const nextGroupedConvName = (): string => `grouped_conv2d_${++state.unnamedGroupedConvs}`;
