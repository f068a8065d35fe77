/**
 * What packages below `@deepend/device` need to know of a TensorFlow.js backend: a typed registry,
 * so that none of them compares backend names. `device` registers the traits of its backends.
 */

/** A question about the memory that a backend's kernel takes besides its inputs and outputs. */
export interface WorkspaceQuery {
  /** The operation's name in a training plan: `conv2d`, `dense`, `batchNorm`, ... */
  readonly operation: string;
  /** What is computed: the output, or the gradient of the inputs or of the parameters. */
  readonly part: 'output' | 'inputGradient' | 'parameterGradient';
  /** The shape of the first input, batch included. */
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly params: readonly (readonly number[])[];
  /** The operation's attributes, such as `strides` and `padding`. */
  readonly attrs: object;
}

export interface BackendTraits {
  /** deepend's name of the backend. @default TensorFlow.js's name */
  readonly name: string;
  /**
   * Copies the values of a new tensor at once when they lie in shared memory, so that the memory
   * can
   * be reused. Other backends may keep the array until they compute. @default false
   */
  readonly copiesOnUpload: boolean;
  /** A call returns before the device has computed; reading a value waits. @default false */
  readonly isAsynchronous: boolean;
  /** Its depthwise gradient kernels take explicit padding. @default true */
  readonly explicitPadding: boolean;
  /** Its convolution takes different strides for rows and columns. @default true */
  readonly unequalStrides: boolean;
  /** Its MaxPoolGrad is wrong for windows without a positive number. @default false */
  readonly maxPoolGradNeedsPositive: boolean;
  /** Bytes that a kernel takes besides its inputs and outputs. @default none */
  readonly workspaceBytes: (query: WorkspaceQuery) => number;
  /**
   * Lends the memory of a float tensor, which another thread may change until it is released;
   * undefined for a tensor whose memory others share. @default always undefined
   */
  readonly lend: (tensor: { readonly dataId: object }) => LentValues | undefined;
}

/** The memory of a tensor's values. */
export interface LentValues {
  readonly values: Float32Array;
  /** The backend may move or free the memory again. */
  release(): void;
}

const DEFAULTS: Omit<BackendTraits, 'name'> = {
  copiesOnUpload: false,
  isAsynchronous: false,
  explicitPadding: true,
  unequalStrides: true,
  maxPoolGradNeedsPositive: false,
  workspaceBytes: () => 0,
  lend: () => undefined,
};

const traits = new Map<string, BackendTraits>();

/** Registers what differs from the defaults. @param backendName its name in TensorFlow.js */
export function registerBackendTraits(
  backendName: string,
  differences: Partial<BackendTraits>,
): void {
  traits.set(backendName, { name: backendName, ...DEFAULTS, ...differences });
}

/** The traits of a backend; safe defaults for one that nobody registered. */
export function backendTraits(backendName: string): BackendTraits {
  const known = traits.get(backendName);
  if (known) return known;
  registerBackendTraits(backendName, {});
  return traits.get(backendName) as BackendTraits;
}

const AUTOMATIC = Symbol.for('deepend.automatic-backend');
const shared = globalThis as { [AUTOMATIC]?: string };

/** Records the backend that was started because a tensor was made before any was chosen. */
export function setAutomaticBackend(backendName: string): void {
  shared[AUTOMATIC] = backendName;
}

/** TensorFlow.js's name of that backend; undefined when there was no need to start one. */
export const automaticBackend = (): string | undefined => shared[AUTOMATIC];
