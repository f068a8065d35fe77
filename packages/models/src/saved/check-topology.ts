/**
 * Checks the layers that a `model.json` describes before TensorFlow.js builds them: for a name that
 * does not exist, a missing node or a cycle it would wait forever.
 */
import { closest, formatValue } from '@deepend/core';

type Fields = Readonly<Record<string, unknown>>;
/** Makes an error. */
type Fail = (place: string, expected: string, got: string) => Error;

const CONTAINERS = ['Model', 'Functional', 'Sequential'];
const MAX_DEPTH = 32; // of models within models

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isIndex = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

/** Keras writes snake case, some converters camel case. */
const field = (fields: Fields, name: string): unknown =>
  fields[name] ?? fields[name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())];

/**
 * @param where the beginning of each error: the file
 * @throws Error that names the layer, for a topology that cannot be built
 */
export function checkTopology(where: string, topology: unknown): void {
  const fail: Fail = (place, expected, got) =>
    new Error(
      `${where}: ${place}: expected ${expected}, got ${got}; the file is damaged, save the model ` +
        'again',
    );
  const config = isObject(topology) ? (topology.model_config ?? topology) : topology;
  checkModel(config, { place: 'modelTopology', depth: 0, fail });
}

interface Context {
  readonly place: string;
  readonly depth: number;
  readonly fail: Fail;
}

function checkModel(model: unknown, { place, depth, fail }: Context): void {
  if (depth > MAX_DEPTH) throw fail(place, `at most ${MAX_DEPTH} models within models`, 'more');
  if (!isObject(model)) throw fail(place, 'an object', formatValue(model));
  const className = field(model, 'class_name');
  if (typeof className !== 'string') throw fail(place, 'a "class_name"', formatValue(className));
  const { config } = model;
  const layers = Array.isArray(config) ? config : isObject(config) ? config.layers : undefined;
  if (!Array.isArray(layers)) throw fail(place, 'a list of "layers"', formatValue(layers));
  const isGraph = className !== 'Sequential';
  const nodes = new Map<string, LayerNodes>();
  for (const [i, layer] of layers.entries()) {
    const at = `layer ${i} of ${place}`;
    const { name, initial, inbound } = readLayer(layer, { place: at, depth, fail }, isGraph);
    if (!isGraph) continue;
    if (nodes.has(name)) throw fail(at, 'a name of its own', `${formatValue(name)} again`);
    nodes.set(name, { initial, inbound });
  }
  if (!isGraph || !isObject(config)) return;
  checkNodes(nodes, fail);
  for (const key of ['input_layers', 'output_layers']) {
    const ends = field(config, key);
    if (!Array.isArray(ends) || ends.length === 0)
      throw fail(place, `a list "${key}"`, formatValue(ends));
    for (const end of ends) checkReference(end, { nodes, place: `"${key}" of ${place}`, fail });
  }
}

/** The calls of a layer: those that it has from the start, and what each other call takes. */
interface LayerNodes {
  readonly initial: number;
  readonly inbound: readonly (readonly Reference[])[];
}

interface Reference {
  readonly layer: string;
  readonly node: number;
}

function readLayer(
  layer: unknown,
  context: Context,
  isGraph: boolean,
): LayerNodes & { name: string } {
  const { place, depth, fail } = context;
  if (!isObject(layer)) throw fail(place, 'an object', formatValue(layer));
  const className = field(layer, 'class_name');
  const { config } = layer;
  const name = layer.name ?? (isObject(config) ? config.name : undefined);
  const at = typeof name === 'string' ? `layer ${formatValue(name)}` : place;
  if (typeof className !== 'string') throw fail(at, 'a "class_name"', formatValue(className));
  const isContainer = CONTAINERS.includes(className);
  if (!isObject(config) && !(isContainer && Array.isArray(config)))
    throw fail(at, 'a "config"', formatValue(config));
  if (isContainer) checkModel(layer, { place: at, depth: depth + 1, fail });
  if (!isGraph) return { name: '', initial: 0, inbound: [] };
  if (typeof layer.name !== 'string' || layer.name === '')
    throw fail(at, 'a "name"', formatValue(layer.name));
  if (isObject(config) && config.name !== undefined && config.name !== layer.name)
    throw fail(at, `the name ${formatValue(layer.name)} in its config`, formatValue(config.name));
  const inbound = field(layer, 'inbound_nodes');
  if (!Array.isArray(inbound)) throw fail(at, 'a list "inbound_nodes"', formatValue(inbound));
  const initial = className === 'InputLayer' || isContainer ? 1 : 0;
  return { name: layer.name, initial, inbound: inbound.map((node) => readNode(node, at, fail)) };
}

function readNode(node: unknown, at: string, fail: Fail): Reference[] {
  const place = `${at}: inbound_nodes`;
  if (!Array.isArray(node) || node.length === 0)
    throw fail(place, 'lists of at least one input', formatValue(node));
  return node.map((input) => {
    const [layer, index, tensor, kwargs] = Array.isArray(input) ? input : [];
    if (typeof layer !== 'string' || !isIndex(index) || !isIndex(tensor))
      throw fail(place, 'inputs ["layer", node, tensor]', formatValue(input));
    if (kwargs !== undefined && kwargs !== null && !isObject(kwargs))
      throw fail(place, 'options that are an object', formatValue(kwargs));
    return { layer, node: index };
  });
}

type Nodes = ReadonlyMap<string, LayerNodes>;

/** Checks that each input exists and that no layer waits for itself. */
function checkNodes(nodes: Nodes, fail: Fail): void {
  for (const [name, { initial, inbound }] of nodes) {
    const place = `layer ${formatValue(name)}`;
    if (initial + inbound.length === 0) throw fail(place, 'inputs in "inbound_nodes"', 'none');
    for (const input of inbound.flat()) requireNode(input, { nodes, place, fail });
  }
  const waiting = findCycle(nodes);
  if (waiting !== undefined)
    throw fail(
      `layer ${formatValue(waiting)}`,
      'inputs that come before it',
      'one that depends on it',
    );
}

interface ReferenceContext {
  readonly nodes: Nodes;
  readonly place: string;
  readonly fail: Fail;
}

function checkReference(end: unknown, { nodes, place, fail }: ReferenceContext): void {
  const [layer, node, tensor] = Array.isArray(end) ? end : [];
  if (typeof layer !== 'string' || !isIndex(node) || !isIndex(tensor))
    throw fail(place, '["layer", node, tensor]', formatValue(end));
  requireNode({ layer, node }, { nodes, place, fail });
}

function requireNode({ layer, node }: Reference, { nodes, place, fail }: ReferenceContext): void {
  const found = nodes.get(layer);
  if (!found) {
    const near = closest(layer, [...nodes.keys()].slice(0, 2000));
    const hint = near ? ` (is it ${formatValue(near)}?)` : '';
    throw fail(place, 'a layer of the model as input', `${formatValue(layer)}${hint}`);
  }
  const count = found.initial + found.inbound.length;
  if (node >= count)
    throw fail(place, `an output of ${formatValue(layer)} below number ${count}`, String(node));
}

/**
 * A layer that waits for itself, if any. Calls are sorted so that each comes after its inputs and
 * after the layer's earlier calls (Kahn 1962).
 */
function findCycle(nodes: Nodes): string | undefined {
  const calls = [...nodes].flatMap(([layer, { initial, inbound }]) =>
    inbound.map((inputs, i) => ({ key: `${initial + i} ${layer}`, layer, initial, i, inputs })),
  );
  const known = new Set(calls.map(({ key }) => key));
  const followers = new Map<string, string[]>();
  const missing = new Map<string, number>();
  for (const { key, layer, initial, i, inputs } of calls) {
    const earlier = i > 0 ? [`${initial + i - 1} ${layer}`] : [];
    const all = [...earlier, ...inputs.map((input) => `${input.node} ${input.layer}`)];
    const needed = [...new Set(all)].filter((one) => known.has(one));
    missing.set(key, needed.length);
    for (const one of needed) {
      const list = followers.get(one) ?? [];
      list.push(key);
      followers.set(one, list);
    }
  }
  const ready = [...missing].filter(([, count]) => count === 0).map(([key]) => key);
  for (let key = ready.pop(); key !== undefined; key = ready.pop()) {
    missing.delete(key);
    for (const follower of followers.get(key) ?? []) {
      const left = (missing.get(follower) as number) - 1;
      missing.set(follower, left);
      if (left === 0) ready.push(follower);
    }
  }
  const [waiting] = missing.keys();
  return waiting?.slice(waiting.indexOf(' ') + 1);
}
