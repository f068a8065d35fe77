/**
 * Layers that a compiled plan does not compute, which then run on TensorFlow.js's tape, and layers
 * that TensorFlow.js itself computes wrongly, which are refused.
 */
import type * as tfl from '@tensorflow/tfjs-layers';

/** Why a model is not compiled; `planOf` then computes it on the tape. */
export class NotCompilable extends Error {
  override readonly name = 'NotCompilable';
}

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
const NO_MASKS = 'a compiled plan passes no masks to the layers after it';

const REFUSALS: readonly Refusal[] = [
  ({ className }) => (RANDOM.includes(className) ? REDRAWN : undefined),
  // A compiled plan draws the numbers of its own Dropout only; wrappers and cells draw theirs.
  ({ className }, { isInner }) =>
    isInner && className === 'Dropout' ? `${REDRAWN} outside a wrapper` : undefined,
  ({ config }) => {
    const option = ['dropout', 'recurrentDropout'].find((key) => config[key]);
    return option && `${option}: ${REDRAWN} before or after the layer`;
  },
  ({ className }) =>
    className === 'Masking' ? `${NO_MASKS}; train() computes such a model on the tape` : undefined,
  ({ config }) =>
    config.maskZero
      ? `maskZero: ${NO_MASKS}; leave it out, or train() computes such a model on the tape`
      : undefined,
  ({ className, config }) =>
    className === 'Embedding' && config.trainable !== false
      ? 'a compiled plan asks for gradients of its integer inputs; train it by train()'
      : undefined,
  ({ config }) =>
    config.stateful
      ? 'stateful: a compiled plan computes the layer a second time, which would change its ' +
        'state; leave it out'
      : undefined,
  // An RNN's other inputs are its initial states, which only `apply` tells from the sequence.
  ({ config }, { isInner, numInputs }) =>
    !isInner && numInputs > 1 && 'returnSequences' in config
      ? 'a compiled plan passes no initial state; leave it out, or ' +
        'train() computes such a model on the tape'
      : undefined,
  ({ config }) => {
    const option = Object.keys(config).find(
      (key) => /(Regularizer|Constraint)$/.test(key) && config[key],
    );
    return option && `a compiled plan has no ${option}; leave it out`;
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
        throw new NotCompilable(
          `[compiler] layer '${layer.name}' (${outer.className}): ${inner}${reason}`,
        );
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

/**
 * What TensorFlow.js's own layers get wrong, on every plan.
 * @throws Error with the layer's name
 */
export function refuseUntrainable(layer: tfl.layers.Layer): void {
  const where = `[compiler] layer '${layer.name}' (${layer.getClassName()})`;
  const { activityRegularizer, dilationRate } = layer.getConfig();
  if (activityRegularizer) {
    throw new Error(
      `${where}: TensorFlow.js ignores activityRegularizer; leave it out, and add the penalty in ` +
        'a loss of your own',
    );
  }
  const rates = [dilationRate ?? 1].flat() as number[];
  if (layer.getClassName() === 'DepthwiseConv2D' && rates.some((rate) => rate !== 1)) {
    throw new Error(
      `${where}: TensorFlow.js's own layer ignores dilationRate [${rates.join(', ')}]; leave it ` +
        'out, or use Conv2D',
    );
  }
}
