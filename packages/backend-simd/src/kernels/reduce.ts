/** Sums, means, products, maxima and minima over any axes, without transposing. */
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { ReduceOp, Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { type Call, isFloat, type Kernel, size } from './types';

/** One pass: [outer][length][inner] → [outer][inner]. */
interface Pass {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

/** Numbers that one tile reads: they stay in the second-level cache. */
const TILE = 16_384;
const MAX_COLUMNS = 512;
/** Minimum number of rows in a chunk, so that there are few partial results. */
const MIN_ROWS = 64;

/** One pass for each run of adjacent axes, the innermost first. */
function planPasses(shape: readonly number[], axes: readonly number[]): Pass[] {
  const passes: Pass[] = [];
  let inner = 1;
  let length = 1;
  const flush = (outer: number) => {
    if (length > 1) passes.push({ outer, length, inner });
    length = 1;
  };
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const n = shape[axis] as number;
    if (n === 1) continue;
    if (axes.includes(axis)) length *= n;
    else {
      flush(size(shape.slice(0, axis + 1)));
      inner *= n;
    }
  }
  flush(1);
  return passes;
}

/**
 * Numbers in one chunk. Depends only on the shape. A product is not cut, since a partial result may
 * lie outside float32's range when the product does not.
 */
function chunkLength(op: ReduceOp, length: number, columnBlock: number): number {
  return op === ReduceOp.Prod
    ? length
    : Math.min(length, Math.max(MIN_ROWS, Math.ceil(TILE / columnBlock)));
}

/** Runs one pass. If `length` is long, computes chunks of it, which another pass combines. */
export function reduce(
  backend: SimdBackend,
  op: ReduceOp,
  x: number,
  out: number,
  { outer, length, inner }: Pass,
  scale: number,
): void {
  const columnBlock = Math.min(inner, MAX_COLUMNS);
  const columnBlocks = Math.ceil(inner / columnBlock);
  const chunk = chunkLength(op, length, columnBlock);
  const chunks = Math.ceil(length / chunk);
  const group = Math.max(1, Math.floor(TILE / (chunk * columnBlock)));
  const run = (to: number, factor: number) => {
    backend.launch(
      Task.ReduceRows,
      {
        x,
        out: to,
        op,
        outer,
        length,
        inner,
        chunk,
        chunks,
        group,
        columnBlock,
        columnBlocks,
        scale: factor,
      },
      Math.ceil((outer * chunks) / group) * columnBlocks,
    );
  };
  if (chunks === 1) run(out, scale);
  else {
    backend.temporary(outer * chunks * inner * 4, (partials) => {
      run(partials, 1);
      reduce(backend, op, partials, out, { outer, length: chunks, inner }, scale);
    });
  }
}

/** Runs all passes from x to out. */
function reduceAll(
  backend: SimdBackend,
  op: ReduceOp,
  x: number,
  out: number,
  passes: readonly Pass[],
  scale: number,
): void {
  const [pass, ...rest] = passes as [Pass, ...Pass[]];
  if (rest.length === 0) reduce(backend, op, x, out, pass, scale);
  else {
    backend.temporary(pass.outer * pass.inner * 4, (between) => {
      reduce(backend, op, x, between, pass, 1);
      reduceAll(backend, op, between, out, rest, scale);
    });
  }
}

interface Reduction {
  readonly name: string;
  readonly op: ReduceOp;
  readonly mean?: boolean;
}

const parseAxes = ({ inputs, attrs }: Call): number[] =>
  util.parseAxisParam(attrs.axis ?? attrs.reductionIndices, (inputs.x as TensorInfo).shape);

function kernel({ name, op, mean = false }: Reduction): Kernel {
  return {
    name,
    takes(call) {
      const { shape } = call.inputs.x as TensorInfo;
      if (!isFloat(call) || size(shape) === 0) return false;
      // Between passes a product would be rounded to float32; see chunkLength.
      return op !== ReduceOp.Prod || planPasses(shape, parseAxes(call)).length <= 1;
    },
    run(call) {
      const { backend, attrs } = call;
      const x = call.inputs.x as TensorInfo;
      const axes = parseAxes(call);
      const [kept, gone] = backend_util.computeOutAndReduceShapes(x.shape, axes);
      const shape = attrs.keepDims ? backend_util.expandShapeToKeepDim(kept, axes) : kept;
      const passes = planPasses(x.shape, axes);
      if (passes.length === 0) return backend.alias(x, shape);
      const out = backend.output(shape);
      reduceAll(
        backend,
        op,
        backend.pointer(x),
        backend.pointer(out),
        passes,
        mean ? 1 / size(gone) : 1,
      );
      return out;
    },
  };
}

export const reduceKernels: readonly Kernel[] = [
  kernel({ name: 'Sum', op: ReduceOp.Sum }),
  kernel({ name: 'Mean', op: ReduceOp.Sum, mean: true }),
  kernel({ name: 'Prod', op: ReduceOp.Prod }),
  kernel({ name: 'Max', op: ReduceOp.Max }),
  kernel({ name: 'Min', op: ReduceOp.Min }),
];
