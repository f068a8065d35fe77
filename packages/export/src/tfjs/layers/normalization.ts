/** Batch normalization in inference, with the moving statistics, and layer normalization. */
import {
  first,
  type GraphCall,
  INT32,
  isLastAxis,
  NHWC,
  type Numbers,
  type Row,
  readWeight,
  weight,
} from '../graph-call';

export const batchNorm: Row = (call) => {
  const rank = call.output.shape.length;
  const axis = call.config.axis as number;
  if (!isLastAxis(axis, rank)) call.refuse('the last axis', axis);
  return rank === 4 ? image(call) : row(call);
};

/** Images use one FusedBatchNormV3 node. */
function image(call: GraphCall): string {
  const { graph, name, config } = call;
  const statistics = ['gamma', 'beta', 'moving_mean', 'moving_variance'].map((kind) =>
    call.constant(kind, numbersOf(call, kind)),
  );
  return graph.node('FusedBatchNormV3', [first(call), ...statistics], {
    name: `${name}/FusedBatchNormV3`,
    epsilon: { f: config.epsilon as number },
    is_training: { b: false },
    data_format: NHWC,
    U: { type: 'DT_FLOAT' },
  });
}

/** Rows use a product and a sum, since TensorFlow's node accepts only images. */
function row(call: GraphCall): string {
  const { graph, name, config } = call;
  const read = (kind: string) => numbersOf(call, kind).values();
  const scales = async () => {
    const [gamma, variance] = (await Promise.all(['gamma', 'moving_variance'].map(read))) as [
      Float32Array,
      Float32Array,
    ];
    return gamma.map(
      (value, i) => value / Math.sqrt((variance[i] as number) + (config.epsilon as number)),
    );
  };
  const offsets = async () => {
    const [beta, mean] = (await Promise.all(['beta', 'moving_mean'].map(read))) as [
      Float32Array,
      Float32Array,
    ];
    const scale = await scales();
    return beta.map((value, i) => value - (mean[i] as number) * (scale[i] as number));
  };
  const { shape } = numbersOf(call, 'gamma');
  const scaled = graph.node(
    'Mul',
    [first(call), call.constant('scale', { shape, values: scales })],
    { name: `${name}/Mul` },
  );
  return graph.node('AddV2', [scaled, call.constant('offset', { shape, values: offsets })], {
    name: `${name}/AddV2`,
  });
}

/** A layer's weight `[channels]`; where it has none, ones for gamma and zeros for beta. */
function numbersOf({ layer, output }: GraphCall, kind: string): Numbers {
  const channels = output.shape.at(-1) as number;
  const absent = () => new Float32Array(channels).fill(kind === 'gamma' ? 1 : 0);
  return { shape: [channels], values: async () => (await readWeight(layer, kind)) ?? absent() };
}

/** From its mean and variance over the last axes: TensorFlow has no node for it. */
export const layerNorm: Row = (call) => {
  const { graph, name, config, output } = call;
  const rank = output.shape.length;
  const axes = [config.axis].flat().map((axis) => ((axis as number) + rank) % rank);
  const isLast = axes.every((axis, i) => axis === rank - axes.length + i);
  if (!isLast || axes.length === rank) call.refuse('the last axes', `[${axes.join(', ')}]`);
  const over = graph.integers(`${name}/axes`, axes);
  const node = (op: string, a: string, b: string) =>
    graph.node(op, [a, b], { name: `${name}/${op}` });
  const mean = (x: string) =>
    graph.node('Mean', [x, over], { name: `${name}/Mean`, keep_dims: { b: true }, Tidx: INT32 });
  const x = first(call);
  const centered = node('Sub', x, mean(x));
  const variance = mean(graph.node('Square', [centered], { name: `${name}/Square` }));
  const epsilon = graph.scalar(`${name}/epsilon`, config.epsilon as number);
  const scale = graph.node('Rsqrt', [node('AddV2', variance, epsilon)], { name: `${name}/Rsqrt` });
  const normalized = node('Mul', centered, scale);
  const scaled = config.scale ? node('Mul', normalized, weight(call, 'gamma')) : normalized;
  return config.center ? node('AddV2', scaled, weight(call, 'beta')) : scaled;
};
