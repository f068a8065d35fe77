/** Where tensors lie in the one memory: best fit, neighbours joined when freed. */

/** Blocks begin on cache lines. */
const ALIGN = 64;
/** Kernels may read up to this many bytes past a tensor's end. */
const SLACK = 64;

interface Block {
  readonly start: number;
  readonly size: number;
}

export class Heap {
  private readonly used = new Map<number, number>(); // start → size
  private readonly byStart = new Map<number, number>(); // free: start → size
  private readonly byEnd = new Map<number, number>(); // free: end → start
  private bySize: Block[] = []; // free, the smallest first
  private suspects: Set<number> | undefined; // starts of blocks that somebody else may still write to
  private held: number[] = []; // those of them that were freed meanwhile
  private end: number;
  /** Bytes that are taken. */
  bytes = 0;

  /** @param grow makes the memory end at `bytes` or later; false where it cannot */
  constructor(
    readonly start: number,
    private readonly grow: (bytes: number) => boolean,
  ) {
    this.end = start;
  }

  /** @returns an address, or 0 where no room is left */
  alloc(bytes: number): number {
    if (!(bytes >= 0))
      throw new RangeError(`[backend-simd] heap: expected a number of bytes, got ${bytes}`);
    const size = Math.ceil((bytes + SLACK) / ALIGN) * ALIGN;
    const at = this.take(size) ?? this.extend(size);
    if (at === undefined) return 0;
    this.used.set(at, size);
    this.bytes += size;
    return at;
  }

  free(start: number): void {
    const size = this.used.get(start);
    if (size === undefined) throw new Error(`[backend-simd] heap: no block begins at ${start}`);
    if (this.suspects?.delete(start)) {
      this.held.push(start);
      return;
    }
    this.used.delete(start);
    this.bytes -= size;
    let [from, to] = [start, start + size];
    const before = this.byEnd.get(from);
    if (before !== undefined) {
      this.remove(before);
      from = before;
    }
    const after = this.byStart.get(to);
    if (after !== undefined) {
      this.remove(to);
      to += after;
    }
    this.add(from, to - from);
  }

  /**
   * From now until `release`, a block that is in use now stays so when it is freed: a failed job's
   * thread may still write to it.
   */
  quarantine(): void {
    this.suspects = new Set([...this.used.keys()].filter((start) => !this.held.includes(start)));
  }

  /** Nobody else writes any more: what was freed meanwhile is free. */
  release(): void {
    const held = this.held;
    this.held = [];
    this.suspects = undefined;
    for (const start of held) this.free(start);
  }

  /**
   * Moves blocks together, so that what is free is one piece behind them.
   * @param blocks those that may move, by their starts; `move` copies one and tells its owner
   * @returns false, with nothing done, while a failed job's thread may still write
   */
  compact(
    blocks: ReadonlySet<number>,
    move: (from: number, to: number, size: number) => void,
  ): boolean {
    if (this.suspects || this.held.length > 0) return false;
    const used = [...this.used].sort(([a], [b]) => a - b);
    this.used.clear();
    this.byStart.clear();
    this.byEnd.clear();
    this.bySize = [];
    let next = this.start;
    for (const [from, size] of used) {
      const to = blocks.has(from) ? next : from;
      if (to !== from) move(from, to, size);
      else if (from > next) this.add(next, from - next);
      this.used.set(to, size);
      next = to + size;
    }
    if (this.end > next) this.add(next, this.end - next);
    return true;
  }

  /** Bytes of the largest block that `alloc` could give, where the memory may end at `limit`. */
  largestFree(limit: number): number {
    const tail = limit - (this.byEnd.get(this.end) ?? this.end);
    return Math.max(0, tail - SLACK, (this.bySize.at(-1)?.size ?? 0) - SLACK);
  }

  private take(size: number): number | undefined {
    const place = this.place(size, 0);
    const block = this.bySize[place];
    if (!block) return undefined;
    this.remove(block.start);
    if (block.size > size) this.add(block.start + size, block.size - size);
    return block.start;
  }

  /** Takes room behind the last block, together with what is free before it. */
  private extend(size: number): number | undefined {
    const before = this.byEnd.get(this.end);
    const start = before ?? this.end;
    if (!this.grow(start + size)) return undefined;
    if (before !== undefined) this.remove(before);
    this.end = start + size;
    return start;
  }

  /** Where a block of this size and start stands, or would stand. */
  private place(size: number, start: number): number {
    let [low, high] = [0, this.bySize.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const block = this.bySize[middle] as Block;
      if (block.size < size || (block.size === size && block.start < start)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private add(start: number, size: number): void {
    this.byStart.set(start, size);
    this.byEnd.set(start + size, start);
    this.bySize.splice(this.place(size, start), 0, { start, size });
  }

  private remove(start: number): void {
    const size = this.byStart.get(start) as number;
    this.byStart.delete(start);
    this.byEnd.delete(start + size);
    this.bySize.splice(this.place(size, start), 1);
  }
}
