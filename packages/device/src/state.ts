import type { NvidiaGpu } from './hardware';
import type { Probe } from './tensorflow/native';
import type { WebgpuProbe } from './webgpu/probe';

/** State of the process, shared by the ES and CommonJS copies of this package. */
interface State {
  /** The probe of the native library by its visible GPUs; probed once, in a child process. */
  native?: Map<string, Promise<Probe>>;
  /** `CUDA_VISIBLE_DEVICES` at the start of the process. */
  visible?: { readonly asStarted: string | undefined };
  /** Dawn's probe, likewise. */
  webgpu?: Promise<WebgpuProbe>;
  /** The NVIDIA GPUs that this process may use, as of the last query. */
  gpus?: readonly NvidiaGpu[];
  /** The native package that this process has loaded; it cannot load a second one. */
  loaded?: { package: string; usesGpu: boolean; gpu?: number };
  /** Whether deepend or the user chose a backend; undefined until that is watched. */
  isChosen?: boolean;
  /** The last start of a backend; the next start waits for it. */
  starting?: Promise<void>;
}

const KEY = Symbol.for('deepend.device');

export function state(): State {
  const holder = globalThis as { [KEY]?: State };
  holder[KEY] ??= {};
  return holder[KEY];
}
