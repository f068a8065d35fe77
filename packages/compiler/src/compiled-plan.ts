/** Computes an `nn.Module` by replaying the kernels that its steps launched. */
import * as tf from '@tensorflow/tfjs-core';
import type { FlatState, StateStructure } from './carried-state';
import type { CompiledForward } from './compiled-forward';
import { EagerPlan } from './eager-plan';
import type { NonFinite } from './execution';
import type {
  AnyLoss,
  AnyStepOptions,
  GradientStream,
  Parameter,
  ParameterGradient,
} from './program';
import { normSync } from './synced-norm';
import { isTensor, likeTensors, listTensors, mapTensors, scaled, type Tensors } from './tensors';
import type { Measured } from './training-plan';

type Correct = tf.Scalar | null;

/** Where the tensors of a step stand in the list of what a recording gives. */
interface StepMeta {
  readonly hasCorrect: boolean;
  /** Those with a gradient, in the order of the gradients. */
  readonly parameters: readonly Parameter[];
  readonly state: StateStructure | undefined;
}

interface OutputsMeta {
  readonly structure: Tensors;
  readonly state: StateStructure | undefined;
}

/** A number for each loss function, for the key of its recordings. */
const lossNumbers = new WeakMap<object, number>();
let numLosses = 0;

function lossNumber(loss: AnyLoss): number {
  const known = lossNumbers.get(loss) ?? numLosses++;
  lossNumbers.set(loss, known);
  return known;
}

/** `a,b` for a record, so that other names are another recording. */
const namesOf = (tensors: Tensors): string =>
  isTensor(tensors) || Array.isArray(tensors) ? '' : Object.keys(tensors).join();

/** Gives a gradient to a stream, times its factor. */
function streamed(
  { scale, onGradient }: GradientStream,
  { place, tensor, meta }: { place: number; tensor: tf.Tensor; meta: StepMeta },
): tf.Tensor {
  const parameter = meta.parameters[place - (meta.hasCorrect ? 2 : 1)];
  if (!parameter) return tensor; // the loss, the number correct, or the state
  const gradient = scaled(tensor, scale);
  onGradient({ parameter, gradient });
  return gradient;
}

/** The plan of a compiled module: `EagerPlan`'s passes, replayed once they were recorded. */
export class CompiledPlan {
  readonly inputShape = undefined;
  readonly numClasses = undefined;
  readonly finalActivation = undefined;
  readonly #compiled: CompiledForward;
  readonly #eager: EagerPlan;

  /** @param options.carryState as of `EagerPlan` @default false */
  constructor(compiled: CompiledForward, options: { carryState?: boolean } = {}) {
    this.#compiled = compiled;
    this.#eager = new EagerPlan(compiled.module, options);
  }

  get parameters(): readonly Parameter[] {
    return this.#eager.parameters;
  }

  get statistics(): readonly Parameter[] {
    return this.#eager.statistics;
  }

  beginSequence(state?: FlatState): void {
    this.#eager.beginSequence(state);
  }

  get carriedState(): FlatState | undefined {
    return this.#eager.carriedState;
  }

  /** Outputs in inference mode. The caller disposes them. */
  logits(features: Tensors): Tensors {
    this.#compiled.check(features);
    this.#eager.checkPlacement();
    const { tensors, meta, isReplay } = this.#compiled.recordings.run<OutputsMeta>({
      key: `logits ${namesOf(features)} ${this.#stateKey()}`,
      inputs: [...listTensors(features), ...this.#stateTensors()],
      eagerly: () => {
        const outputs = this.#eager.logits(features);
        const tensors = [...listTensors(outputs), ...this.#stateTensors()];
        return { tensors, meta: { structure: outputs, state: this.carriedState?.structure } };
      },
    });
    const count = listTensors(meta.structure).length;
    if (isReplay) {
      this.#takeState(meta.state, tensors.slice(count));
      tensors.slice(0, count).forEach((tensor) => {
        tf.keep(tensor);
      });
    }
    return likeTensors(meta.structure, tensors.slice(0, count));
  }

  outputs(logits: Tensors): Tensors {
    return mapTensors(logits, (tensor) => tensor.clone());
  }

  /** Outputs in inference mode, as `forward` gives them. The caller disposes them. */
  predict(features: Tensors): Tensors {
    return this.logits(features);
  }

  measure<C extends Correct>(loss: AnyLoss<C>, logits: Tensors, labels: Tensors): Measured<C> {
    return this.#eager.measure(loss, logits, labels);
  }

  forwardBackward<C extends Correct = tf.Scalar>(
    features: Tensors,
    labels: Tensors,
    { seed = 0, loss, stream }: AnyStepOptions<C>,
  ): Measured<C> & { readonly gradients: readonly ParameterGradient[] } {
    this.#compiled.check(features);
    this.#eager.checkPlacement();
    const { tensors, meta, isReplay } = this.#compiled.recordings.run<StepMeta>({
      key: this.#stepKey(features, labels, loss),
      inputs: [...listTensors(features), ...listTensors(labels), ...this.#stateTensors()],
      seed,
      ...(stream && {
        onOutput: (place, tensor, meta) => streamed(stream, { place, tensor, meta }),
      }),
      eagerly: () => {
        const step = this.#eager.forwardBackward<C>(features, labels, { seed, loss });
        const { loss: value, correct, gradients } = step;
        const found = gradients.map(({ gradient }) => gradient);
        const tensors = [value, ...(correct ? [correct] : []), ...found, ...this.#stateTensors()];
        const parameters = gradients.map(({ parameter }) => parameter);
        const state = this.carriedState?.structure;
        return { tensors, meta: { hasCorrect: correct !== null, parameters, state } };
      },
    });
    const [value, ...rest] = tensors;
    const correct = meta.hasCorrect ? (rest.shift() as tf.Scalar) : null;
    const gradients = meta.parameters.map((parameter, i) => ({
      parameter,
      gradient: rest[i] as tf.Tensor,
    }));
    if (isReplay) {
      if (correct) tf.keep(correct);
      this.#takeState(meta.state, rest.slice(gradients.length));
    }
    return { loss: value as tf.Scalar, correct: correct as C, gradients };
  }

  /** As of `EagerPlan`, of the steps that were recorded: a replay holds no more. */
  peakBytes(batch: number): number {
    return this.#eager.peakBytes(batch);
  }

  /** As of `EagerPlan`: it looks at each module inside, so it replays nothing. */
  firstNonFinite(
    features: Tensors,
    labels: Tensors,
    options: AnyStepOptions<Correct>,
  ): NonFinite | undefined {
    return this.#eager.firstNonFinite(features, labels, options);
  }

  /** One line per parameter, and the number of kernels of each recording. */
  describe(): string {
    const { sizes } = this.#compiled.recordings;
    return [this.#eager.describe(), `recordings of ${sizes.join(', ') || 'no'} kernels`].join('\n');
  }

  /** Which weights are learned may change, and the state's structure. */
  #stepKey(features: Tensors, labels: Tensors, loss: AnyLoss): string {
    const learned = this.parameters.map(({ variable }) => variable.id).join();
    const names = `${namesOf(features)} ${namesOf(labels)}`;
    const synced = normSync() ? 'synced' : '';
    return `step ${lossNumber(loss)} ${names} ${learned} ${synced} ${this.#stateKey()}`;
  }

  #stateKey(): string {
    return this.carriedState ? JSON.stringify(this.carriedState.structure) : '';
  }

  #stateTensors(): readonly tf.Tensor[] {
    return this.carriedState?.tensors ?? [];
  }

  /** Carries a state on that a replay gave. */
  #takeState(structure: StateStructure | undefined, tensors: readonly tf.Tensor[]): void {
    if (structure === undefined) return;
    this.#eager.beginSequence({ structure, tensors });
    tf.dispose([...tensors]);
  }
}
