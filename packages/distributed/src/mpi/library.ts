/** Loads the MPI library of this system and declares the functions that deepend calls. */
import { createRequire } from 'node:module';
import type { LauncherFamily } from '@deepend/core';
import type { KoffiFunc, LibraryHandle } from 'koffi';
import {
  FAMILIES,
  type Handle,
  type Handles,
  IMPLEMENTATIONS,
  type Implementation,
  INSTALL,
} from './implementations';
import type { Launch } from './launcher';

type Koffi = typeof import('koffi');
type Address = NodeJS.TypedArray | bigint | null;
type Call<A extends unknown[]> = KoffiFunc<(...args: A) => number>;

/** `MPI_THREAD_MULTIPLE`: any thread may call MPI at any time. */
export const THREAD_MULTIPLE = 3;

/** MPI's functions, with C's arguments. Each returns MPI's error code. */
export interface MpiLibrary {
  /** What the library says of itself, on one line: "Open MPI v4.1.4, ...". */
  readonly version: string;
  readonly file: string;
  readonly inPlace: bigint;
  readonly handles: Handles;
  readonly initThread: Call<[null, null, number, Int32Array]>;
  readonly finalize: Call<[]>;
  readonly abort: Call<[comm: Handle, code: number]>;
  readonly rank: Call<[comm: Handle, Int32Array]>;
  readonly size: Call<[comm: Handle, Int32Array]>;
  readonly barrier: Call<[comm: Handle]>;
  readonly bcast: Call<[Address, count: number, type: Handle, root: number, comm: Handle]>;
  readonly allReduce: Call<[Address, Address, number, type: Handle, op: Handle, comm: Handle]>;
  readonly allGatherV: Call<
    [Address, number, Handle, Address, counts: Int32Array, starts: Int32Array, Handle, Handle]
  >;
  readonly send: Call<[Address, number, Handle, to: number, tag: number, Handle]>;
  readonly receive: Call<
    [Address, number, Handle, from: number, tag: number, Handle, status: Address]
  >;
  /** Whether a message waits: 1 in `found`. */
  readonly probe: Call<[from: number, tag: number, Handle, found: Int32Array, status: Address]>;
  readonly allGather: Call<[Address, number, Handle, Address, number, Handle, Handle]>;
  /** Another communicator of the same ranks, whose operations are apart from those of the first. */
  readonly duplicate: Call<[comm: Handle, into: BigUint64Array | Int32Array]>;
  readonly allToAll: Call<[Address, number, Handle, Address, number, Handle, Handle]>;
  /** Begins a reduction, whose handle comes into `request`. */
  readonly beginAllReduce: Call<
    [Address, Address, number, type: Handle, op: Handle, comm: Handle, request: BigUint64Array]
  >;
  /** Whether it has ended: 1 in `done`. */
  readonly test: Call<[request: BigUint64Array, done: Int32Array, status: Address]>;
}

/** Stack of a thread that calls MPI: MPICH needs more than koffi's 128 KiB. */
const STACK_BYTES = 4 << 20;

/**
 * Sets variables that MPI libraries read when they are loaded or start, unless the user has.
 * Source: ucm_fire_mmap_events of UCX 1.13, https://github.com/openucx/ucx/issues/3831.
 */
function setEnvironment(): void {
  // Threads that wait give way to those that compute: ranks have no cores to spare.
  process.env.OMPI_MCA_mpi_yield_when_idle ??= '1';
  // UCX, below MPICH and some builds of Open MPI, tries its memory hooks by sbrk(page) and
  // sbrk(-page), which takes away a page that a thread of Node has just been given. Without hooks
  // it registers memory on InfiniBand for each large transfer.
  process.env.UCX_MEM_EVENTS ??= 'no';
}

/**
 * Loads the library of the launcher's family, or the first one that this system has.
 * @throws Error when koffi or an MPI library is not installed: it says what to install
 */
export function openMpi(launch: Launch): MpiLibrary {
  const koffi = requireKoffi();
  koffi.config({ async_stack_size: STACK_BYTES });
  setEnvironment();
  const names = candidates(launch);
  const reasons: string[] = [];
  for (const name of names) {
    try {
      // Its plugins look for its symbols among the process's.
      return declare(koffi.load(name, { global: true }), name);
    } catch (error) {
      reasons.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    `[distributed] expected an MPI library, found none (${reasons.join('; ')}). To install one: ` +
      `${INSTALL[process.platform] ?? 'install Open MPI or MPICH'}; or name its file in ` +
      'DEEPEND_MPI, or set DEEPEND_MPI=0 to train in this process only',
  );
}

function candidates({ family, file }: Launch): readonly string[] {
  if (file) return [file];
  const platform = process.platform as 'linux' | 'darwin' | 'win32';
  const families = Object.keys(FAMILIES) as LauncherFamily[];
  return [...families]
    .sort((a, b) => Number(b === family) - Number(a === family))
    .flatMap((name) => FAMILIES[name][platform] ?? []);
}

function requireKoffi(): Koffi {
  const require = createRequire(import.meta.url ?? __filename);
  try {
    return require('koffi') as Koffi;
  } catch (error) {
    throw new Error(
      '[distributed] training on several processes needs the package koffi, which calls the MPI ' +
        `library; to install it: npm install koffi@3.3.4 (${(error as Error).message})`,
    );
  }
}

/** Room for `MPI_MAX_LIBRARY_VERSION_STRING` of all libraries. */
const VERSION_BYTES = 8192;

function declare(library: LibraryHandle, name: string): MpiLibrary {
  const text = Buffer.alloc(VERSION_BYTES);
  library.func('MPI_Get_library_version', 'int', ['void *', 'void *'])(text, new Int32Array(1));
  const version = text.toString('latin1').split(/[\0\n]/, 1)[0] as string;
  const implementation = IMPLEMENTATIONS.find((known) => known.version.test(version));
  if (!implementation) throw new Error(`it is "${version}", which deepend does not know`);
  return { ...functions(library, implementation), version: `${version} (${name})`, file: name };
}

function functions(
  library: LibraryHandle,
  { handle, handles, inPlace }: Implementation,
): Omit<MpiLibrary, 'version' | 'file'> {
  const types: Record<string, string> = { p: 'void *', i: 'int', h: handle };
  const declareOne = <A extends unknown[]>(name: string, letters: string): Call<A> => {
    const args = letters.split(' ').filter(Boolean);
    return library.func(
      `MPI_${name}`,
      'int',
      args.map((letter) => types[letter] as string),
    );
  };
  return {
    inPlace,
    handles: handles(library),
    initThread: declareOne('Init_thread', 'p p i p'),
    finalize: declareOne('Finalize', ''),
    abort: declareOne('Abort', 'h i'),
    rank: declareOne('Comm_rank', 'h p'),
    size: declareOne('Comm_size', 'h p'),
    barrier: declareOne('Barrier', 'h'),
    bcast: declareOne('Bcast', 'p i h i h'),
    allReduce: declareOne('Allreduce', 'p p i h h h'),
    allGatherV: declareOne('Allgatherv', 'p i h p p p h h'),
    send: declareOne('Send', 'p i h i i h'),
    receive: declareOne('Recv', 'p i h i i h p'),
    probe: declareOne('Iprobe', 'i i h p p'),
    allGather: declareOne('Allgather', 'p i h p i h h'),
    duplicate: declareOne('Comm_dup', 'h p'),
    allToAll: declareOne('Alltoall', 'p i h p i h h'),
    beginAllReduce: declareOne('Iallreduce', 'p p i h h h p'),
    test: declareOne('Test', 'p p p'),
  };
}
