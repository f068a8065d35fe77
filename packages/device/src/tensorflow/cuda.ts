/**
 * NVIDIA's GPUs through tfjs-node-gpu. It computes on the first GPU that it sees: which one that
 * is, is decided before it is loaded.
 */
import { startBackend } from '../backends';
import { type NvidiaGpu, nvidiaGpus, visibleGpus } from '../hardware';
import { state } from '../state';
import { probeNative, startNative } from './native';

/**
 * The GPUs that this process may use, by the index of `cuda:0`, `cuda:1`, …; a text says why there
 * are none.
 */
export async function cudaGpus(): Promise<NvidiaGpu[] | string> {
  const shared = state();
  shared.visible ??= { asStarted: process.env.CUDA_VISIBLE_DEVICES };
  const gpus = await nvidiaGpus();
  if (typeof gpus === 'string') return gpus;
  const visible = visibleGpus(gpus, shared.visible.asStarted);
  shared.gpus = visible;
  return visible.length > 0
    ? visible
    : `CUDA_VISIBLE_DEVICES='${shared.visible.asStarted}' leaves none of the ${gpus.length} GPUs`;
}

/**
 * Why GPU `i` cannot compute, and what to do; undefined when it can. @param found the GPUs, where
 * the driver has just been asked
 */
export async function cudaFault(i: number, found?: NvidiaGpu[]): Promise<string | undefined> {
  const gpus = found ?? (await cudaGpus());
  if (typeof gpus === 'string') return gpus;
  const gpu = gpus[i];
  if (!gpu) return `there are ${gpus.length} GPUs, cuda:0 to cuda:${gpus.length - 1}`;
  const { loaded } = state();
  if (loaded?.usesGpu && loaded.gpu !== i) {
    return `this process computes on cuda:${loaded.gpu}, and libtensorflow keeps to the GPU that it was loaded for; take cuda:${i} in another process`;
  }
  const { usesGpu, noGpu } = await probeNative(gpu.id);
  return usesGpu ? undefined : noGpu;
}

/** After `cudaFault`, which has asked the driver. */
export async function startCuda(index: number): Promise<void> {
  const gpu = state().gpus?.[index];
  await startBackend('tensorflow', () => startNative(gpu && { index, id: gpu.id }));
}
