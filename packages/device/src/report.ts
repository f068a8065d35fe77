/** The report of all backends, for people and for bug reports. */
import * as tf from '@tensorflow/tfjs-core';
import { BACKENDS } from './backends';
import { choose, ORDER } from './choice';
import { describe, faultOf } from './devices';
import { cpuHardware } from './hardware';
import { state } from './state';
import { cudaFault, cudaGpus } from './tensorflow/cuda';
import { probeNative } from './tensorflow/native';
import type { BackendName, CandidateName, Device, DeviceMemory } from './types';
import { probeWebgpu } from './webgpu/probe';

/**
 * `current`: computes now; `started`: earlier in this process; `ready`: can be started; `refused`:
 * cannot compute, or is never chosen automatically.
 */
export type BackendState = 'current' | 'started' | 'ready' | 'refused';

export interface BackendReport {
  /** Its name for `device()`: `cuda:0`, `webgpu:0`, or the backend's name. */
  readonly name: string;
  readonly backend: BackendName;
  readonly state: BackendState;
  /** If it can compute. */
  readonly hardware?: string;
  readonly memory?: DeviceMemory;
  /** Why it was refused and what to do, or a note. */
  readonly reason?: string;
}

export interface DeviceReport {
  /** `v20.20.2`. */
  readonly node: string;
  /** `linux x64`. */
  readonly platform: string;
  /** `DEEPEND_DEVICE`, if it is set. */
  readonly variable?: string;
  /** The best first. */
  readonly backends: readonly BackendReport[];
}

/**
 * Reports of each backend whether it can compute here, on what hardware, or why not. Native
 * backends
 * are tried in a child process; none is made current.
 */
export async function deviceReport(): Promise<DeviceReport> {
  choose('[device] deviceReport'); // throws when `DEEPEND_DEVICE` makes no sense
  const backends: BackendReport[] = [];
  for (const name of ORDER) backends.push(...(await reportOn(name)));
  const variable = process.env.DEEPEND_DEVICE;
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    ...(variable && { variable }),
    backends,
  };
}

/**
 * The devices that can compute here, best first. Software adapters are included; their `hardware`
 * says so. None is made current.
 */
export async function listDevices(): Promise<Omit<Device, 'why'>[]> {
  const { backends } = await deviceReport();
  const able = backends.filter(({ hardware }) => hardware !== undefined);
  return able.map(({ name, backend, hardware = '', memory }) => ({
    name: backend === 'webgpu' || name.startsWith('cuda:') ? name : 'cpu',
    backend,
    hardware,
    ...(memory && { memory }),
  }));
}

async function reportOn(name: CandidateName): Promise<BackendReport[]> {
  if (name === 'cuda') return reportOnCuda();
  const names = { name: name === 'webgpu' ? 'webgpu:0' : name, backend: name };
  const fault = await faultOf(name);
  const hardware = fault && name !== 'webgpu' ? undefined : await hardwareOf(name);
  const reason = fault ?? (name === 'tensorflow' ? await nativeNote() : undefined);
  return [
    {
      ...names,
      state: fault ? 'refused' : stateOf(name),
      ...(hardware && { hardware }),
      ...(reason && { reason }),
    },
  ];
}

/** One row per GPU, or one that says why there are none. */
async function reportOnCuda(): Promise<BackendReport[]> {
  const gpus = await cudaGpus();
  if (typeof gpus === 'string')
    return [{ name: 'cuda:0', backend: 'tensorflow', state: 'refused', reason: gpus }];
  const rows: BackendReport[] = [];
  for (const [i, { name: hardware, memory }] of gpus.entries()) {
    const reason = await cudaFault(i, gpus);
    const where = { name: `cuda:${i}`, backend: 'tensorflow', ...(memory && { memory }) } as const;
    if (reason) rows.push({ ...where, state: 'refused', reason: `${hardware}: ${reason}` });
    else
      rows.push({
        ...where,
        state: state().loaded?.gpu === i ? stateOf('tensorflow') : 'ready',
        hardware,
      });
  }
  return rows;
}

function stateOf(name: BackendName): BackendState {
  const { tfjsName } = BACKENDS[name];
  if (tf.getBackend() === tfjsName) return 'current';
  // Not tf.findBackend, which starts the backend: no tensor can be made until it has.
  const { registry } = tf.engine() as unknown as { registry: Record<string, unknown> };
  return tfjsName in registry ? 'started' : 'ready';
}

/** tfjs-node-gpu does not say itself when it computes on the CPU. */
async function nativeNote(): Promise<string | undefined> {
  const { package: name, noGpu } = await probeNative();
  return name?.endsWith('-gpu') ? noGpu : undefined;
}

async function hardwareOf(name: BackendName): Promise<string | undefined> {
  if (name === 'webgpu') {
    const { adapter } = await probeWebgpu();
    return (
      adapter &&
      (adapter.software ? `${adapter.name}, a software adapter: the CPU computes` : adapter.name)
    );
  }
  const { loaded } = state();
  if (name === 'tensorflow' && !loaded) {
    const { package: library = '' } = await probeNative();
    return `${cpuHardware('all')}, ${library.replace('@tensorflow/', '')} on the CPU`;
  }
  return describe(name, '').hardware;
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** A report as lines of text, one per backend. */
export function formatReport({ node, platform, variable, backends }: DeviceReport): string {
  const width = Math.max(...backends.map(({ name }) => name.length));
  const head = `Node ${node}, ${platform}${variable ? `, DEEPEND_DEVICE=${variable}` : ''}`;
  const lines = backends.map(({ name, state: at, hardware, memory, reason }) => {
    const usage = memory && `${gib(memory.total)}, ${gib(memory.used)} in use`;
    const details = [hardware, usage, reason].filter(Boolean).join('; ');
    return `${name.padEnd(width)}  ${at.padEnd(7)}  ${details}`.trimEnd();
  });
  return [head, ...lines].join('\n');
}
