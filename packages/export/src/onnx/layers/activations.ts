import type { OnnxGraph } from '../graph';
import type { Attributes } from '../model-proto';
import { type Call, type Emitted, only, type Rows } from './row';

/**
 * Adds the nodes of a function and returns the name of the last; `axis` is the one that a softmax
 * normalizes.
 */
type Function = (graph: OnnxGraph, x: string, given: { name: string; axis: number }) => string;

const unary =
  (op: string, attributes: Attributes = {}): Function =>
  (graph, x, { name }) =>
    graph.node(op, [x], { ...attributes, name });

const clip =
  (least: number, most: number): Function =>
  (graph, x, { name }) =>
    graph.node('Clip', [x, graph.constant(least), graph.constant(most)], { name });

/** Functions composed of several nodes; nodes before the last are named after their operators. */
const composed =
  (
    build: (
      x: string,
      node: (op: string, ...inputs: (string | number)[]) => string,
    ) => [op: string, ...inputs: (string | number)[]],
  ): Function =>
  (graph, x, { name }) => {
    const names = (inputs: (string | number)[]) =>
      inputs.map((one) => (typeof one === 'number' ? graph.constant(one) : one));
    const node = (op: string, ...inputs: (string | number)[]) =>
      graph.node(op, names(inputs), { name: `${name}/${op}` });
    const [op, ...inputs] = build(x, node);
    return graph.node(op, names(inputs), { name });
  };

const along =
  (op: string): Function =>
  (graph, x, { name, axis }) =>
    graph.node(op, [x], { name, axis });

/**
 * By TensorFlow.js's names. ONNX's defaults for Selu and HardSigmoid are TensorFlow.js's constants.
 */
const ACTIVATIONS: Readonly<Record<string, Function>> = {
  linear: (_, x) => x,
  relu: unary('Relu'),
  relu6: clip(0, 6),
  elu: unary('Elu'),
  selu: unary('Selu'),
  sigmoid: unary('Sigmoid'),
  hardSigmoid: unary('HardSigmoid'),
  tanh: unary('Tanh'),
  softplus: unary('Softplus'),
  softsign: unary('Softsign'),
  softmax: along('Softmax'),
  logSoftmax: along('LogSoftmax'),
  swish: composed((x, node) => ['Mul', x, node('Sigmoid', x)]),
  mish: composed((x, node) => ['Mul', x, node('Tanh', node('Softplus', x))]),
  // x · Φ(x); opset 17 has no Gelu operator
  gelu: composed((x, node) => [
    'Mul',
    node('Mul', x, 0.5),
    node('Add', node('Erf', node('Mul', x, Math.SQRT1_2)), 1),
  ]),
  gelu_new: composed((x, node) => {
    const cube = node('Mul', node('Mul', node('Mul', x, x), x), 0.044715);
    const tanh = node('Tanh', node('Mul', node('Add', x, cube), Math.sqrt(2 / Math.PI)));
    return ['Mul', node('Mul', x, 0.5), node('Add', tanh, 1)];
  }),
};

const NON_NEGATIVE = ['relu', 'relu6', 'sigmoid', 'hardSigmoid', 'softplus', 'softmax'];

/**
 * Applies the activation in a layer's configuration to a value.
 * @param call an `Activation` layer's name becomes the name of the node
 */
export function activated(
  graph: OnnxGraph,
  value: Emitted,
  { layer, config, name, shape }: Call,
): Emitted {
  const { activation = 'linear' } = config;
  const apply = Object.hasOwn(ACTIVATIONS, activation) ? ACTIVATIONS[activation] : undefined;
  if (!apply) {
    const known = Object.keys(ACTIVATIONS).join(', ');
    throw graph.refuse(layer, { expected: `an activation of ${known}`, got: `'${activation}'` });
  }
  const own = layer.getClassName() === 'Activation' ? name : `${name}/${activation}`;
  const made = apply(graph, value.name, { name: own, axis: value.order.indexOf(shape.length - 1) });
  return {
    ...value,
    name: made,
    nonNegative:
      NON_NEGATIVE.includes(activation) || (activation === 'linear' && value.nonNegative),
  };
}

const FLOAT = (value: number) => ({ float: value });

/** A row for a layer that is one elementwise function. */
const functionRow = (make: (call: Call) => Function, { nonNegative = false } = {}) => ({
  takes: ['row'] as const,
  emit: (call: Call, graph: OnnxGraph): Emitted => {
    const { name } = call;
    return {
      ...only(call),
      name: make(call)(graph, only(call).name, { name, axis: 0 }),
      nonNegative,
    };
  },
});

export const ACTIVATION_LAYERS: Rows = {
  Activation: { takes: ['row'], emit: (call, graph) => activated(graph, only(call), call) },
  ReLU: functionRow(
    ({ config: { maxValue } }) => (maxValue == null ? unary('Relu') : clip(0, maxValue)),
    { nonNegative: true },
  ),
  LeakyReLU: functionRow(({ config: { alpha } }) => unary('LeakyRelu', { alpha: FLOAT(alpha) })),
  ELU: functionRow(({ config: { alpha } }) => unary('Elu', { alpha: FLOAT(alpha) })),
  ThresholdedReLU: functionRow(({ config: { theta } }) =>
    unary('ThresholdedRelu', { alpha: FLOAT(theta) }),
  ),
  Softmax: { takes: ['row'], emit: softmax },
  PReLU: { emit: prelu },
  Rescaling: functionRow(({ config: { scale, offset } }) =>
    composed((x, node) => ['Add', node('Mul', x, scale), offset]),
  ),
};

function softmax(call: Call, graph: OnnxGraph): Emitted {
  const { layer, config, name, shape } = call;
  const x = only(call);
  const axes: number[] = [config.axis].flat();
  if (axes.length !== 1)
    throw graph.refuse(layer, {
      expected: 'a softmax along one axis',
      got: `the axes [${axes.join(', ')}]`,
    });
  const axis = axes[0] as number;
  const place = x.order.indexOf(axis < 0 ? axis + shape.length : axis);
  return { ...x, name: graph.node('Softmax', [x.name], { name, axis: place }), nonNegative: true };
}

/** A slope for each number of an image, or one shared along some axes. */
function prelu(call: Call, graph: OnnxGraph): Emitted {
  const { layer, name } = call;
  const x = only(call);
  const view = (layer.weights[0]?.shape ?? []).map((size) => size ?? 1);
  const slope = graph.weight(layer, 'alpha', {
    view,
    order: x.order.slice(1).map((axis) => axis - 1),
  });
  return { ...x, name: graph.node('PRelu', [x.name, slope], { name }), nonNegative: false };
}
