/** Losses of users: any function to a scalar, and a loss for each of several outputs. */
import {
  type AnyLoss,
  gradientsOf,
  isTensor,
  likeTensors,
  listTensors,
  type Tensors,
} from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';

/** A loss as a function to a scalar; its gradient comes from TensorFlow.js's tape. */
// biome-ignore lint/suspicious/noExplicitAny: each takes its own outputs and labels
export type ScalarLoss = (outputs: any, labels: any) => tf.Scalar;

/** One of deepend's losses, or a function to a scalar. */
export type LossOfOutput = AnyLoss | ScalarLoss;

/** A loss for each output by its name, summed with their weights. */
export type LossRecord = Readonly<
  Record<string, LossOfOutput | { readonly loss: LossOfOutput; readonly weight: number }>
>;

/** What `train` and its siblings take as the option `loss`. */
export type LossOption = LossOfOutput | LossRecord;

/** What a user's function returned. */
type Returned = ReturnType<AnyLoss> | tf.Scalar;

/**
 * Makes any loss that the option `loss` takes into one that gives loss and gradient.
 * @param where the beginning of each error
 * @throws TypeError for something that is no loss; the loss throws TypeError when a function
 *   returns no scalar, and RangeError when an output's name is missing or the loss does not depend
 *   on the outputs
 */
export function toLoss(where: string, loss: LossOption): AnyLoss {
  if (typeof loss === 'function') {
    if (!isComplete(loss)) return ofFunction(where, loss);
    if (loss.reduction !== 'none') return loss;
    throw new TypeError(
      `${where}: expected a loss that is one number, got reduction 'none'; use 'mean' or 'sum', ` +
        'or reduce it yourself: (outputs, labels) => tf.mean(loss(outputs, labels).loss)',
    );
  }
  if (typeof loss === 'object' && loss !== null && Object.keys(loss).length > 0)
    return ofRecord(where, loss);
  throw new TypeError(
    `${where}: option "loss" must be a loss, a function (outputs, labels) => scalar, or a record ` +
      `of these by output, got ${formatValue(loss)}`,
  );
}

/** deepend's own losses say what they are. */
const isComplete = (loss: LossOfOutput): loss is AnyLoss => 'config' in loss || 'onTape' in loss;

function ofFunction(where: string, loss: LossOfOutput): AnyLoss {
  const call = (outputs: Tensors, labels: Tensors): Returned => loss(outputs, labels);
  const onTape = (outputs: Tensors, labels: Tensors) => {
    const returned = call(outputs, labels);
    if (isTensor(returned)) return { loss: requireScalar(where, returned), correct: null };
    return withGivenGradient(where, outputs, returned);
  };
  const withGradient = (outputs: Tensors, labels: Tensors): ReturnType<AnyLoss> => {
    const list = listTensors(outputs);
    let given: ReturnType<AnyLoss> | undefined;
    const run = () => {
      const returned = call(outputs, labels);
      if (isTensor(returned)) return requireScalar(where, returned);
      given = keepResult(where, returned);
      return tf.scalar(0); // nothing for the tape to go back through
    };
    const { value, gradients } = gradientsOf(run, list);
    if (given) {
      value.dispose();
      return given;
    }
    if (!gradients.some(Boolean)) {
      value.dispose();
      throw new RangeError(
        `${where}: expected a loss that depends on the model's outputs, but its gradient is ` +
          'none; compute it from the outputs by differentiable operations of TensorFlow.js',
      );
    }
    const all = list.map((output, i) => gradients[i] ?? tf.zerosLike(output));
    return { loss: value, correct: null, dLogits: likeTensors(outputs, all) };
  };
  return Object.assign(withGradient, { onTape, config: { function: loss.name || '(anonymous)' } });
}

function requireScalar(where: string, value: tf.Tensor): tf.Scalar {
  if (value.size === 1 && value.rank === 0) return value as tf.Scalar;
  throw new TypeError(
    `${where}: expected a loss that is a scalar, got a tensor of [${value.shape.join(', ')}]; ` +
      'take its mean: tf.mean(loss)',
  );
}

function requireResult(where: string, result: unknown): asserts result is ReturnType<AnyLoss> {
  const { loss, dLogits } = (result ?? {}) as Partial<ReturnType<AnyLoss>>;
  if (isTensor(loss) && dLogits !== undefined) return;
  throw new TypeError(
    `${where}: expected the loss to return a scalar, or { loss, correct, dLogits } with the ` +
      `gradient of the outputs, got ${formatValue(result)}`,
  );
}

/** A result that was computed on the tape, and outlives it. */
function keepResult(where: string, result: unknown): ReturnType<AnyLoss> {
  requireResult(where, result);
  const keep = (tensor: tf.Tensor) => tf.keep(tensor.clone());
  const dLogits = listTensors(result.dLogits).map(keep);
  return {
    loss: keep(result.loss) as tf.Scalar,
    correct: result.correct && (keep(result.correct) as tf.Scalar),
    dLogits: likeTensors(result.dLogits, dLogits),
  };
}

/** A loss whose gradient was computed by hand, as a scalar that the tape can go back through. */
function withGivenGradient(where: string, outputs: Tensors, result: unknown) {
  requireResult(where, result);
  const differentiable = tf.customGrad((...args) => {
    const save = args.pop() as unknown as tf.GradSaveFunc;
    save(listTensors(result.dLogits));
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => saved.map((dx) => tf.mul(dx, dy));
    return { value: result.loss.clone(), gradFunc };
  });
  return {
    loss: differentiable(...listTensors(outputs)) as tf.Scalar,
    correct: result.correct,
  };
}

/** One of the losses of a record. */
interface Part {
  readonly name: string;
  readonly weight: number;
  readonly loss: AnyLoss;
}

function partsOf(where: string, record: LossRecord): Part[] {
  return Object.entries(record).map(([name, entry]) => {
    const { loss, weight } =
      typeof entry === 'function' ? { loss: entry, weight: 1 } : (entry ?? {});
    if (typeof loss !== 'function' || !Number.isFinite(weight)) {
      throw new TypeError(
        `${where}: loss of output '${name}': expected a loss, or { loss, weight } with a number, ` +
          `got ${formatValue(entry)}`,
      );
    }
    const part = toLoss(where, loss);
    if (part.reduction !== 'sum') return { name, weight, loss: part };
    throw new TypeError(
      `${where}: loss of output '${name}': expected the reduction 'mean', got 'sum', which ` +
        'losses of several outputs do not have; give it a weight: { loss, weight }',
    );
  });
}

/** The tensor of an output or its labels. @throws RangeError that lists the names that are there */
function partOf(where: string, tensors: Tensors, { name, what }: { name: string; what: string }) {
  const found = isTensor(tensors) ? undefined : (tensors as Record<string, tf.Tensor>)[name];
  if (found) return found;
  const there = isTensor(tensors) ? 'one tensor' : Object.keys(tensors).join(', ');
  throw new RangeError(`${where}: expected ${what} '${name}', as the loss has it, got ${there}`);
}

function ofRecord(where: string, record: LossRecord): AnyLoss {
  const parts = partsOf(where, record);
  const split = (outputs: Tensors, labels: Tensors, name: string) =>
    [
      partOf(where, outputs, { name, what: 'an output' }),
      partOf(where, labels, { name, what: 'labels' }),
    ] as const;
  const loss = (outputs: Tensors, labels: Tensors): ReturnType<AnyLoss> => {
    const results = parts.map(({ name, weight, loss: part }) => ({
      name,
      weight,
      result: part(...split(outputs, labels, name)),
    }));
    const combined = tf.tidy(() => {
      const gradients = new Map(
        results.map(({ name, weight, result }) => [name, tf.mul(result.dLogits, weight)]),
      );
      const names = Object.keys(outputs);
      const list = listTensors(outputs).map(
        (output, i) => gradients.get(names[i] as string) ?? tf.zerosLike(output),
      );
      const weighted = results.map(({ weight, result }) => tf.mul(result.loss, weight));
      return { loss: tf.addN(weighted) as tf.Scalar, list };
    });
    for (const { result } of results)
      tf.dispose([result.loss, result.correct ?? [], result.dLogits] as tf.TensorContainer);
    return { loss: combined.loss, correct: null, dLogits: likeTensors(outputs, combined.list) };
  };
  const onTape = (outputs: Tensors, labels: Tensors) => {
    const losses = parts.map(({ name, weight, loss: part }) => {
      const [output, truth] = split(outputs, labels, name);
      const onOne = part.onTape ?? toTape(where, part);
      return tf.mul(onOne(output, truth).loss, weight);
    });
    return { loss: tf.addN(losses) as tf.Scalar, correct: null };
  };
  const config = Object.fromEntries(
    parts.map(({ name, weight, loss: part }) => [name, { weight, ...part.config }]),
  );
  const appliesActivations = Object.fromEntries(
    parts.flatMap(({ name, loss: { appliesActivation } }) =>
      appliesActivation ? [[name, appliesActivation]] : [],
    ),
  );
  return Object.assign(loss, { onTape, appliesActivations, config: { outputs: config } });
}

/** A loss with a gradient of its own on the tape. */
const toTape = (where: string, loss: AnyLoss) => (outputs: Tensors, labels: Tensors) =>
  withGivenGradient(where, outputs, loss(outputs, labels));
