/** Layers that rearrange numbers without changing them. */
import { liesTheSame, range } from '../axes';
import type { OnnxGraph } from '../graph';
import { asItIs, channelsSecond, inOrder, type Padding, padded, reshaped, rolled } from '../value';
import { type Call, channelAxis, type Emitted, each, only, type Row, type Rows } from './row';

/** Layers that act only in training. */
const nothing: Row = { takes: ['padding', 'row'], emit: only };

/** Adds no node, only changes the recorded order of axes. `dims` count from 1. */
const permute = (call: Call, dims: readonly number[]): Emitted => {
  const { order, padding, ...x } = only(call);
  const axes = [0, ...dims];
  return {
    ...x,
    order: order.map((axis) => axes.indexOf(axis)),
    padding: padding && axes.map((axis) => padding[axis] ?? [0, 0]),
  };
};

/** `channelsFirst`: TensorFlow.js moves the channels to the end first. */
function flatten(call: Call, graph: OnnxGraph): Emitted {
  const { config, name, shape } = call;
  const x = only(call);
  const last = [...range(x.shape.length).slice(2), 1];
  const image =
    config.dataFormat === 'channelsFirst'
      ? { ...x, ...permute(call, last), shape: [0, ...last].map((axis) => x.shape[axis] ?? null) }
      : x;
  return rolled(graph, image, { shape, name });
}

function reshape(call: Call, graph: OnnxGraph): Emitted {
  const { layer, name, shape } = call;
  const x = only(call);
  if (shape.slice(1).filter((size) => size === null).length > 1) {
    throw graph.refuse(layer, {
      expected: 'at most one unknown size',
      got: `[${shape.map(String).join(', ')}]`,
    });
  }
  const known = !x.shape.slice(1).includes(null);
  if (shape.length === 2 && x.shape.length > 2 && known) return rolled(graph, x, { shape, name });
  // A row that becomes a single pixel already has ONNX's order.
  const second = channelsSecond(shape.length, shape.length - 1);
  const order =
    shape.length > 2 && liesTheSame(shape, range(shape.length), second)
      ? second
      : range(shape.length);
  return reshaped(graph, asItIs(graph, x), { shape, order, name });
}

/** Adds no node: the zeros stay pending for the convolution or pool that follows. */
function zeroPadding(call: Call, graph: OnnxGraph): Emitted {
  const { config } = call;
  const x = padded(graph, only(call)); // zeros of an earlier layer
  const [rows, columns] = config.padding as Padding;
  const first = config.dataFormat === 'channelsFirst' ? 2 : 1;
  const ends = (axis: number) => (axis === first ? rows : axis === first + 1 ? columns : undefined);
  return { ...x, padding: x.shape.map((_, axis) => ends(axis) ?? [0, 0]) };
}

function cropping(call: Call, graph: OnnxGraph): Emitted {
  const { config, name } = call;
  const x = only(call);
  const first = config.dataFormat === 'channelsFirst' ? 2 : 1;
  const crops = config.cropping as [number, number][];
  const axes = crops.map((_, i) => x.order.indexOf(first + i));
  const starts = crops.map(([before]) => before);
  // To the end, or counted from it.
  const ends = crops.map(([, after]) => (after === 0 ? 2 ** 31 - 1 : -after));
  const made = graph.node(
    'Slice',
    [x.name, graph.integers(starts), graph.integers(ends), graph.integers(axes)],
    { name },
  );
  return { ...x, name: made };
}

const INTERPOLATIONS = {
  nearest: { mode: 'nearest', nearest_mode: 'floor' },
  bilinear: { mode: 'linear' },
} as const;

/** TensorFlow.js maps pixel i to i / scale, which is ONNX's `asymmetric`. */
function upSampling(call: Call, graph: OnnxGraph): Emitted {
  const { config, name } = call;
  const given = only(call);
  const x = inOrder(graph, given, channelsSecond(4, channelAxis(config, 4)));
  const scales = graph.floats([1, 1, ...each(config.size, 2)]);
  const how = INTERPOLATIONS[config.interpolation as keyof typeof INTERPOLATIONS];
  const made = graph.node('Resize', [x.name, '', scales], {
    name,
    coordinate_transformation_mode: 'asymmetric',
    ...how,
  });
  return { ...x, name: made };
}

export const SHAPE_LAYERS: Rows = {
  ...Object.fromEntries(
    ['Dropout', 'SpatialDropout1D', 'AlphaDropout', 'GaussianDropout', 'GaussianNoise'].map(
      (name) => [name, nothing],
    ),
  ),
  Permute: { takes: ['padding', 'row'], emit: (call) => permute(call, call.config.dims) },
  Flatten: { emit: flatten },
  Reshape: { emit: reshape },
  ZeroPadding2D: { takes: ['padding'], emit: zeroPadding },
  Cropping2D: { emit: cropping },
  UpSampling2D: { emit: upSampling },
};
