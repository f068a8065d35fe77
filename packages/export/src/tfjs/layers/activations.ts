/** Activations, as separate layers and at the end of other layers. */
import { first, type GraphCall, isLastAxis, NHWC, type Row, weight } from '../graph-call';

/** By TensorFlow.js's names. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  sigmoid: 'Sigmoid',
  tanh: 'Tanh',
  elu: 'Elu',
  selu: 'Selu',
  softplus: 'Softplus',
  softmax: 'Softmax',
  logSoftmax: 'LogSoftmax',
};

/** Adds a node; its second input is a node, or a number for all elements. */
type Composer = (op: string, a: string, b?: string | number) => string;

/** Activations of several nodes. */
const COMPOSED: Readonly<Record<string, (x: string, node: Composer) => string>> = {
  swish: (x, node) => node('Mul', x, node('Sigmoid', x)),
  mish: (x, node) => node('Mul', x, node('Tanh', node('Softplus', x))),
  // x · Φ(x)
  gelu: (x, node) => {
    const twice = node('AddV2', node('Erf', node('Mul', x, Math.SQRT1_2)), 1);
    return node('Mul', node('Mul', x, 0.5), twice);
  },
  gelu_new: (x, node) => {
    const cube = node('Mul', node('Mul', node('Mul', x, x), x), 0.044715);
    const tanh = node('Tanh', node('Mul', node('AddV2', x, cube), Math.sqrt(2 / Math.PI)));
    return node('Mul', node('Mul', x, 0.5), node('AddV2', tanh, 1));
  },
};

export function activated({ graph, name, config, refuse }: GraphCall, from: string): string {
  const { activation = 'linear' } = config as { activation?: string };
  if (activation === 'linear') return from;
  const composed = Object.hasOwn(COMPOSED, activation) ? COMPOSED[activation] : undefined;
  if (composed) {
    const constant = (value: number) => graph.scalar(`${name}/constant`, value);
    return composed(from, (kind, a, b) => {
      const second = typeof b === 'number' ? constant(b) : b;
      return graph.node(kind, second === undefined ? [a] : [a, second], {
        name: `${name}/${kind}`,
      });
    });
  }
  const op = Object.hasOwn(ACTIVATIONS, activation) ? ACTIVATIONS[activation] : undefined;
  if (!op)
    return refuse(
      `an activation of linear, ${Object.keys({ ...ACTIVATIONS, ...COMPOSED }).join(', ')}`,
      `'${activation}'`,
    );
  return graph.node(op, [from], { name: `${name}/${op}` });
}

/** Adds a layer's bias and activation, where it has them. */
export function ended(call: GraphCall, from: string): string {
  const { graph, name, config } = call;
  if (!config.useBias) return activated(call, from);
  const bias = weight(call, 'bias');
  return activated(
    call,
    graph.node('BiasAdd', [from, bias], { name: `${name}/BiasAdd`, data_format: NHWC }),
  );
}

const relu: Row = ({ graph, name, config, from }) => {
  const { maxValue } = config as { maxValue?: number | null };
  if (maxValue === 6) return graph.node('Relu6', from, { name: `${name}/Relu6` });
  const positive = graph.node('Relu', from, { name: `${name}/Relu` });
  if (maxValue === undefined || maxValue === null) return positive;
  return graph.node('Minimum', [positive, graph.scalar(`${name}/maximum`, maxValue)], {
    name: `${name}/Minimum`,
  });
};

const leaky: Row = ({ graph, name, config, from }) =>
  graph.node('LeakyRelu', from, {
    name: `${name}/LeakyRelu`,
    alpha: { f: config.alpha as number },
  });

/** Its scale is always 1 in TensorFlow.js. */
const elu: Row = ({ graph, name, from }) => graph.node('Elu', from, { name: `${name}/Elu` });

const prelu: Row = (call) =>
  call.graph.node('Prelu', [first(call), weight(call, 'alpha')], { name: `${call.name}/Prelu` });

const softmax: Row = ({ graph, name, config, from, output, refuse }) => {
  const axis = config.axis as number;
  if (!isLastAxis(axis, output.shape.length)) refuse('the last axis', axis);
  return graph.node('Softmax', from, { name: `${name}/Softmax` });
};

const rescaling: Row = ({ graph, name, config, from }) => {
  const { scale, offset } = config as { scale: number; offset: number };
  const scaled = graph.node('Mul', [...from, graph.scalar(`${name}/scale`, scale)], {
    name: `${name}/Mul`,
  });
  return graph.node('AddV2', [scaled, graph.scalar(`${name}/offset`, offset)], {
    name: `${name}/AddV2`,
  });
};

export const ACTIVATION_ROWS: Readonly<Record<string, Row>> = {
  Activation: (call) => activated(call, first(call)),
  ReLU: relu,
  LeakyReLU: leaky,
  ELU: elu,
  PReLU: prelu,
  Softmax: softmax,
  Rescaling: rescaling,
};
