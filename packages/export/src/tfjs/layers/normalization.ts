/** Batch normalization in inference, with the moving statistics. */
import {
  first,
  type GraphCall,
  isLastAxis,
  NHWC,
  type Numbers,
  type Row,
  readWeight,
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
