/** Chooses, starts and describes devices. */
import { EnvironmentError, formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { BACKEND_NAMES, BACKENDS, startBackend } from './backends';
import { choose, isGpu, ORDER, unknownDevice } from './choice';
import { cpuHardware } from './hardware';
import { state } from './state';
import { cudaFault, cudaGpus, startCuda } from './tensorflow/cuda';
import { probeNative } from './tensorflow/native';
import type { BackendName, CandidateName, ChoiceOptions, Device, DeviceName } from './types';
import { probeWebgpu } from './webgpu/probe';

/**
 * Returns GPU `i` if it can compute, through CUDA or WebGPU, else the best CPU backend; `why` then
 * says why not the GPU. Makes the device's backend current. The book's `try_gpu`.
 *
 * `DEEPEND_DEVICE` overrides the choice: `simd` is that device, `webgpu,simd` that order, `!webgpu`
 * everything else. A software adapter does not count as a GPU; `device('webgpu:0')` uses it.
 * In the book: d2l 6.7, zh 5.6.
 * @param i index of the GPU @default 0
 * @throws RangeError or TypeError when the index, an option or the variable is invalid; Error when
 *   the variable's device cannot compute
 * @example
 * const device = await tryGpu();
 * console.log(`${device.name}: ${device.hardware} (${device.why})`);
 */
export async function tryGpu(i = 0, options: ChoiceOptions = {}): Promise<Device> {
  if (!Number.isInteger(i) || i < 0)
    throw new RangeError(
      `[device] tryGpu: expected the index of a GPU, 0 or above, got ${formatValue(i)}`,
    );
  const { fixed, order, by } = choose('[device] tryGpu', options);
  if (fixed) return device(fixed, { why: by });
  const passed: string[] = [];
  for (const name of order.filter(isGpu)) {
    const found = await tryCandidate(name, { index: i, why: by ?? 'the GPU works' });
    if (typeof found !== 'string') return found;
    passed.push(found);
  }
  const reason = passed.length > 0 ? `no GPU: ${passed.join('; ')}` : (by as string);
  return bestCpu(order, reason);
}

/**
 * Returns all GPUs, or only the best CPU backend if there are none. Makes the first one current. A
 * process trains on one of them; `mpirun` starts a process for each. The book's `try_all_gpus`.
 * In the book: d2l 6.7, zh 5.6.
 */
export async function tryAllGpus(options: ChoiceOptions = {}): Promise<Device[]> {
  const first = await tryGpu(0, options);
  if (!first.name.startsWith('cuda:')) return [first];
  const gpus = await cudaGpus();
  if (typeof gpus === 'string') return [first];
  return gpus.map(({ name: hardware, memory }, i) =>
    i === 0 ? first : { ...first, name: `cuda:${i}`, hardware, ...(memory && { memory }) },
  );
}

/**
 * Returns the best CPU backend that works here, and makes it current. A CPU backend in
 * `DEEPEND_DEVICE` overrides the choice. The book's `cpu`: d2l 6.7.
 */
export const cpu = (options: ChoiceOptions = {}): Promise<Device> =>
  chooseCpu(options, 'a CPU was asked for');

/**
 * Returns the device that computes when the caller names none: the current one, if deepend or
 * `tf.setBackend` chose it; else the best CPU backend, which it starts.
 */
export async function defaultDevice(): Promise<Device & { readonly isDefault: boolean }> {
  if (state().isChosen) return { ...currentDevice(), isDefault: false };
  const why = 'no device was chosen, so the best CPU backend computes';
  return { ...(await chooseCpu({}, why)), isDefault: true };
}

async function chooseCpu(options: ChoiceOptions, why: string): Promise<Device> {
  const { fixed, order, by } = choose('[device] cpu', options);
  if (fixed && fixed !== 'webgpu' && isBackendName(fixed)) return device(fixed, { why: by });
  return bestCpu(fixed ? ORDER : order, by && !fixed ? by : why);
}

/**
 * Returns the device of that name and makes its backend current: `cuda:0`, `webgpu:0`, `cpu` (the
 * best CPU backend), or a backend: `simd`, `tensorflow`, `wasm`, `cpu-js`.
 * @throws TypeError when there is no such name; Error with the reason when it cannot compute here
 * @param options.why what `Device.why` says @default 'it was asked for'
 */
export async function device(
  name: DeviceName,
  { why = 'it was asked for' }: { why?: string } = {},
): Promise<Device> {
  if (name === 'cpu') return bestCpu(ORDER, why);
  if (typeof name === 'string' && /^cuda:\d+$/.test(name)) {
    const index = Number(name.slice(5));
    const fault = await cudaFault(index);
    if (fault) throw new Error(`[device] ${name}: cannot compute here: ${fault}`);
    await startCuda(index);
    return describe('tensorflow', why);
  }
  const backend = name === 'webgpu:0' ? 'webgpu' : name;
  if (!isBackendName(backend)) throw unknownDevice(name);
  const fault = await BACKENDS[backend].probe();
  if (fault) throw new Error(`[device] ${backend}: cannot compute here: ${fault}`);
  await startBackend(backend);
  return describe(backend, why);
}

/** The device of TensorFlow.js's current backend, whether deepend chose it or not. */
export function currentDevice(): Device {
  const tfjsName = tf.getBackend();
  const why = 'it is the current backend of TensorFlow.js';
  const name = BACKEND_NAMES.find((one) => BACKENDS[one].tfjsName === tfjsName);
  if (name) return describe(name, why);
  return { name: 'cpu', backend: tfjsName as BackendName, hardware: cpuHardware('all'), why };
}

/** Makes a device's backend current again. @throws TypeError when there is no such backend */
export async function activate({ backend }: Pick<Device, 'backend'>): Promise<void> {
  if (!isBackendName(backend)) throw unknownDevice(backend);
  await startBackend(backend);
}

const isBackendName = (name: unknown): name is BackendName =>
  (BACKEND_NAMES as unknown[]).includes(name);

/** Why a candidate cannot be chosen; undefined when it can. Makes nothing current. */
export async function faultOf(name: CandidateName, index = 0): Promise<string | undefined> {
  if (name === 'cuda') return cudaFault(index);
  // A native library that found a GPU computes there, so it is no CPU backend.
  if (name === 'tensorflow' && (await probeNative()).usesGpu) return 'it computes on the GPU';
  if (name !== 'webgpu') return BACKENDS[name].probe();
  const { fault, adapter } = await probeWebgpu();
  if (fault) return fault;
  if (adapter?.software)
    return `${adapter.name} is a software adapter; device('webgpu:0') takes it all the same`;
  return index > 0 ? 'one adapter is used, webgpu:0' : undefined;
}

/**
 * Starts a candidate and lets it compute; a string says why not. A failed start leaves the others
 * as they were.
 */
async function tryCandidate(
  name: CandidateName,
  { index = 0, why }: { index?: number; why: string },
): Promise<Device | string> {
  const fault = await faultOf(name, index);
  if (fault) return name === 'cuda' ? fault : `${name}: ${fault}`;
  try {
    if (name === 'cuda') await startCuda(index);
    else await startBackend(name);
    if (isGpu(name)) await computeOnce();
    return describe(name === 'cuda' ? 'tensorflow' : name, why);
  } catch (error) {
    if (error instanceof EnvironmentError) throw error;
    return `${name}: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** A GPU without memory starts, and fails at its first product. */
async function computeOnce(): Promise<void> {
  const ones = tf.ones([64, 64]);
  const product = tf.matMul(ones, ones);
  try {
    const [first] = await product.data();
    if (first !== 64) throw new Error(`a product of ones gave ${first} where 64 was expected`);
  } finally {
    tf.dispose([ones, product]);
  }
}

async function bestCpu(order: readonly CandidateName[], why: string): Promise<Device> {
  const passed: string[] = [];
  for (const name of order.filter((one) => !isGpu(one))) {
    const found = await tryCandidate(name, { why: [why, ...passed].join('; ') });
    if (typeof found !== 'string') return found;
    passed.push(found);
  }
  const reasons = passed.join('; ') || `none of ${order.join(', ')} is a CPU's; ${why}`;
  throw new Error(`[device] cpu: no backend computes here: ${reasons}`);
}

/** The device of a started backend. */
export const describe = (name: BackendName, why: string): Device => ({
  ...BACKENDS[name].describe(),
  backend: name,
  why,
});

/**
 * The device that `device(name)` would return, without starting it; for a worker that starts it.
 * @throws TypeError when there is no such device
 */
export function unstartedDevice(name: DeviceName): Device {
  const [kind = '', index] = name.split(':');
  const backend = { cuda: 'tensorflow', cpu: 'simd' }[kind] ?? kind;
  if (!isBackendName(backend)) throw unknownDevice(name);
  return {
    name: index === undefined ? 'cpu' : name,
    backend,
    hardware: '',
    why: 'it was asked for',
  };
}
