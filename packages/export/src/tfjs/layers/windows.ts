/** Pools, and layers that add, remove or repeat rows and columns. */
import {
  channelsLast,
  first,
  type GraphCall,
  INT32,
  type Row,
  sizesOf,
  windows,
} from '../graph-call';

const pool =
  (op: string): Row =>
  (call) => {
    const { graph, name, config, from } = call;
    return graph.node(op, from, {
      name: `${name}/${op}`,
      ...windows(call, { ksize: config.poolSize, strides: config.strides }),
    });
  };

const globalPool =
  (op: string): Row =>
  ({ graph, name, config, from }) => {
    const axes = graph.integers(
      `${name}/axes`,
      config.dataFormat === 'channelsFirst' ? [2, 3] : [1, 2],
    );
    return graph.node(op, [...from, axes], {
      name: `${name}/${op}`,
      keep_dims: { b: false },
      Tidx: INT32,
    });
  };

type Pair = readonly [before: number, after: number];

/** The pairs for rows and columns at their axes, zeros at the others. */
function atAxes({ config }: GraphCall, pairs: unknown): readonly Pair[] {
  const [rows, columns] = pairs as [Pair, Pair];
  const none: Pair = [0, 0];
  return config.dataFormat === 'channelsFirst'
    ? [none, none, rows, columns]
    : [none, rows, columns, none];
}

const zeroPadding: Row = (call) => {
  const { graph, name, config } = call;
  const paddings = graph.integers(`${name}/paddings`, atAxes(call, config.padding).flat(), [4, 2]);
  return graph.node('Pad', [first(call), paddings], { name: `${name}/Pad`, Tpaddings: INT32 });
};

const cropping: Row = (call) => {
  const { graph, name, config } = call;
  const starts = atAxes(call, config.cropping).map(([before]) => before);
  const inputs = [
    first(call),
    graph.integers(`${name}/begin`, starts),
    graph.integers(`${name}/size`, sizesOf(call)),
  ];
  return graph.node('Slice', inputs, { name: `${name}/Slice`, Index: INT32 });
};

const upSampling: Row = (call) => {
  const { graph, name, config } = call;
  channelsLast(call);
  const op = config.interpolation === 'bilinear' ? 'ResizeBilinear' : 'ResizeNearestNeighbor';
  const size = graph.integers(`${name}/size`, sizesOf(call).slice(1, 3));
  const corners = { align_corners: { b: false }, half_pixel_centers: { b: false } };
  return graph.node(op, [first(call), size], { name: `${name}/${op}`, ...corners });
};

export const WINDOW_ROWS: Readonly<Record<string, Row>> = {
  MaxPooling2D: pool('MaxPool'),
  AveragePooling2D: pool('AvgPool'),
  GlobalAveragePooling2D: globalPool('Mean'),
  GlobalMaxPooling2D: globalPool('Max'),
  ZeroPadding2D: zeroPadding,
  Cropping2D: cropping,
  UpSampling2D: upSampling,
};
