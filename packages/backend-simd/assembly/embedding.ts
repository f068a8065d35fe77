/** The gradient of an embedding's table: rows added up by their index. */
import { get, min32, put } from './simd';

@unmanaged
export class EmbeddingArgs {
  dy: u32; //  [count][dim]
  ids: u32; // i32 [count]
  out: u32; // [num][dim]
  count: i32; num: i32; dim: i32;
  block: i32; // columns of a tile
}

/**
 * One tile is a block of columns of all rows, so that every row is added up in the order of the
 * indices on any number of threads. An index outside the table is left out.
 */
export function embeddingGradient(args: EmbeddingArgs, tile: i32): void {
  const first = tile * args.block, columns = min32(args.block, args.dim - first);
  const step = <usize>args.dim * 4, skip = <usize>first * 4;
  let row = <usize>args.out + skip;
  for (let r = 0; r < args.num; r++, row += step) memory.fill(row, 0, <usize>columns * 4);
  let from = <usize>args.dy + skip;
  for (let i = 0; i < args.count; i++, from += step) {
    const id = load<i32>(<usize>args.ids + <usize>i * 4);
    if (<u32>id >= <u32>args.num) continue;
    const to = <usize>args.out + <usize>id * step + skip;
    for (let j = 0, count = 0; j < columns; j += count) {
      count = columns - j >= 4 ? 4 : 1;
      const at = <usize>j * 4;
      put(to + at, f32x4.add(get(to + at, count), get(from + at, count)), count);
    }
  }
}
