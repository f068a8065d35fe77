/** What can compute here, and starting it. */
import { closest, show } from '@deepend/checks';
import * as tf from '@tensorflow/tfjs-core';
import { ENGINE_NAMES, ENGINES, startEngine } from './engines';
import { cpuHardware, nvidiaGpus } from './hardware';
import { state } from './state';
import { probeNative } from './tensorflow';
import type { Device, DeviceName, EngineName } from './types';
import { webgpuHardware } from './webgpu';

/**
 * GPU `i` if it can compute, else the best CPU engine; `why` then says what kept the GPU. Makes its engine current.
 * `DEEPEND_DEVICE` overrides the choice. The book's `try_gpu`.
 */
export async function tryGpu(i = 0): Promise<Device> {
  if (!Number.isInteger(i) || i < 0)
    throw new RangeError(`[device] tryGpu: expected the index of a GPU, 0 or above, got ${show(i)}`);
  const forced = process.env.DEEPEND_DEVICE;
  if (forced) return device(forced as DeviceName, { why: 'DEEPEND_DEVICE asks for it' });
  const fault = await gpuFault(i);
  return fault ? bestCpu(`no GPU: ${fault}`) : startGpu(i, 'the GPU works');
}

/** Every GPU that can compute, the first one made current; the best CPU engine alone where there is none. The book's `try_all_gpus`. */
export async function tryAllGpus(): Promise<Device[]> {
  const first = await tryGpu(0);
  if (!first.name.startsWith('cuda:')) return [first];
  const gpus = await nvidiaGpus();
  return typeof gpus === 'string'
    ? [first]
    : gpus.map((hardware, i) => (i === 0 ? first : { ...first, name: `cuda:${i}`, hardware }));
}

/** The best CPU engine that works here, made current. A CPU engine in `DEEPEND_DEVICE` overrides the choice. */
export async function cpu(): Promise<Device> {
  const forced = process.env.DEEPEND_DEVICE;
  if (forced && (ENGINE_NAMES as string[]).includes(forced))
    return device(forced as DeviceName, { why: 'DEEPEND_DEVICE asks for it' });
  return bestCpu('a CPU was asked for');
}

/**
 * The device of that name, made current: `cuda:0`, `webgpu:0`, `cpu` (the best CPU engine), or an engine: `simd`, `tensorflow`, `wasm`, `cpu-js`.
 * @throws Error when it cannot compute here, with the reason; nothing else is taken in its place
 */
export async function device(name: DeviceName, { why = 'it was asked for' }: { why?: string } = {}): Promise<Device> {
  if (name === 'cpu') return bestCpu(why);
  if (typeof name === 'string' && /^cuda:\d+$/.test(name)) {
    const index = Number(name.slice(5));
    const fault = await gpuFault(index);
    if (fault) throw new Error(`[device] ${name}: cannot compute here: ${fault}`);
    return startGpu(index, why);
  }
  const engine = (name === 'webgpu:0' ? 'webgpu' : name) as EngineName;
  if (!ENGINE_NAMES.includes(engine)) throw unknownDevice(name);
  const fault = await ENGINES[engine].fault();
  if (fault) throw new Error(`[device] ${engine}: cannot compute here: ${fault}`);
  return start(engine, why);
}

/** The device that is current in TensorFlow.js: what computes when nobody chose. */
export function currentDevice(): Device {
  const backend = tf.getBackend();
  const engine = ENGINE_NAMES.find((name) => ENGINES[name].backend === backend);
  return describe(engine ?? (backend as EngineName), 'it is the current engine of TensorFlow.js');
}

/** Makes a device's engine current again. */
export async function activate({ engine }: Pick<Device, 'engine'>): Promise<void> {
  if (!ENGINES[engine]) throw unknownDevice(engine);
  await startEngine(engine);
}

function unknownDevice(name: unknown): TypeError {
  const names = ['cuda:0', 'webgpu:0', 'cpu', ...ENGINE_NAMES];
  const near = typeof name === 'string' ? closest(name, names) : undefined;
  const hint = near ? `; did you mean '${near}'?` : '';
  return new TypeError(`[device] expected one of ${names.map((n) => `'${n}'`).join(', ')}, got ${show(name)}${hint}`);
}

/** Why GPU `i` cannot compute; undefined when it can. */
async function gpuFault(i: number): Promise<string | undefined> {
  const gpus = await nvidiaGpus();
  if (typeof gpus === 'string') return gpus;
  if (i >= gpus.length) return `there are ${gpus.length} GPUs, cuda:0 to cuda:${gpus.length - 1}`;
  if (i > 0 && process.env.CUDA_VISIBLE_DEVICES !== String(i)) {
    return `tfjs-node-gpu computes on the first GPU it sees; start with CUDA_VISIBLE_DEVICES=${i}`;
  }
  const { usesGpu, package: name, faults } = await probeNative();
  if (usesGpu) return undefined;
  const missing = faults.find((fault) => fault.includes('tfjs-node-gpu'));
  if (missing) return `${missing}; npm i @tensorflow/tfjs-node-gpu@4.22.0`;
  return `${name} sees none: it needs CUDA 11.2 and cuDNN 8.1`;
}

async function startGpu(i: number, why: string): Promise<Device> {
  await startEngine('tensorflow');
  const gpus = await nvidiaGpus();
  return {
    name: `cuda:${i}`,
    engine: 'tensorflow',
    hardware: (typeof gpus === 'string' ? undefined : gpus[i]) ?? 'NVIDIA GPU',
    why,
  };
}

async function bestCpu(why: string): Promise<Device> {
  const passed: string[] = [];
  for (const engine of ENGINE_NAMES.filter((name) => name !== 'webgpu')) {
    // A native library that found a GPU computes there: it is no CPU engine.
    const fault =
      engine === 'tensorflow' && (await probeNative()).usesGpu ? 'it computes on the GPU' : await ENGINES[engine].fault();
    if (fault) passed.push(`${engine}: ${fault}`);
    else return start(engine, [why, ...passed].join('; '));
  }
  throw new Error(`[device] cpu: no engine computes here: ${passed.join('; ')}`);
}

async function start(engine: EngineName, why: string): Promise<Device> {
  await startEngine(engine);
  return describe(engine, why);
}

function describe(engine: EngineName, why: string): Device {
  if (engine === 'webgpu') return { name: 'webgpu:0', engine, hardware: webgpuHardware(), why };
  const onGpu = engine === 'tensorflow' && state().loaded?.usesGpu;
  const { cores = 'all', detail } = ENGINES[engine] ?? {};
  const processor = cpuHardware(typeof cores === 'function' ? cores() : cores);
  const hardware = detail ? `${processor}, ${detail()}` : processor;
  return { name: onGpu ? 'cuda:0' : 'cpu', engine, hardware: onGpu ? 'NVIDIA GPU' : hardware, why };
}
