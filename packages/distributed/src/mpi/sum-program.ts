/**
 * The program of the thread that sums arrays over all ranks while the process computes. Its calls
 * of MPI wait, one after another, on a communicator of its own; scripts/build-worker.mjs bundles it
 * into a string.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { decodeHalves, encodeHalves } from './half';
import type { Handle } from './implementations';
import { openMpi } from './library';

/** How arrays travel. */
export type Compression = 'none' | 'float16';

export interface SumSettings {
  /** File of the MPI library. */
  readonly file: string;
  readonly communicator: Handle;
  readonly ranks: number;
  readonly rank: number;
  readonly compression: Compression;
}

/** What the thread replies: the number of arrays that it has summed, or why it could not. */
export type SumReply = { readonly done: number } | { readonly error: string };

const { file, communicator, ranks, rank, compression } = workerData as SumSettings;
const mpi = openMpi({ family: undefined, file });
const { types, operations } = mpi.handles;
let done = 0;

const SUMS: Record<Compression, (values: Float32Array) => void> = {
  none: (values) => {
    const { length } = values;
    const code = mpi.allReduce(
      ...([mpi.inPlace, values, length, types.float32, operations.sum, communicator] as const),
    );
    requireSuccess(code);
  },
  float16: sumHalves,
};

/**
 * Every rank sums one part of the array: it gets the others' halves of it, adds them as float32,
 * and sends the sum as halves, from which every rank, itself too, takes the result. The first two
 * halves of a part are the bits of its scale.
 */
function sumHalves(values: Float32Array): void {
  const part = 2 * Math.ceil(values.length / ranks / 2);
  const room = part + 2;
  const sent = new Uint16Array(room * ranks);
  const received = new Uint16Array(room * ranks);
  const partOf = (i: number) => values.subarray(i * part, (i + 1) * part);
  for (let i = 0; i < ranks; i++) encodeInto(sent.subarray(i * room), partOf(i));
  const bytes = 2 * room;
  const { uint8 } = types;
  requireSuccess(mpi.allToAll(sent, bytes, uint8, received, bytes, uint8, communicator));
  const own = partOf(rank);
  for (let i = 0; i < ranks; i++) decodeInto(own, received.subarray(i * room), i > 0);
  encodeInto(sent, own);
  requireSuccess(mpi.allGather(sent, bytes, uint8, received, bytes, uint8, communicator));
  for (let i = 0; i < ranks; i++) decodeInto(partOf(i), received.subarray(i * room), false);
}

function encodeInto(room: Uint16Array, values: Float32Array): void {
  const scale = encodeHalves(values, room.subarray(2));
  new Float32Array(room.buffer, room.byteOffset, 1)[0] = scale;
}

function decodeInto(into: Float32Array, room: Uint16Array, add: boolean): void {
  const [scale = 1] = new Float32Array(room.buffer, room.byteOffset, 1);
  decodeHalves(room.subarray(2), scale, { into, add });
}

function requireSuccess(code: number): void {
  if (code !== 0) throw new Error(`MPI failed with error code ${code}`);
}

parentPort?.on('message', (values: Float32Array) => {
  try {
    SUMS[compression](values);
    parentPort?.postMessage({ done: ++done } satisfies SumReply);
  } catch (error) {
    parentPort?.postMessage({ error: (error as Error).message } satisfies SumReply);
  }
});
