/** Moving numbers without changing them: transpose, pad, slice, concat, tile, and casts. */
import { transpose4 } from './gemm';
import { min32 } from './simd';

/** Keep in step with src/kernels/move.ts. Up to six dimensions, the last first; strides in floats. */
@unmanaged
export class CopyArgs {
  x: u32; out: u32;
  rows: i32; block: i32; // rows: all dimensions but the last
  size0: i32; size1: i32; size2: i32; size3: i32; size4: i32;
  x0: i32; x1: i32; x2: i32; x3: i32; x4: i32; x5: i32;
  o0: i32; o1: i32; o2: i32; o3: i32; o4: i32; o5: i32;
}

/** out[Σ i·o] = x[Σ i·x] for every index. One tile of the job is a block of rows. */
export function copyStrided(args: CopyArgs, tile: i32): void {
  const end = min32(args.rows, (tile + 1) * args.block);
  const length = args.size0;
  for (let r = tile * args.block; r < end; r++) {
    let rest = r;
    const i1 = rest % args.size1; rest /= args.size1;
    const i2 = rest % args.size2; rest /= args.size2;
    const i3 = rest % args.size3; rest /= args.size3;
    const i4 = rest % args.size4; rest /= args.size4;
    let from = <usize>args.x + <usize>(i1 * args.x1 + i2 * args.x2 + i3 * args.x3 + i4 * args.x4 + rest * args.x5) * 4;
    let to = <usize>args.out + <usize>(i1 * args.o1 + i2 * args.o2 + i3 * args.o3 + i4 * args.o4 + rest * args.o5) * 4;
    if (args.x0 == 1 && args.o0 == 1) {
      memory.copy(to, from, <usize>length * 4);
      continue;
    }
    const xStep = <usize>args.x0 * 4, oStep = <usize>args.o0 * 4;
    for (let i = 0; i < length; i++, from += xStep, to += oStep) store<u32>(to, load<u32>(from));
  }
}

/** Keep in step with src/kernels/move.ts. */
@unmanaged
export class TransposeArgs {
  x: u32; out: u32; matrices: i32; rows: i32; columns: i32; block: i32; blocks: i32;
}

/** Matrices one after the other, each turned. One tile of the job is a block of one matrix's rows. */
export function transposeMatrix(args: TransposeArgs, tile: i32): void {
  const size = <usize>args.rows * <usize>args.columns * 4;
  const matrix = <usize>(tile / args.blocks) * size;
  const first = (tile % args.blocks) * args.block;
  const end = min32(args.rows, first + args.block);
  const xStep = <usize>args.columns * 4, oStep = <usize>args.rows * 4;
  const x = <usize>args.x + matrix, out = <usize>args.out + matrix;
  let r = first;
  for (; r + 4 <= end; r += 4) {
    let c = 0;
    for (; c + 4 <= args.columns; c += 4) {
      transpose4(x + <usize>r * xStep + <usize>c * 4, xStep, out + <usize>c * oStep + <usize>r * 4, oStep);
    }
    for (; c < args.columns; c++) {
      for (let i = r; i < r + 4; i++) store<u32>(out + <usize>c * oStep + <usize>i * 4, load<u32>(x + <usize>i * xStep + <usize>c * 4));
    }
  }
  for (; r < end; r++) {
    for (let c = 0; c < args.columns; c++) store<u32>(out + <usize>c * oStep + <usize>r * 4, load<u32>(x + <usize>r * xStep + <usize>c * 4));
  }
}

/** Keep in step with src/kernels/move.ts. */
@unmanaged
export class CastArgs {
  x: u32; out: u32; count: i32; block: i32;
  kind: i32; // 0: int32 to float32, 1: bytes to float32, 2: fill with `value`, 3: one-hot rows of `depth` from int32
  value: f32; off: f32; depth: i32;
}

export function cast(args: CastArgs, tile: i32): void {
  const end = min32(args.count, (tile + 1) * args.block);
  for (let i = tile * args.block; i < end; i++) {
    const at = <usize>i * 4;
    if (args.kind == 0) store<f32>(<usize>args.out + at, <f32>load<i32>(<usize>args.x + at));
    else if (args.kind == 1) store<f32>(<usize>args.out + at, <f32>load<u8>(<usize>args.x + <usize>i));
    else if (args.kind == 2) store<f32>(<usize>args.out + at, args.value);
    else {
      const row = <usize>args.out + <usize>i * <usize>args.depth * 4;
      const hot = load<i32>(<usize>args.x + at);
      for (let d = 0; d < args.depth; d++) store<f32>(row + <usize>d * 4, d == hot ? args.value : args.off);
    }
  }
}
