/** What computes here, and why not a better one: for people and for bug reports. */
import * as tf from '@tensorflow/tfjs-core';
import { BACKENDS } from './backends';
import { ORDER } from './choice';
import { describe, faultOf } from './devices';
import { cpuHardware } from './hardware';
import { state } from './state';
import { cudaFault, cudaGpus } from './tensorflow/cuda';
import { probeNative } from './tensorflow/native';
import type { BackendName, CandidateName, Device, DeviceMemory } from './types';
import { probeWebgpu } from './webgpu/probe';

/**
 * `current`: computes now; `started`: in this process; `ready`: would start; `refused`: cannot
 * compute, or is not chosen by itself.
 */
export type BackendState = 'current' | 'started' | 'ready' | 'refused';

export interface BackendReport {
  /** What it is asked for by: `cuda:0`, `webgpu:0`, or the engine's name. */
  readonly name: string;
  readonly backend: BackendName;
  readonly state: BackendState;
  /** Where it can compute. */
  readonly hardware?: string;
  readonly memory?: DeviceMemory;
  /** Why it was refused and what to do, or what one should know of it. */
  readonly reason?: string;
}

export interface DeviceReport {
  /** `v20.20.2`. */
  readonly node: string;
  /** `linux x64`. */
  readonly platform: string;
  /** `DEEPEND_DEVICE`, where it is set. */
  readonly variable?: string;
  /** The best first. */
  readonly backends: readonly BackendReport[];
}

/**
 * Each engine: whether it can compute here, on what, and why not. Native engines are tried in a
 * child process; none is made current.
 */
export async function deviceReport(): Promise<DeviceReport> {
  const engines: BackendReport[] = [];
  for (const name of ORDER) engines.push(...(await reportOn(name)));
  const variable = process.env.DEEPEND_DEVICE;
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    ...(variable && { variable }),
    backends: engines,
  };
}

/**
 * The devices that can compute here, the best first; a software adapter is among them, at the end
 * of its `hardware`. None is made current.
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
  const own = { name: name === 'webgpu' ? 'webgpu:0' : name, backend: name };
  const fault = await faultOf(name);
  const hardware = fault && name !== 'webgpu' ? undefined : await hardwareOf(name);
  const reason = fault ?? (name === 'tensorflow' ? await nativeNote() : undefined);
  return [
    {
      ...own,
      state: fault ? 'refused' : stateOf(name),
      ...(hardware && { hardware }),
      ...(reason && { reason }),
    },
  ];
}

/** A row for each GPU, or one that says why there is none. */
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

function stateOf(engine: BackendName): BackendState {
  const { backend } = BACKENDS[engine];
  if (tf.getBackend() === backend) return 'current';
  return tf.findBackend(backend) ? 'started' : 'ready';
}

/** tfjs-node-gpu that computes on the CPU does not say so itself. */
async function nativeNote(): Promise<string | undefined> {
  const { package: name, noGpu } = await probeNative();
  return name?.endsWith('-gpu') ? noGpu : undefined;
}

async function hardwareOf(engine: BackendName): Promise<string | undefined> {
  if (engine === 'webgpu') {
    const { adapter } = await probeWebgpu();
    return (
      adapter &&
      (adapter.software ? `${adapter.name}, a software adapter: the CPU computes` : adapter.name)
    );
  }
  const { loaded } = state();
  if (engine === 'tensorflow' && !loaded) {
    const { package: name = '' } = await probeNative();
    return `${cpuHardware('all')}, ${name.replace('@tensorflow/', '')} on the CPU`;
  }
  return describe(engine, '').hardware;
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** A report as lines of text. */
export function formatReport({
  node,
  platform,
  variable,
  backends: engines,
}: DeviceReport): string {
  const wide = Math.max(...engines.map(({ name }) => name.length));
  const head = `Node ${node}, ${platform}${variable ? `, DEEPEND_DEVICE=${variable}` : ''}`;
  const lines = engines.map(({ name, state: at, hardware, memory, reason }) => {
    const room = memory && `${gib(memory.total)}, ${gib(memory.used)} in use`;
    return `${name.padEnd(wide)}  ${at.padEnd(7)}  ${[hardware, room, reason].filter(Boolean).join('; ')}`.trimEnd();
  });
  return [head, ...lines].join('\n');
}
