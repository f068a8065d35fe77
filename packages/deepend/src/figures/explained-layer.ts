/** One layer of a model or module, whose output a forward pass gives and changes. */
import { findEnding, inMode, isModule, isTensor, type Patch, withPatches } from '@deepend/compiler';
import { closest } from '@deepend/core';
import { featureExtractor, ownCalls } from '@deepend/models';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel, layers, SymbolicTensor } from '@tensorflow/tfjs-layers';

export interface Scores {
  /** The model's outputs before a final softmax or sigmoid. */
  readonly scores: tf.Tensor;
  /** The layer's output, `[batch, h, w, channels]`, the caller's; none where it is changed. */
  readonly activations: tf.Tensor | undefined;
}

/** A forward pass in inference mode; `change` is added to the layer's output. */
export type Explained = (features: tf.Tensor, change?: tf.Tensor) => Scores;

interface Asked {
  /** An example, `[batch, height, width, channels]`. */
  readonly features: tf.Tensor;
  readonly layer: string | undefined;
}

/** Whether it is a module rather than a model of layers. */
export const isOfModules = (net: LayersModel | nn.Module): net is nn.Module => isModule(net);

/**
 * The layer of a model or the module inside a module that `layer` names. Without a name: the last
 * that gives images as large as the last convolution's, so what follows that convolution, such as
 * batch normalization and the activation, is included.
 * @throws RangeError when there is none, or it does not give images
 */
export function layerOf(where: string, net: LayersModel | nn.Module, asked: Asked): Explained {
  return isOfModules(net) ? ofModule(where, net, asked) : ofLayers(where, net, asked);
}

const isImages = (shape: readonly (number | null)[] | undefined) => shape?.length === 4;
const sameSize = (
  a: readonly (number | null)[] | undefined,
  b: readonly (number | null)[] | undefined,
) => isImages(a) && isImages(b) && a?.[1] === b?.[1] && a?.[2] === b?.[2];

const withoutConvolution = (where: string, name: string) =>
  new RangeError(
    `${where}: the model '${name}' has no convolution; name a layer that gives images in "layer"`,
  );

function requireImages(where: string, name: string, shape: readonly unknown[]): void {
  if (shape.length === 4) return;
  throw new RangeError(
    `${where}: expected a layer that gives [batch, height, width, channels], '${name}' gives ` +
      `${shape.length} axes`,
  );
}

/** A function in the place of a layer's. Of several calls, the last counts. */
class Watched {
  /** Of one forward pass; known after the first, which changes nothing. */
  #calls = 0;

  run(
    original: (...inputs: never[]) => unknown,
    { forward, change }: { forward: (call: unknown) => tf.Tensor; change: tf.Tensor | undefined },
  ): Scores {
    let count = 0;
    let activations: tf.Tensor | undefined;
    const call = (...inputs: never[]): unknown => {
      const output = original(...inputs) as tf.Tensor;
      count++;
      if (change) return count === this.#calls ? tf.add(output, change) : output;
      activations?.dispose();
      activations = tf.keep(tf.clone(output)); // models dispose what is inside
      return output;
    };
    const scores = forward(call);
    this.#calls = count;
    return { scores, activations };
  }
}

const CONVOLUTIONS = ['Conv2D', 'SeparableConv2D', 'DepthwiseConv2D'];

function ofLayers(where: string, net: LayersModel, { layer: asked }: Asked): Explained {
  const name = asked ?? lastLayer(where, net);
  const extractor = featureExtractor(net, name);
  const output = extractor.outputs[0] as SymbolicTensor;
  extractor.dispose();
  requireImages(where, name, output.shape);
  const layer = output.sourceLayer as layers.Layer;
  const ending = findEnding(net.outputs[0] as SymbolicTensor)?.patch;
  const original = layer.call.bind(layer) as (...inputs: never[]) => unknown;
  const watched = new Watched();
  return (features, change) => {
    const forward = (value: unknown) => {
      const patch = { object: layer, field: 'call', value };
      const patches = ending ? [ending, patch] : [patch];
      return withPatches(patches, () => net.apply(features, { training: false }) as tf.Tensor);
    };
    return watched.run(original, { forward, change });
  };
}

function lastLayer(where: string, net: LayersModel): string {
  const calls = ownCalls(net);
  const convolution = calls.findLast(({ layer }) => CONVOLUTIONS.includes(layer.getClassName()));
  if (!convolution) throw withoutConvolution(where, net.name);
  const { shape } = convolution.output;
  return (calls.findLast(({ output }) => sameSize(output.shape, shape)) ?? convolution).layer.name;
}

interface ModuleCall {
  readonly name: string;
  readonly module: nn.Module;
  readonly output: tf.Tensor;
}

function ofModule(where: string, net: nn.Module, { features, layer: asked }: Asked): Explained {
  const calls = moduleCalls(net, features);
  try {
    const name = asked ?? lastModule(where, net, calls);
    const call = calls.findLast((each) => each.name === name);
    if (!call) throw unknownModule(where, net, { name, calls });
    requireImages(where, name, call.output.shape);
    return explain(net, call.module, endingOf(calls));
  } finally {
    tf.dispose(calls.map(({ output }) => output));
  }
}

function explain(net: nn.Module, module: nn.Module, endings: readonly Patch[]): Explained {
  const original = module.forward.bind(module) as (...inputs: never[]) => unknown;
  const watched = new Watched();
  return (features, change) => {
    const forward = (value: unknown) => {
      const patches = [...endings, { object: module, field: 'forward', value }];
      return inMode(net, false, () =>
        withPatches(patches, () => net.forward(features) as tf.Tensor),
      );
    };
    return watched.run(original, { forward, change });
  };
}

/**
 * The calls of one forward pass whose output is one tensor, in the order in which they end. The
 * outputs are the caller's.
 */
function moduleCalls(net: nn.Module, features: tf.Tensor): ModuleCall[] {
  const calls: ModuleCall[] = [];
  const patches = net.namedModules().map(([name, module]): Patch => {
    const original = module.forward.bind(module);
    const value = (...inputs: unknown[]) => {
      const output: unknown = original(...inputs);
      if (isTensor(output)) calls.push({ name, module, output: tf.keep(output) });
      return output;
    };
    return { object: module, field: 'forward', value };
  });
  inMode(net, false, () =>
    tf.tidy(() => {
      withPatches(patches, () => net.forward(features));
    }),
  );
  return calls;
}

function lastModule(where: string, net: nn.Module, calls: readonly ModuleCall[]): string {
  const convolution = calls.findLast(({ module }) => module instanceof nn.Conv2d);
  if (!convolution) throw withoutConvolution(where, net.name);
  const { shape } = convolution.output;
  return (calls.findLast(({ output }) => sameSize(output.shape, shape)) ?? convolution).name;
}

const ENDINGS = [nn.Softmax, nn.LogSoftmax, nn.Sigmoid];

/** Makes a final softmax or sigmoid that is called once return its input. */
function endingOf(calls: readonly ModuleCall[]): Patch[] {
  const result = calls.at(-1)?.output;
  const last = calls.find(({ output }) => output === result);
  if (!last || !ENDINGS.some((Ending) => last.module instanceof Ending)) return [];
  if (calls.filter(({ module }) => module === last.module).length > 1) return [];
  return [{ object: last.module, field: 'forward', value: (x: tf.Tensor) => x }];
}

function unknownModule(
  where: string,
  net: nn.Module,
  { name, calls }: { name: string; calls: readonly ModuleCall[] },
): RangeError {
  const near = closest(
    name,
    calls.map((each) => each.name),
  );
  return new RangeError(
    `${where}: the forward pass of '${net.name}' calls no module '${name}' that gives a tensor; ` +
      (near ? `did you mean '${near}'?` : "summary(net, { rows: 'tree' }) shows its modules"),
  );
}
