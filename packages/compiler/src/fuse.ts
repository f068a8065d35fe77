/** Joins operations that compute faster as one. Each pattern is a row: a producer, its only consumer, and what the two become. */
import type { Program } from './lower';
import { type BatchNormAttrs, batchNorm } from './ops/batch-norm';
import { type ConvLayerAttrs, conv2d } from './ops/conv';
import { maxPool, type PoolAttrs } from './ops/pool';
import { activation, add, dense, pad } from './ops/simple';
import { NO_PADDING, type Padding } from './primitives';
import type { Operation } from './program';

type Joined = Pick<Operation, 'kind' | 'attrs' | 'inputs'>;
/** `source`: what makes the producer's input, where an operation does. */
type Fusion = (producer: Operation, consumer: Operation, source: Operation | undefined) => Joined | null;

const isKind = (operation: Operation, kind: { name: string }) => operation.kind.name === kind.name;

/** Zeros around the image become the convolution's own padding. */
const padIntoConv: Fusion = (producer, consumer) => {
  if (!isKind(producer, pad) || !isKind(consumer, conv2d)) return null;
  const attrs = consumer.attrs as ConvLayerAttrs;
  if (attrs.padding !== NO_PADDING) return null;
  return { kind: consumer.kind, attrs: { ...attrs, padding: producer.attrs as Padding }, inputs: producer.inputs };
};

const endsInRelu = ({ kind, attrs }: Operation) =>
  (attrs as { relu?: boolean }).relu === true || (kind.name === activation.name && (attrs as { name: string }).name === 'relu');

/** Zeros around numbers that are never below zero change no maximum: the pool may pass over them, as PyTorch's does. */
const padIntoMaxPool: Fusion = (producer, consumer, source) => {
  if (!isKind(producer, pad) || !isKind(consumer, maxPool) || !source || !endsInRelu(source)) return null;
  const attrs = consumer.attrs as PoolAttrs;
  if (attrs.padding !== 'valid') return null;
  return { kind: consumer.kind, attrs: { ...attrs, padding: producer.attrs as Padding }, inputs: producer.inputs };
};

/** The sum at the end of a residual block is taken while the normalized numbers are at hand. */
const addIntoBatchNorm: Fusion = (producer, consumer) => {
  if (!isKind(producer, batchNorm) || !isKind(consumer, add)) return null;
  const attrs = producer.attrs as BatchNormAttrs;
  if (attrs.relu || attrs.residual || (consumer.attrs as { relu: boolean }).relu || consumer.inputs.length !== 2) return null;
  const shortcut = consumer.inputs.filter((input) => input.id !== producer.output.id);
  return shortcut.length === 1
    ? { kind: producer.kind, attrs: { ...attrs, residual: true }, inputs: [...producer.inputs, ...shortcut] }
    : null;
};

/** ReLU is one comparison more in the operation before it. */
const reluIntoProducer: Fusion = (producer, consumer) => {
  if (!isKind(consumer, activation) || (consumer.attrs as { name: string }).name !== 'relu') return null;
  if (![conv2d, batchNorm, add, dense].some((kind) => isKind(producer, kind))) return null;
  const attrs = producer.attrs as { relu: boolean };
  return attrs.relu ? null : { kind: producer.kind, attrs: { ...attrs, relu: true }, inputs: producer.inputs };
};

const FUSIONS: readonly Fusion[] = [padIntoConv, padIntoMaxPool, addIntoBatchNorm, reluIntoProducer];

/** Applies the patterns until none fits. The fused operation stands where the consumer stood: all its inputs are there by then. */
export function fuse(program: Program): Program {
  let operations = [...program.operations];
  for (let changed = true; changed; ) {
    changed = false;
    for (const consumer of operations) {
      const fused = fuseInto(consumer, operations, program);
      if (!fused) continue;
      operations = operations.filter((op) => op !== fused.producer).map((op) => (op === consumer ? fused.operation : op));
      changed = true;
      break;
    }
  }
  return { ...program, operations: operations.map((operation) => markNormalized(operation, operations)) };
}

/** Batch normalization takes the mean away, and with it all that a bias adds: the bias before it has no gradient to sum up. */
function markNormalized(operation: Operation, operations: readonly Operation[]): Operation {
  if (!isKind(operation, conv2d) || operation.params.length < 2 || (operation.attrs as ConvLayerAttrs).relu) return operation;
  const users = operations.filter((op) => op.inputs.some(({ id }) => id === operation.output.id));
  const normalized =
    users.length === 1 && users[0]?.kind.name === batchNorm.name && users[0].inputs[0]?.id === operation.output.id;
  return normalized ? { ...operation, attrs: { ...(operation.attrs as ConvLayerAttrs), normalized } } : operation;
}

function fuseInto(consumer: Operation, operations: readonly Operation[], program: Program) {
  for (const input of consumer.inputs) {
    const producer = operations.find((op) => op.output.id === input.id);
    const uses = operations.flatMap((op) => op.inputs).filter((value) => value.id === input.id).length; // biome-ignore format: one chain
    if (!producer || uses !== 1 || input.id === program.logits.id) continue;
    const source = operations.find((op) => op.output.id === producer.inputs[0]?.id);
    for (const fusion of FUSIONS) {
      const joined = fusion(producer, consumer, source);
      if (!joined) continue;
      const layers = [...producer.layers, ...consumer.layers];
      const params = [...producer.params, ...consumer.params];
      return { producer, operation: { ...joined, params, layers, output: consumer.output } };
    }
  }
  return null;
}
