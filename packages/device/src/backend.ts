/** What a backend of deepend is: the type of the rows of `BACKENDS`. */
import type { BackendTraits } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { BackendName, Device } from './types';

export interface Backend {
  readonly name: BackendName;
  /** The backend's name in TensorFlow.js. */
  readonly tfjsName: string;
  /** What other packages need to know of it. */
  readonly traits?: Partial<Omit<BackendTraits, 'name'>>;
  /** Several of it can run in threads of one process; else each needs its own process. */
  readonly runsInThreads: boolean;
  /** Registers its fused kernels. @default none, or it registers them itself */
  registerKernels?(): void;
  /** Why it cannot compute here, and what to do; undefined when it can. Makes nothing current. */
  probe(): Promise<string | undefined>;
  /** Makes it the current backend. Call it through `startBackend`. */
  start(): Promise<void>;
  /** Whether it is current and usable. @default it is TensorFlow.js's current backend */
  isCurrent?(): boolean;
  /** The device that it computes on, once it is started. */
  describe(): Pick<Device, 'name' | 'hardware' | 'build' | 'memory'>;
}

/** @throws Error when TensorFlow.js cannot start the backend */
export async function setBackend(tfjsName: string): Promise<void> {
  if (!(await tf.setBackend(tfjsName)))
    throw new Error(
      `[device] ${tfjsName}: TensorFlow.js could not start this backend; see its warning`,
    );
}
