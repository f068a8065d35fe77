import type { Probe } from './tensorflow';
import type { WebgpuProbe } from './webgpu';

/** What one process knows once, however many copies of this module it has loaded (ESM and CJS). */
interface State {
  /** What became of the native engine; asked at most once, since a child process answers. */
  native?: Promise<Probe>;
  /** What Dawn found; asked likewise. */
  webgpu?: Promise<WebgpuProbe>;
  /** The native package that this process has loaded: a second one cannot come beside it. */
  loaded?: { package: string; usesGpu: boolean };
  /** The last engine start asked for; the next waits for it, since TensorFlow.js gives up a start when another begins. */
  starting?: Promise<void>;
}

const KEY = Symbol.for('deepend.device');

export function state(): State {
  const holder = globalThis as { [KEY]?: State };
  holder[KEY] ??= {};
  return holder[KEY];
}
