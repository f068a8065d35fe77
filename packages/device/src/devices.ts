/** What can compute here, and starting it. */
import { closest, formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { BACKEND_NAMES, BACKENDS, startBackend } from './backends';
import { choose, isGpu, ORDER } from './choice';
import { cpuHardware } from './hardware';
import { state } from './state';
import { cudaFault, cudaGpus, startCuda } from './tensorflow/cuda';
import { probeNative } from './tensorflow/native';
import type { BackendName, CandidateName, ChoiceOptions, Device, DeviceName } from './types';
import { probeWebgpu, webgpuHardware } from './webgpu/probe';

/**
 * GPU `i` if it can compute, through CUDA or WebGPU, else the best CPU engine; `why` then says what
 * kept the GPU. Makes its engine current.
 * `DEEPEND_DEVICE` overrides the choice: `simd` takes that device, `webgpu,simd` that order,
 * `!webgpu` all but that. The book's `try_gpu`.
 * A software adapter is no GPU: `device('webgpu:0')` takes it.
 * @throws RangeError or TypeError when the index, an option or the variable makes no sense; Error
 *   when the variable's device cannot compute
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
 * Every GPU that can compute, the first one made current; the best CPU engine alone where there is
 * none. The book's `try_all_gpus`.
 * Give them to `train` as `devices`.
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
 * The best CPU engine that works here, made current. A CPU engine in `DEEPEND_DEVICE` overrides the
 * choice.
 */
export async function cpu(options: ChoiceOptions = {}): Promise<Device> {
  const { fixed, order, by } = choose('[device] cpu', options);
  if (fixed && fixed !== 'webgpu' && (BACKEND_NAMES as string[]).includes(fixed))
    return device(fixed, { why: by });
  return bestCpu(fixed ? ORDER : order, by && !fixed ? by : 'a CPU was asked for');
}

/**
 * The device of that name, made current: `cuda:0`, `webgpu:0`, `cpu` (the best CPU engine), or an
 * engine: `simd`, `tensorflow`, `wasm`, `cpu-js`.
 * @throws Error when it cannot compute here, with the reason; nothing else is taken in its place
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
  const engine = (name === 'webgpu:0' ? 'webgpu' : name) as BackendName;
  if (!BACKEND_NAMES.includes(engine)) throw unknownDevice(name);
  const fault = await BACKENDS[engine].fault();
  if (fault) throw new Error(`[device] ${engine}: cannot compute here: ${fault}`);
  await startBackend(engine);
  return describe(engine, why);
}

/** The device that is current in TensorFlow.js: what computes when nobody chose. */
export function currentDevice(): Device {
  const backend = tf.getBackend();
  const engine = BACKEND_NAMES.find((name) => BACKENDS[name].backend === backend);
  return describe(engine ?? (backend as BackendName), 'it is the current engine of TensorFlow.js');
}

/** Makes a device's engine current again. */
export async function activate({ backend: engine }: Pick<Device, 'backend'>): Promise<void> {
  if (!BACKENDS[engine]) throw unknownDevice(engine);
  await startBackend(engine);
}

function unknownDevice(name: unknown): TypeError {
  const names = ['cuda:0', 'webgpu:0', 'cpu', ...BACKEND_NAMES];
  const near = typeof name === 'string' ? closest(name, names) : undefined;
  const hint = near ? `; did you mean '${near}'?` : '';
  return new TypeError(
    `[device] expected one of ${names.map((n) => `'${n}'`).join(', ')}, got ${formatValue(name)}${hint}`,
  );
}

/** Why a candidate cannot be chosen; undefined when it can. Nothing is made current. */
export async function faultOf(name: CandidateName, index = 0): Promise<string | undefined> {
  if (name === 'cuda') return cudaFault(index);
  // A native library that found a GPU computes there: it is no CPU engine.
  if (name === 'tensorflow' && (await probeNative()).usesGpu) return 'it computes on the GPU';
  if (name !== 'webgpu') return BACKENDS[name].fault();
  const { fault, adapter } = await probeWebgpu();
  if (fault) return fault;
  if (adapter?.software)
    return `${adapter.name} is a software adapter; device('webgpu:0') takes it all the same`;
  return index > 0 ? 'one adapter is used, webgpu:0' : undefined;
}

/**
 * Starts a candidate and lets it compute; a text says why not. A failed start leaves the others as
 * they were.
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
  throw new Error(
    `[device] cpu: no engine computes here: ${passed.join('; ') || `none of ${order.join(', ')} is a CPU's; ${why}`}`,
  );
}

/** What a started engine is, as a device. */
export function describe(engine: BackendName, why: string): Device {
  if (engine === 'webgpu')
    return { name: 'webgpu:0', backend: engine, hardware: webgpuHardware(), why };
  const { loaded, gpus } = state();
  if (engine === 'tensorflow' && loaded?.usesGpu) {
    const index = loaded.gpu ?? 0;
    const gpu = gpus?.[index];
    return {
      name: `cuda:${index}`,
      backend: engine,
      hardware: gpu?.name ?? 'NVIDIA GPU',
      why,
      ...(gpu?.memory && { memory: gpu.memory }),
    };
  }
  const { cores = 'all', detail } = BACKENDS[engine] ?? {};
  const processor = cpuHardware(typeof cores === 'function' ? cores() : cores);
  const note =
    engine === 'tensorflow' && loaded
      ? `${loaded.package.replace('@tensorflow/', '')} on the CPU`
      : detail?.();
  return {
    name: 'cpu',
    backend: engine,
    hardware: note ? `${processor}, ${note}` : processor,
    why,
  };
}
