/**
 * The messages of an ONNX file and the numbers of their fields, from
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */
import { type Encoded, float, integer, integers, type LateBytes, message, text } from './protobuf';

/** An attribute; `{ float }` is a float, and plain numbers are integers. */
export type Attribute = number | readonly number[] | string | { readonly float: number };
export type Attributes = Readonly<Record<string, Attribute>>;

export interface OnnxNode {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  /** Every operator used here has one output. */
  readonly output: string;
  readonly attributes: Attributes;
}

/** A constant or a weight; `values` is called when it is written. */
export interface OnnxTensor {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  readonly shape: readonly number[];
  readonly values: () => Promise<Float32Array | BigInt64Array>;
}

/** A size, or the name of an unknown one. */
export type Dimension = number | string;

export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly Dimension[];
}

export interface OnnxModel {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly tensors: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** TensorProto.DataType, and the bytes of one number. */
const TYPES = { float32: { code: 1, width: 4 }, int64: { code: 7, width: 8 } } as const;

/**
 * Opset 17 is the first with every operator that is used here (LayerNormalization was added last);
 * ONNX 1.12 of 2022 published it with IR version 8. Programs that read ONNX since 2022 can read it.
 */
export const OPSET = 17;
export const IR_VERSION = 8;

/** ModelProto. */
export function encodeModel(
  model: OnnxModel,
  producer: { name: string; version: string },
): Encoded {
  return [
    integer(1, IR_VERSION),
    text(2, producer.name),
    text(3, producer.version),
    message(7, graph(model)),
    message(8, text(1, ''), integer(2, OPSET)), // opset_import: the empty domain is ONNX's own
    ...Object.entries(model.metadata).map(([key, value]) =>
      message(14, text(1, key), text(2, value)),
    ),
  ].flat();
}

const graph = ({ name, nodes, tensors, inputs, outputs }: OnnxModel): Encoded =>
  [
    ...nodes.map((node) => message(1, nodeProto(node))),
    text(2, name),
    ...tensors.map((tensor) => message(5, tensorProto(tensor))),
    ...inputs.map((value) => message(11, valueInfo(value))),
    ...outputs.map((value) => message(12, valueInfo(value))),
  ].flat();

const nodeProto = ({ op, name, inputs, output, attributes }: OnnxNode): Encoded =>
  [
    ...inputs.map((input) => text(1, input)),
    text(2, output),
    text(3, name),
    text(4, op),
    ...Object.entries(attributes).map(([key, value]) => message(5, text(1, key), attribute(value))),
  ].flat();

/** The value and, as field 20, its AttributeType. */
function attribute(value: Attribute): Encoded {
  if (typeof value === 'number') return [...integer(3, value), ...integer(20, 2)];
  if (typeof value === 'string') return [...text(4, value), ...integer(20, 3)];
  if ('float' in value) return [...float(2, value.float), ...integer(20, 1)];
  return [...integers(8, value), ...integer(20, 7)];
}

function tensorProto({ name, type, shape, values }: OnnxTensor): Encoded {
  const { code, width } = TYPES[type];
  const raw: LateBytes = {
    byteLength: width * shape.reduce((a, b) => a * b, 1),
    // raw_data is little-endian, as every machine of TensorFlow.js is.
    read: async () => {
      const { buffer, byteOffset, byteLength } = await values();
      return new Uint8Array(buffer, byteOffset, byteLength);
    },
  };
  return [...integers(1, shape), ...integer(2, code), ...text(8, name), ...message(9, [raw])];
}

/** ValueInfoProto of a float32 tensor. */
function valueInfo({ name, shape }: OnnxValue): Encoded {
  const dimensions = shape.map((size) =>
    message(1, typeof size === 'number' ? integer(1, size) : text(2, size)),
  );
  const tensor = message(1, integer(1, TYPES.float32.code), message(2, ...dimensions));
  return [...text(1, name), ...message(2, tensor)];
}
