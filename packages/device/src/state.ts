import type { NvidiaGpu } from './hardware';
import type { Probe } from './tensorflow/native';
import type { WebgpuProbe } from './webgpu/probe';

/** What one process knows once, however many copies of this module it has loaded (ESM and CJS). */
interface State {
  /**
   * What became of the native engine, by the GPUs it may see; asked at most once, since a child
   * process answers.
   */
  native?: Map<string, Promise<Probe>>;
  /** `CUDA_VISIBLE_DEVICES` as the process was started with it. */
  visible?: { readonly asStarted: string | undefined };
  /** What Dawn found; asked likewise. */
  webgpu?: Promise<WebgpuProbe>;
  /** NVIDIA's GPUs that this process may use, as they were asked for last. */
  gpus?: readonly NvidiaGpu[];
  /** The native package that this process has loaded: a second one cannot come beside it. */
  loaded?: { package: string; usesGpu: boolean; gpu?: number };
  /**
   * The last engine start asked for; the next waits for it, since TensorFlow.js gives up a start
   * when another begins.
   */
  starting?: Promise<void>;
}

const KEY = Symbol.for('deepend.device');

export function state(): State {
  const holder = globalThis as { [KEY]?: State };
  holder[KEY] ??= {};
  return holder[KEY];
}
