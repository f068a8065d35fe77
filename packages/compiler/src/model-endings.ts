/** The softmax or sigmoid at the end of a model's outputs, and computing the outputs without it. */
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { isContainer, type Layer, type Patch } from './layer-walk';
import type { FinalActivation } from './program';

export interface Ending {
  readonly activation: FinalActivation;
  /** Leaves the activation out; undefined where something else needs the layer's output too. */
  readonly patch: Patch | undefined;
}

const ENDS = ['Dense', 'Conv1D', 'Conv2D', 'Conv3D', 'Conv2DTranspose', 'Activation'];
/** In the place of tfjs's activation; a clone, since tfjs disposes a layer's inputs after it. */
const IDENTITY = { getClassName: () => 'none', apply: (x: tf.Tensor) => tf.clone(x) };

/** The ending of one output, of any rank; undefined when there is none. */
export function findEnding(output: tfl.SymbolicTensor): Ending | undefined {
  const { sourceLayer: layer, tensorIndex } = output as unknown as {
    sourceLayer: Layer;
    tensorIndex: number;
  };
  if (isContainer(layer)) {
    const inner = findEnding(layer.outputs[tensorIndex] as tfl.SymbolicTensor);
    return inner && { activation: inner.activation, patch: undefined };
  }
  const computing = 'layer' in layer ? (layer.layer as Layer) : layer; // TimeDistributed's
  const found = activationOf(computing, output.shape.length);
  const isOnlyEnd = layer.inboundNodes.length === 1 && layer.outboundNodes.length === 0;
  return found && { ...found, patch: isOnlyEnd ? found.patch : undefined };
}

function activationOf(layer: Layer, rank: number): Ending | undefined {
  const { activation, axis = -1 } = layer.getConfig() as { activation?: string; axis?: number };
  if (layer.getClassName() === 'Softmax') {
    const value = (x: tf.Tensor) => tf.clone(x);
    const isLast = axis === -1 || axis === rank - 1;
    return isLast
      ? { activation: 'softmax', patch: { object: layer, field: 'softmax', value } }
      : undefined;
  }
  if (!ENDS.includes(layer.getClassName())) return undefined;
  if (activation !== 'softmax' && activation !== 'sigmoid') return undefined;
  return { activation, patch: { object: layer, field: 'activation', value: IDENTITY } };
}
