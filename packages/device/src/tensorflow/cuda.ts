/**
 * NVIDIA GPUs through tfjs-node-gpu. It computes on the first GPU that is visible when it is
 * loaded.
 */
import { readLauncher } from '@deepend/core';
import { startBackend } from '../backends';
import { gpusOfRank, type NvidiaGpu, nvidiaGpus, visibleGpus } from '../hardware';
import { state } from '../state';
import { probeNative, startNative } from './native';

/** The GPUs of `cuda:0`, `cuda:1`, …, or a string that says why there are none. */
export async function cudaGpus(): Promise<NvidiaGpu[] | string> {
  const shared = state();
  shared.visible ??= { asStarted: process.env.CUDA_VISIBLE_DEVICES };
  const gpus = await nvidiaGpus();
  if (typeof gpus === 'string') return gpus;
  const visible = gpusOfRank(visibleGpus(gpus, shared.visible.asStarted), ownRank());
  shared.gpus = visible;
  return visible.length > 0
    ? visible
    : `CUDA_VISIBLE_DEVICES='${shared.visible.asStarted}' leaves none of the ${gpus.length} GPUs`;
}

/** This process's number on its machine; undefined where it trains by itself. */
const ownRank = () => (process.env.DEEPEND_MPI === '0' ? undefined : readLauncher().localRank);

/**
 * Why GPU `i` cannot compute, and what to do; undefined when it can.
 * @param found the GPUs, if the driver has just been queried
 */
export async function cudaFault(i: number, found?: NvidiaGpu[]): Promise<string | undefined> {
  const gpus = found ?? (await cudaGpus());
  if (typeof gpus === 'string') return gpus;
  const gpu = gpus[i];
  if (!gpu) return `there are ${gpus.length} GPUs, cuda:0 to cuda:${gpus.length - 1}`;
  const { loaded } = state();
  if (loaded?.usesGpu && loaded.gpu !== i) {
    return (
      `this process computes on cuda:${loaded.gpu}, and libtensorflow stays on the GPU that ` +
      `it was ` +
      `loaded for; use cuda:${i} in another process`
    );
  }
  const { usesGpu, noGpu } = await probeNative(gpu.id);
  return usesGpu ? undefined : noGpu;
}

/** Starts `cuda:index`. Call `cudaFault` before, which queries the driver. */
export async function startCuda(index: number): Promise<void> {
  const gpu = state().gpus?.[index];
  await startBackend('tensorflow', () => startNative(gpu && { index, id: gpu.id }));
}
