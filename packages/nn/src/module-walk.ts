/**
 * Finds the parameters, buffers and children of a module in its properties. A training step asks
 * for them each time, so what the last walk found is kept, and the next one only compares.
 */
import { MODULE, type ModuleLike } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import type * as tf from '@tensorflow/tfjs-core';
import { isVariable, traitsOf } from './weight-traits';

/** A module, array, map or plain object, and what was found in it. */
interface Node {
  readonly value: object;
  readonly keys: readonly string[];
  /** By key: a variable, a node, or undefined where there is nothing for a walk. */
  readonly found: readonly (tf.Variable | Node | undefined)[];
}

/** Everything in a module, under every name that it has. */
export interface Found {
  readonly root: Node;
  readonly parameters: readonly (readonly [name: string, variable: tf.Variable])[];
  readonly buffers: readonly (readonly [name: string, variable: tf.Variable])[];
  /** In the order of PyTorch's state dict. */
  readonly weights: readonly (readonly [name: string, variable: tf.Variable])[];
  /** The module itself first, named ''. */
  readonly modules: readonly (readonly [name: string, module: ModuleLike])[];
  /** Modules that are directly inside. */
  readonly children: readonly (readonly [name: string, module: ModuleLike])[];
}

const isModuleValue = (value: object): value is ModuleLike => MODULE in value;

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether a walk looks into it. */
const isContainer = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  (Array.isArray(value) || value instanceof Map || isModuleValue(value) || isPlain(value));

const keysOf = (value: object): string[] =>
  value instanceof Map ? [...value.keys()].map(String) : Object.keys(value);

const valuesOf = (value: object): unknown[] =>
  value instanceof Map ? [...value.values()] : Object.values(value);

const isNode = (found: tf.Variable | Node | undefined): found is Node =>
  found !== undefined && 'found' in found;

/** Whether nothing changed since the node was made. */
function isUnchanged({ value, keys, found }: Node): boolean {
  const now = keysOf(value);
  if (now.length !== keys.length) return false;
  const values = valuesOf(value);
  for (let i = 0; i < keys.length; i++) {
    if (now[i] !== keys[i]) return false;
    const [was, is] = [found[i], values[i]];
    if (was === undefined) {
      if (typeof is === 'object' && (isVariable(is) || isContainer(is))) return false;
    } else if (isNode(was)) {
      if (is !== was.value || !isUnchanged(was)) return false;
    } else if (is !== was) return false;
  }
  return true;
}

const join = (path: string, key: string) => (path ? `${path}.${key}` : key);

const describe = (found: tf.Variable | Node): string => {
  if (!isNode(found)) return traitsOf(found).kind === 'buffer' ? 'a buffer' : 'a parameter';
  return isModuleValue(found.value) ? `the module ${found.value.name}` : 'modules or parameters';
};

/** Whether there is a weight or a module in it. */
const holdsSomething = (found: tf.Variable | Node | undefined): found is tf.Variable | Node =>
  found !== undefined &&
  (!isNode(found) || isModuleValue(found.value) || found.found.some(holdsSomething));

class Walker {
  readonly #where: string;
  /** The modules and containers around the one that is walked. */
  readonly #around: object[] = [];

  constructor(where: string) {
    this.#where = where;
  }

  walk(value: object, path: string, before: Node | undefined): Node {
    if (this.#around.includes(value)) {
      throw new Error(
        `${this.#where}: "${path}" contains itself, so its parameters have no end of names; keep ` +
          'a reference to a module around this one in a #private field',
      );
    }
    this.#around.push(value);
    const keys = keysOf(value);
    const values = valuesOf(value);
    const found = keys.map((key, i) => this.#at(values[i], join(path, key), childAt(before, key)));
    this.#around.pop();
    return { value, keys, found };
  }

  #at(
    value: unknown,
    path: string,
    before: tf.Variable | Node | undefined,
  ): tf.Variable | Node | undefined {
    if (isVariable(value)) return value;
    if (isContainer(value)) {
      const same = before !== undefined && isNode(before) && before.value === value;
      return this.walk(value, path, same ? before : undefined);
    }
    if (value !== undefined && value !== null && holdsSomething(before)) {
      throw new TypeError(
        `${this.#where}: the field "${path}" held ${describe(before)} and was overwritten by ` +
          `${formatValue(value)}; assign a module or nn.parameter(...) to it, change values by ` +
          '`assign`, or set it to null to remove it',
      );
    }
    if (isOfLayers(value)) {
      throw new TypeError(
        `${this.#where}: the field "${path}" holds ${value.name}, a layer or model of ` +
          'TensorFlow.js, whose weights a module does not find, so they would not be trained or ' +
          'saved; keep one that stays as it is in a #private field, and build the others from ' +
          'modules',
      );
    }
    return undefined;
  }
}

/** A layer or a model of `@tensorflow/tfjs-layers`. */
const isOfLayers = (value: unknown): value is { readonly name: string } =>
  typeof value === 'object' && value !== null && 'trainableWeights' in value && 'name' in value;

function childAt(node: Node | undefined, key: string): tf.Variable | Node | undefined {
  if (!node) return undefined;
  const at = node.keys.indexOf(key);
  return at < 0 ? undefined : node.found[at];
}

type Named<T> = [name: string, value: T];

/** A module's own weights, and the modules inside it, containers followed. */
function contents(node: Node, path: string) {
  const weights: Named<tf.Variable>[] = [];
  const modules: Named<Node>[] = [];
  const follow = ({ keys, found }: Node, at: string): void =>
    found.forEach((item, i) => {
      const name = join(at, keys[i] as string);
      if (item === undefined) return;
      if (!isNode(item)) weights.push([name, item]);
      else if (isModuleValue(item.value)) modules.push([name, item]);
      else follow(item, name);
    });
  follow(node, path);
  return { weights, modules };
}

/** What is in a module, with PyTorch's order: own parameters, own buffers, then each child. */
function collect(root: Node): Found {
  const parameters: Named<tf.Variable>[] = [];
  const buffers: Named<tf.Variable>[] = [];
  const weights: Named<tf.Variable>[] = [];
  const modules: Named<ModuleLike>[] = [];
  const visit = (node: Node, path: string): void => {
    modules.push([path, node.value as ModuleLike]);
    const own = contents(node, path);
    const isBuffer = ([, variable]: Named<tf.Variable>) => traitsOf(variable).kind === 'buffer';
    const ownBuffers = own.weights.filter(isBuffer);
    const ownParameters = own.weights.filter((weight) => !isBuffer(weight));
    parameters.push(...ownParameters);
    buffers.push(...ownBuffers);
    weights.push(...ownParameters, ...ownBuffers);
    for (const [name, child] of own.modules) visit(child, name);
  };
  visit(root, '');
  const children = contents(root, '').modules.map(
    ([name, { value }]): Named<ModuleLike> => [name, value as ModuleLike],
  );
  return { root, parameters, buffers, weights, modules, children };
}

/**
 * What is in a module now.
 * @param before what the last walk found; it is returned where nothing changed
 * @throws TypeError when a field that held a parameter or a module was overwritten
 */
export function walk(module: ModuleLike, before: Found | undefined): Found {
  if (before && isUnchanged(before.root)) return before;
  return collect(new Walker(`[nn] ${module.name}`).walk(module, '', before?.root));
}

/** The first of each value, under its first name. */
export function unique<T>(named: readonly (readonly [string, T])[]): [name: string, value: T][] {
  const seen = new Set<T>();
  return named.flatMap(([name, value]): [string, T][] => {
    if (seen.has(value)) return [];
    seen.add(value);
    return [[name, value]];
  });
}
