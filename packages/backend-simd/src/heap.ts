/** Allocates blocks of the one memory: best fit, and neighbouring free blocks are merged. */

/** Blocks begin on cache lines. */
const ALIGN = 64;
/** Kernels may read this many bytes beyond the end of a tensor. */
const SLACK = 64;

interface Block {
  readonly start: number;
  readonly size: number;
}

export class Heap {
  readonly #used = new Map<number, number>(); // start → size
  readonly #byStart = new Map<number, number>(); // of free blocks: start → size
  readonly #byEnd = new Map<number, number>(); // of free blocks: end → start
  #bySize: Block[] = []; // free blocks, the smallest first
  /** Starts of blocks that a worker of a failed job may still write to. */
  #quarantined: Set<number> | undefined;
  /** Quarantined blocks that were freed meanwhile. */
  #deferredFrees: number[] = [];
  readonly #grow: (bytes: number) => boolean;
  #end: number;
  /** Bytes in use. */
  bytes = 0;

  /** @param grow makes the memory at least `bytes` long, or returns false */
  constructor(
    readonly start: number,
    grow: (bytes: number) => boolean,
  ) {
    this.#end = start;
    this.#grow = grow;
  }

  /** @returns an address, or 0 if no block is large enough and the memory cannot grow */
  alloc(bytes: number): number {
    if (!(bytes >= 0))
      throw new RangeError(`[backend-simd] heap: expected a number of bytes, got ${bytes}`);
    const size = Math.ceil((bytes + SLACK) / ALIGN) * ALIGN;
    const at = this.#take(size) ?? this.#extend(size);
    if (at === undefined) return 0;
    this.#used.set(at, size);
    this.bytes += size;
    return at;
  }

  free(start: number): void {
    const size = this.#used.get(start);
    if (size === undefined) throw new Error(`[backend-simd] heap: no block starts at ${start}`);
    if (this.#quarantined?.delete(start)) {
      this.#deferredFrees.push(start);
      return;
    }
    this.#used.delete(start);
    this.bytes -= size;
    let from = start;
    let to = start + size;
    const before = this.#byEnd.get(from);
    if (before !== undefined) {
      this.#remove(before);
      from = before;
    }
    const after = this.#byStart.get(to);
    if (after !== undefined) {
      this.#remove(to);
      to += after;
    }
    this.#add(from, to - from);
  }

  /**
   * Until `release`, no block that is now in use is given to another tensor, even after `free`: a
   * worker of a failed job may still write to it.
   */
  quarantine(): void {
    this.#quarantined = new Set(
      [...this.#used.keys()].filter((start) => !this.#deferredFrees.includes(start)),
    );
  }

  /** Ends the quarantine and frees the blocks whose freeing was deferred. */
  release(): void {
    const starts = this.#deferredFrees;
    this.#deferredFrees = [];
    this.#quarantined = undefined;
    for (const start of starts) this.free(start);
  }

  /**
   * Moves blocks to the front, so that the free memory becomes one block at the end.
   * @param blocks starts of the blocks that may move
   * @param move copies a block and updates its owner
   * @returns false, and moves nothing, during a quarantine
   */
  compact(
    blocks: ReadonlySet<number>,
    move: (from: number, to: number, size: number) => void,
  ): boolean {
    if (this.#quarantined || this.#deferredFrees.length > 0) return false;
    const used = [...this.#used].sort(([a], [b]) => a - b);
    this.#used.clear();
    this.#byStart.clear();
    this.#byEnd.clear();
    this.#bySize = [];
    let next = this.start;
    for (const [from, size] of used) {
      const to = blocks.has(from) ? next : from;
      if (to !== from) move(from, to, size);
      else if (from > next) this.#add(next, from - next);
      this.#used.set(to, size);
      next = to + size;
    }
    if (this.#end > next) this.#add(next, this.#end - next);
    return true;
  }

  /** Bytes of the largest block that `alloc` could return if the memory may grow to `limit`. */
  largestFree(limit: number): number {
    const tail = limit - (this.#byEnd.get(this.#end) ?? this.#end);
    return Math.max(0, tail - SLACK, (this.#bySize.at(-1)?.size ?? 0) - SLACK);
  }

  #take(size: number): number | undefined {
    const place = this.#place(size, 0);
    const block = this.#bySize[place];
    if (!block) return undefined;
    this.#remove(block.start);
    if (block.size > size) this.#add(block.start + size, block.size - size);
    return block.start;
  }

  /** Extends the heap for a block, which begins with the free block at its end, if there is one. */
  #extend(size: number): number | undefined {
    const before = this.#byEnd.get(this.#end);
    const start = before ?? this.#end;
    if (!this.#grow(start + size)) return undefined;
    if (before !== undefined) this.#remove(before);
    this.#end = start + size;
    return start;
  }

  /** Index in `bySize` at which a block of this size and start is, or would be inserted. */
  #place(size: number, start: number): number {
    let low = 0;
    let high = this.#bySize.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const block = this.#bySize[middle] as Block;
      if (block.size < size || (block.size === size && block.start < start)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #add(start: number, size: number): void {
    this.#byStart.set(start, size);
    this.#byEnd.set(start + size, start);
    this.#bySize.splice(this.#place(size, start), 0, { start, size });
  }

  #remove(start: number): void {
    const size = this.#byStart.get(start) as number;
    this.#byStart.delete(start);
    this.#byEnd.delete(start + size);
    this.#bySize.splice(this.#place(size, start), 1);
  }
}
