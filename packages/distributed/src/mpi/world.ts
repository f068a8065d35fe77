/**
 * The ranks of a run: processes that a launcher of MPI started, or this process only. MPI starts on
 * first use and ends with the process.
 */
import { writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { inspect } from 'node:util';
import { BackgroundSums } from './background-sums';
import type { Handle, MpiOperation, ValueType } from './implementations';
import { findLaunch, type Launch } from './launcher';
import { type MpiLibrary, openMpi, THREAD_MULTIPLE } from './library';
import type { Compression } from './sum-program';
import { STATUS, Watch } from './watch';

/** Values that ranks exchange. */
export type Values = Float32Array | Float64Array | Int32Array | Uint8Array;

/** Exit codes after SIGHUP, SIGINT and SIGTERM. */
const SIGNAL_CODES = [129, 130, 143];

/** How often a rank asks for a result without a pause, and how long it then pauses each time. */
const QUICK_TRIES = 200;
const PAUSE_MS = 0.05;
/** Memory that nobody writes, to wait on; made when it is needed, since a page may have none. */
let never: Int32Array<SharedArrayBuffer> | undefined;

/** Bytes of a host's name that are compared. */
const HOST_BYTES = 256;

/** MPI's functions on the communicator of all ranks. Calls run one after another. */
export class World {
  readonly rank: number;
  readonly size: number;
  /** Rank among those on the same machine. */
  readonly localRank: number;
  /** Number of ranks on this machine. */
  readonly localSize: number;
  /** Name of each rank's machine. */
  readonly hosts: readonly string[];
  /** The library that computes; undefined for a world of one. */
  readonly library: string | undefined;
  readonly #mpi: MpiLibrary | undefined;
  #last: Promise<unknown> = Promise.resolve();
  readonly #background = new Map<Compression, BackgroundSums>();
  #ended = false;
  #waited = 0;
  #watch: Watch | undefined;
  /** A communicator for what is reduced while other operations are in progress. */
  #nested: Handle = 0;

  constructor(launch: Launch | undefined) {
    const mpi = launch && openMpi(launch);
    this.#mpi = mpi;
    this.library = mpi?.version;
    this.rank = 0;
    this.size = 1;
    this.hosts = [hostname()];
    if (mpi) {
      this.#start(mpi);
      this.rank = read((into) => mpi.rank(mpi.handles.world, into));
      this.size = read((into) => mpi.size(mpi.handles.world, into));
      this.hosts = this.#gatherHosts(mpi);
      const copy = roomForHandle(mpi);
      mpi.duplicate(mpi.handles.world, copy);
      this.#nested = copy[0] as Handle;
    }
    if (mpi && this.size > 1) this.#watch = new Watch(mpi, this, (why) => this.abort(why));
    const host = this.hosts[this.rank];
    this.localRank = this.hosts.slice(0, this.rank).filter((name) => name === host).length;
    this.localSize = this.hosts.filter((name) => name === host).length;
  }

  #start(mpi: MpiLibrary): void {
    const provided = new Int32Array(1);
    mpi.initThread(null, null, THREAD_MULTIPLE, provided);
    if ((provided[0] as number) < THREAD_MULTIPLE) {
      throw new Error(
        `[distributed] expected an MPI library that several threads may call, got ${mpi.version} ` +
          `with thread level ${provided[0]} of ${THREAD_MULTIPLE}; install one built with ` +
          'MPI_THREAD_MULTIPLE',
      );
    }
    // Node prints an error after `exit`, when MPI has already ended this process.
    process.once('uncaughtExceptionMonitor', (error) => {
      this.abort(`failed: ${inspect(error)}`);
    });
    process.once('exit', (code) => this.#end(code));
  }

  /** Seconds that operations have taken so far, not counting what ran in the background. */
  get waitedSeconds(): number {
    return this.#waited;
  }

  /** Ends MPI with this process; a process that failed ends all others, which would wait for it. */
  #end(code: number): void {
    const mpi = this.#mpi;
    if (!mpi || this.#ended) return;
    this.#ended = true;
    this.#watch?.stop();
    // The launcher that sent the signal is ending all ranks, and would not answer MPI_Abort.
    if (SIGNAL_CODES.includes(code)) return;
    if (code === 0) mpi.finalize();
    else this.abort(`ended with exit code ${code}`, code);
  }

  /** Ends all ranks, and says on stderr which one ended them and why. */
  abort(why: string, code = 1): void {
    this.#ended = true;
    const { rank, size, hosts } = this;
    const where = `[distributed] rank ${rank} of ${size} on ${hosts[rank]}`;
    writeSync(process.stderr.fd, `${where} ${why}\n[distributed] all ranks end\n`);
    if (this.#mpi) this.#mpi.abort(this.#mpi.handles.world, code);
  }

  #gatherHosts(mpi: MpiLibrary): string[] {
    const own = Buffer.alloc(HOST_BYTES);
    own.write(hostname());
    const all = Buffer.alloc(HOST_BYTES * this.size);
    const counts = new Int32Array(this.size).fill(HOST_BYTES);
    const { uint8 } = mpi.handles.types;
    const starts = counts.map((_, i) => i * HOST_BYTES);
    const { world } = mpi.handles;
    mpi.allGatherV(own, HOST_BYTES, uint8, all, counts, starts, uint8, world);
    return Array.from({ length: this.size }, (_, i) =>
      firstString(all.subarray(i * HOST_BYTES, (i + 1) * HOST_BYTES)),
    );
  }

  /** Reduces in place. All ranks give arrays of the same type and length. */
  allReduce(values: Values, operation: MpiOperation): Promise<void> {
    return this.#run((mpi, done) => {
      const { types, operations, world } = mpi.handles;
      const type = types[typeOf(values)];
      const { length } = values;
      mpi.allReduce.async(mpi.inPlace, values, length, type, operations[operation], world, done);
    });
  }

  /**
   * Sums in place, and returns when it is done: in the middle of a step, where no other code of
   * this process can run. Other operations may be in progress. MPI's own waiting would keep this
   * rank from answering the others and from finding one that hangs.
   */
  sumNow(values: Float64Array): void {
    const mpi = this.#mpi;
    if (!mpi) return;
    const { inPlace, handles } = mpi;
    const { types, operations } = handles;
    const request = new BigUint64Array(1);
    const done = new Int32Array(1);
    const by = [types.float64, operations.sum, this.#nested] as const;
    const start = performance.now();
    this.#watch?.begin();
    requireSuccess(mpi.beginAllReduce(inPlace, values, values.length, ...by, request));
    for (let tries = 0; ; tries++) {
      requireSuccess(mpi.test(request, done, STATUS));
      if (done[0] === 1) break;
      if (tries <= QUICK_TRIES) continue;
      never ??= new Int32Array(new SharedArrayBuffer(4));
      Atomics.wait(never, 0, 0, PAUSE_MS);
      this.#watch?.pollWhenDue();
    }
    this.#watch?.end();
    this.#waited += (performance.now() - start) / 1000;
  }

  /** Overwrites the arrays of all ranks by that of `root`. */
  broadcast(values: Values, root: number): Promise<void> {
    return this.#run((mpi, done) => {
      const { types, world } = mpi.handles;
      mpi.bcast.async(values, values.length, types[typeOf(values)], root, world, done);
    });
  }

  /** The values of all ranks one after another. @param counts how many each rank gives */
  async allGather<T extends Values>(values: T, counts: Int32Array): Promise<T> {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const all = new (values.constructor as new (length: number) => T)(total);
    if (!this.#mpi) all.set(values);
    let start = 0;
    const starts = counts.map((count) => {
      start += count;
      return start - count;
    });
    await this.#run((mpi, done) => {
      const { types, world } = mpi.handles;
      const type = types[typeOf(values)];
      const own = [values, values.length, type] as const;
      mpi.allGatherV.async(...own, all, counts, starts, type, world, done);
    });
    return all;
  }

  /** Sends the i-th of equal parts of `values` to rank i. @returns the parts for this rank */
  async allToAll<T extends Values>(values: T): Promise<T> {
    const received = values.slice() as T;
    await this.#run((mpi, done) => {
      const { types, world } = mpi.handles;
      const type = types[typeOf(values)];
      const count = values.length / this.size;
      mpi.allToAll.async(values, count, type, received, count, type, world, done);
    });
    return received;
  }

  /**
   * The thread that sums over all ranks in the background, which the first call starts.
   * @throws Error in a world of one
   */
  async backgroundSums(compression: Compression): Promise<BackgroundSums> {
    const known = this.#background.get(compression);
    if (known) return known;
    const mpi = this.#mpi;
    if (!mpi) throw new Error('[distributed] expected ranks that MPI started, got one process');
    const into = roomForHandle(mpi);
    await this.#run((_, done) => mpi.duplicate.async(mpi.handles.world, into, done));
    const [communicator] = into;
    const sums = new BackgroundSums({
      file: mpi.file,
      communicator: communicator as Handle,
      ranks: this.size,
      rank: this.rank,
      compression,
    });
    this.#background.set(compression, sums);
    return sums;
  }

  /** Waits for an operation of another thread as for one of this, and watches it. */
  waitFor(work: Promise<void>): Promise<void> {
    return this.#run((_, done) => {
      work.then(
        () => done(null, 0),
        (error: unknown) => done(error, 0),
      );
    });
  }

  /** Waits until all ranks have come here. */
  barrier(): Promise<void> {
    return this.#run((mpi, done) => mpi.barrier.async(mpi.handles.world, done));
  }

  /** One call after another, in a thread, so that timers and signals of this process still run. */
  #run(call: (mpi: MpiLibrary, done: (error: unknown, code: number) => void) => void) {
    const mpi = this.#mpi;
    if (!mpi) return Promise.resolve();
    const run = this.#last.then(
      () =>
        new Promise<void>((resolve, reject) => {
          this.#watch?.begin();
          const start = performance.now();
          call(mpi, (error, code) => {
            this.#watch?.end();
            this.#waited += (performance.now() - start) / 1000;
            if (!error && code === 0) resolve();
            else reject(error ?? failure(code));
          });
        }),
    );
    this.#last = run.catch(() => undefined);
    return run;
  }
}

/** Where MPI writes a handle: an address or an integer. */
const roomForHandle = ({ handles }: MpiLibrary) =>
  typeof handles.world === 'bigint' ? new BigUint64Array(1) : new Int32Array(1);

const failure = (code: number) => new Error(`[distributed] MPI failed with error code ${code}`);

function requireSuccess(code: number): void {
  if (code !== 0) throw failure(code);
}

/** A string that C ended by a zero. */
const firstString = (bytes: Buffer): string => bytes.toString('utf8').split('\0', 1)[0] as string;

const read = (call: (into: Int32Array) => Handle): number => {
  const into = new Int32Array(1);
  call(into);
  return into[0] as number;
};

/** @throws TypeError for arrays that MPI does not exchange */
export function typeOf(values: ArrayBufferView): ValueType {
  if (values instanceof Float32Array) return 'float32';
  if (values instanceof Float64Array) return 'float64';
  if (values instanceof Int32Array) return 'int32';
  if (values instanceof Uint8Array) return 'uint8';
  throw new TypeError(
    `[distributed] expected a Float32Array, Float64Array, Int32Array or Uint8Array, got ` +
      `${(values as object | null)?.constructor?.name ?? String(values)}`,
  );
}

let world: World | undefined;

/** The ranks of this run; starts MPI on the first call, where a launcher started this process. */
export function getWorld(): World {
  world ??= new World(findLaunch());
  return world;
}
