/** Rows by their indices, and the index of the largest number. */
import { min32 } from './simd';

@unmanaged
export class GatherRowsArgs {
  x: u32; //   [batch][outer][length][inner]
  ids: u32; // i32 [batch][count], each from 0 to length − 1
  out: u32; // [batch][outer][count][inner]
  outer: i32; length: i32; count: i32; inner: i32;
  rows: i32; block: i32; // rows of the result; of one tile
}

/** Of numbers of 32 bits. One tile is a block of the result's rows. */
export function gatherRows(args: GatherRowsArgs, tile: i32): void {
  const end = min32(args.rows, (tile + 1) * args.block), bytes = <usize>args.inner * 4;
  for (let r = tile * args.block; r < end; r++) {
    const place = r / args.count, i = r % args.count;
    const at = <usize>args.ids + <usize>((place / args.outer) * args.count + i) * 4;
    const from = <usize>args.x + <usize>(place * args.length + load<i32>(at)) * bytes;
    const to = <usize>args.out + <usize>r * bytes;
    if (bytes == 4) store<u32>(to, load<u32>(from));
    else memory.copy(to, from, bytes);
  }
}

@unmanaged
export class ArgExtremeArgs {
  x: u32; //   [outer][length][inner]
  out: u32; // i32 [outer][inner]
  length: i32; inner: i32; count: i32; block: i32; // results; those of one tile
  isMin: i32;
}

/**
 * The index of the first largest number, or smallest; where the first is NaN, that one. One tile is
 * a block of results.
 */
export function argExtreme(args: ArgExtremeArgs, tile: i32): void {
  const end = min32(args.count, (tile + 1) * args.block), step = <usize>args.inner * 4;
  for (let r = tile * args.block; r < end; r++) {
    const start = (r / args.inner) * args.length * args.inner + r % args.inner;
    let at = <usize>args.x + <usize>start * 4, best = load<f32>(at), found = 0;
    for (let i = 1; i < args.length; i++) {
      at += step;
      const value = load<f32>(at);
      if (args.isMin ? value < best : value > best) {
        best = value;
        found = i;
      }
    }
    store<i32>(<usize>args.out + <usize>r * 4, found);
  }
}
