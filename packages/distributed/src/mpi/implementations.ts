/**
 * The MPI libraries that are known, and how each names its handles: MPI fixes the functions, but
 * every library has its own binary form of communicators, types and operations.
 */
import type { LauncherFamily } from '@deepend/core';
import type { LibraryHandle } from 'koffi';

/** Types of values that ranks exchange. */
export const VALUE_TYPES = ['float32', 'float64', 'int32', 'uint8'] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** Reductions that MPI computes. */
export type MpiOperation = 'sum' | 'max' | 'min';

/** A communicator, type or operation: an address or an integer, as the library has it. */
export type Handle = bigint | number;

export interface Handles {
  readonly world: Handle;
  readonly types: Readonly<Record<ValueType, Handle>>;
  readonly operations: Readonly<Record<MpiOperation, Handle>>;
}

export interface Implementation {
  /** How its version begins, as `MPI_Get_library_version` gives it. */
  readonly version: RegExp;
  /** C type of a handle. */
  readonly handle: 'void *' | 'int';
  /** `MPI_IN_PLACE`. */
  readonly inPlace: bigint;
  readonly handles: (library: LibraryHandle) => Handles;
}

/** Open MPI 4 and 5: handles are addresses of its symbols. */
const OPEN_MPI: Implementation = {
  version: /^Open MPI/,
  handle: 'void *',
  inPlace: 1n,
  handles: (library) => {
    const address = (name: string) => library.symbol(`ompi_mpi_${name}`, 'void *') as bigint;
    return {
      world: address('comm_world'),
      types: {
        float32: address('float'),
        float64: address('double'),
        int32: address('int'),
        uint8: address('unsigned_char'),
      },
      operations: { sum: address('op_sum'), max: address('op_max'), min: address('op_min') },
    };
  },
};

/**
 * MPICH and what keeps its binary interface (Intel MPI, MVAPICH, Cray MPICH), and MS-MPI: handles
 * are constants. https://www.mpich.org/abi/
 */
const MPICH: Implementation = {
  version: /^(MPICH|Intel|MVAPICH|CRAY MPICH|Microsoft MPI)/i,
  handle: 'int',
  inPlace: BigInt.asUintN(64, -1n),
  handles: () => ({
    world: 0x44000000,
    types: {
      float32: 0x4c00040a,
      float64: 0x4c00080b,
      int32: 0x4c000405,
      uint8: 0x4c000102,
    },
    operations: { max: 0x58000001, min: 0x58000002, sum: 0x58000003 },
  }),
};

export const IMPLEMENTATIONS: readonly Implementation[] = [OPEN_MPI, MPICH];

/** Families of launchers, the names of their libraries by system, and how to install one. */
export const FAMILIES = {
  'open-mpi': {
    linux: ['libmpi.so.40', '/usr/lib64/openmpi/lib/libmpi.so.40'],
    darwin: ['libmpi.40.dylib', '/opt/homebrew/lib/libmpi.dylib', '/usr/local/lib/libmpi.dylib'],
    win32: [],
  },
  mpich: {
    linux: ['libmpi.so.12', 'libmpich.so.12', '/usr/lib64/mpich/lib/libmpi.so.12'],
    darwin: ['libmpi.12.dylib', '/opt/homebrew/opt/mpich/lib/libmpi.dylib'],
    win32: ['impi.dll', 'msmpi.dll'],
  },
} as const satisfies Record<
  LauncherFamily,
  Record<'linux' | 'darwin' | 'win32', readonly string[]>
>;

/** How a user gets an MPI library, by system. */
export const INSTALL: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: 'apt install openmpi-bin (Debian, Ubuntu) or dnf install openmpi (Fedora)',
  darwin: 'brew install open-mpi',
  win32: 'install Microsoft MPI (winget install Microsoft.msmpi)',
};
