/**
 * Fuses operations that compute faster as one. Each pattern is a row: a producer, its only
 * consumer,
 * and the fused operation.
 */
import type { Program } from './lower';
import { type BatchNormAttrs, batchNorm } from './ops/batch-norm';
import { type ConvLayerAttrs, conv2d } from './ops/conv';
import { type DepthwiseAttrs, depthwiseConv2d } from './ops/depthwise';
import { maxPool, type PoolAttrs } from './ops/pool';
import { activation, add, dense, pad } from './ops/simple';
import { NO_PADDING, type Padding } from './primitives';
import type { Operation } from './program';

type Fused = Pick<Operation, 'kind' | 'attrs' | 'inputs'>;
/** `source` is the operation that computes the producer's input, if one does. */
type Fusion = (
  producer: Operation,
  consumer: Operation,
  source: Operation | undefined,
) => Fused | null;

const isKind = (operation: Operation, kind: { name: string }) => operation.kind.name === kind.name;

/** Zero padding becomes the convolution's own padding. */
const padIntoConv: Fusion = (producer, consumer) => {
  if (!isKind(producer, pad) || ![conv2d, depthwiseConv2d].some((kind) => isKind(consumer, kind)))
    return null;
  const attrs = consumer.attrs as ConvLayerAttrs | DepthwiseAttrs;
  if (attrs.padding !== NO_PADDING) return null;
  return {
    kind: consumer.kind,
    attrs: { ...attrs, padding: producer.attrs as Padding },
    inputs: producer.inputs,
  };
};

const endsInRelu = ({ kind, attrs }: Operation) =>
  (attrs as { relu?: boolean }).relu === true ||
  (kind.name === activation.name && (attrs as { name: string }).name === 'relu');

/**
 * After a ReLU, zero padding changes no maximum, so the pool may pass over it, as PyTorch's does.
 */
const padIntoMaxPool: Fusion = (producer, consumer, source) => {
  if (!isKind(producer, pad) || !isKind(consumer, maxPool) || !source || !endsInRelu(source))
    return null;
  const attrs = consumer.attrs as PoolAttrs;
  if (attrs.padding !== 'valid') return null;
  return {
    kind: consumer.kind,
    attrs: { ...attrs, padding: producer.attrs as Padding },
    inputs: producer.inputs,
  };
};

/** The sum at the end of a residual block joins the normalization before it. */
const addIntoBatchNorm: Fusion = (producer, consumer) => {
  if (!isKind(producer, batchNorm) || !isKind(consumer, add)) return null;
  const attrs = producer.attrs as BatchNormAttrs;
  if (
    attrs.relu ||
    attrs.residual ||
    (consumer.attrs as { relu: boolean }).relu ||
    consumer.inputs.length !== 2
  )
    return null;
  const shortcut = consumer.inputs.filter((input) => input.id !== producer.output.id);
  return shortcut.length === 1
    ? {
        kind: producer.kind,
        attrs: { ...attrs, residual: true },
        inputs: [...producer.inputs, ...shortcut],
      }
    : null;
};

/** The operations that ReLU joins, and ReLU6. */
const RELU_PRODUCERS: Record<string, readonly { name: string }[]> = {
  relu: [conv2d, batchNorm, add, dense],
  relu6: [batchNorm],
};

/** ReLU joins the operation before it. */
const reluIntoProducer: Fusion = (producer, consumer) => {
  if (!isKind(consumer, activation)) return null;
  const { name } = consumer.attrs as { name: string };
  if (!RELU_PRODUCERS[name]?.some((kind) => isKind(producer, kind))) return null;
  const attrs = producer.attrs as { relu: boolean };
  if (attrs.relu) return null;
  const fused = { ...attrs, relu: true, ...(name === 'relu6' && { ceiling: 6 }) };
  return { kind: producer.kind, attrs: fused, inputs: producer.inputs };
};

const FUSIONS: readonly Fusion[] = [
  padIntoConv,
  padIntoMaxPool,
  addIntoBatchNorm,
  reluIntoProducer,
];

/** The operations so far, by the values that they compute, in order. */
type Makers = Map<number, Operation>;

/**
 * Applies the patterns until none matches. A fused operation takes the consumer's place, where all
 * its inputs are computed. Fusing changes nothing for the operations before it, so one walk is
 * enough, in which each fused operation is tried again.
 */
export function fuse(program: Program): Program {
  const makers: Makers = new Map();
  const uses = countUses(program);
  for (let operation of program.operations) {
    for (
      let fused = fuseInto(operation, makers, uses);
      fused;
      fused = fuseInto(operation, makers, uses)
    ) {
      makers.delete(fused.producer.output.id);
      operation = fused.operation;
    }
    makers.set(operation.output.id, operation);
  }
  const operations = [...makers.values()];
  const readers = readersOf(operations);
  return {
    ...program,
    operations: operations.map((operation) => markNormalized(operation, readers)),
  };
}

/**
 * How often each value is read; the loss reads the logits. Fusing does not change these counts.
 */
function countUses({ operations, logits }: Program): Map<number, number> {
  const uses = new Map([[logits.id, 1]]);
  for (const { id } of operations.flatMap((op) => op.inputs)) uses.set(id, (uses.get(id) ?? 0) + 1);
  return uses;
}

/** The operations that read each value; one that reads it twice is listed twice. */
function readersOf(operations: readonly Operation[]): Map<number, Operation[]> {
  const readers = new Map<number, Operation[]>(operations.map((op) => [op.output.id, []]));
  for (const op of operations) for (const { id } of op.inputs) readers.get(id)?.push(op);
  return readers;
}

/**
 * Batch normalization subtracts the batch's mean, and with it any bias of the convolution before:
 * that bias has gradient 0. Frozen normalization subtracts the moving mean, which ignores the bias.
 */
function markNormalized(operation: Operation, readers: Map<number, Operation[]>): Operation {
  if (![conv2d, depthwiseConv2d].some((kind) => isKind(operation, kind))) return operation;
  const attrs = operation.attrs as ConvLayerAttrs;
  const [user, ...others] = readers.get(operation.output.id) ?? [];
  if (
    operation.params.length < 2 ||
    attrs.relu ||
    !user ||
    others.length > 0 ||
    !isKind(user, batchNorm)
  )
    return operation;
  const normalized =
    user.inputs[0]?.id === operation.output.id && !(user.attrs as BatchNormAttrs).frozen;
  return normalized ? { ...operation, attrs: { ...attrs, normalized } } : operation;
}

function fuseInto(consumer: Operation, makers: Makers, uses: Map<number, number>) {
  for (const { id } of consumer.inputs) {
    const producer = makers.get(id);
    if (!producer || uses.get(id) !== 1) continue;
    const source = makers.get(producer.inputs[0]?.id ?? -1);
    for (const fusion of FUSIONS) {
      const fused = fusion(producer, consumer, source);
      if (!fused) continue;
      const layers = [...producer.layers, ...consumer.layers];
      const params = [...producer.params, ...consumer.params];
      return { producer, operation: { ...fused, params, layers, output: consumer.output } };
    }
  }
  return null;
}
