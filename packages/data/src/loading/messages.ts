/** Messages to and from a worker thread. */
import type { Fault } from './faults';
import type { Job, Made, Recipe } from './recipe';

export interface WorkerData {
  readonly recipe: Recipe;
  /** A file of this package: what the worker imports is looked for from there. */
  readonly from: string;
}

export interface WorkerJob {
  readonly job: Job;
  /** Shared memory for the batch's floats. */
  readonly into?: Float32Array;
}

/** One of the two is there. */
export interface WorkerReply {
  readonly batch: number;
  readonly made?: Made;
  readonly fault?: Fault;
}
