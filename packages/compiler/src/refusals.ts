/** Layers whose numbers a training plan would get wrong are refused before anything is computed. */
import type * as tfl from '@tensorflow/tfjs-layers';

/** What a layer, or a layer or cell inside it, serializes to. */
interface Described {
  readonly className: string;
  readonly config: Record<string, unknown>;
}

/** Why a layer cannot be part of a plan, and what to do; undefined when it can. */
type Refusal = (described: Described, place: Place) => string | undefined;

interface Place {
  /** Whether the layer is inside another, such as the cell of an RNN. */
  readonly isInner: boolean;
  readonly numInputs: number;
}

/** Recomputing them for the gradient would draw other numbers. */
const RANDOM = [
  'AlphaDropout',
  'GaussianDropout',
  'GaussianNoise',
  'SpatialDropout1D',
  'RandomWidth',
];
const REDRAWN = 'its random numbers cannot be drawn again for the gradient; use Dropout';
const NO_MASKS = 'a training plan passes no masks to the layers after it';

const REFUSALS: readonly Refusal[] = [
  ({ className }) => (RANDOM.includes(className) ? REDRAWN : undefined),
  // A plan draws the numbers of its own Dropout only; wrappers and cells draw theirs in each call.
  ({ className }, { isInner }) =>
    isInner && className === 'Dropout' ? `${REDRAWN} outside a wrapper` : undefined,
  ({ config }) => {
    const option = ['dropout', 'recurrentDropout'].find((key) => config[key]);
    return option && `${option}: ${REDRAWN} before or after the layer`;
  },
  ({ className }) =>
    className === 'Masking' ? `${NO_MASKS}; train such a model with tfjs itself` : undefined,
  ({ config }) =>
    config.maskZero
      ? `maskZero: ${NO_MASKS}; leave it out, or train such a model with tfjs itself`
      : undefined,
  ({ config }) =>
    config.stateful
      ? 'stateful: a training plan computes the layer a second time, which would change its ' +
        'state; leave it out'
      : undefined,
  // An RNN's other inputs are its initial states, which only `apply` tells from the sequence.
  ({ config }, { isInner, numInputs }) =>
    !isInner && numInputs > 1 && 'returnSequences' in config
      ? 'a training plan passes no initial state; leave it out, or train such a model with tfjs ' +
        'itself'
      : undefined,
  ({ config }) => {
    const option = Object.keys(config).find(
      (key) => /(Regularizer|Constraint)$/.test(key) && config[key],
    );
    return option && `a training plan has no ${option}; leave it out`;
  },
];

/**
 * @throws Error for a layer, or one inside a wrapper or an RNN's cell, that a plan cannot compute
 *   as TensorFlow.js does
 */
export function refuseUnsupported(layer: tfl.layers.Layer, numInputs: number): void {
  const outer = { className: layer.getClassName(), config: layer.getConfig() };
  for (const described of [outer, ...insideOf(outer.config)]) {
    const isInner = described !== outer;
    for (const refusal of REFUSALS) {
      const reason = refusal(described, { isInner, numInputs });
      const inner = isInner ? `${described.className} inside, ` : '';
      if (reason)
        throw new Error(`[compiler] layer '${layer.name}' (${outer.className}): ${inner}${reason}`);
    }
  }
}

/** The layers and cells that a layer's configuration contains, at any depth. */
function insideOf(config: Record<string, unknown>): Described[] {
  const candidates = ['layer', 'cell', 'cells', 'layers'].flatMap((key) => config[key] ?? []);
  return candidates.filter(isDescribed).flatMap((inner) => [inner, ...insideOf(inner.config)]);
}

const isDescribed = (value: unknown): value is Described =>
  typeof (value as Described)?.className === 'string' &&
  typeof (value as Described).config === 'object';
