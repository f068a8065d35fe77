/** Which devices can train together, and how each has its worker. */
import { closest, formatValue } from '@deepend/core';
import type { BackendName, Device } from '@deepend/device';
import { type StartLink, startProcess, startThread } from './link';

/**
 * libtensorflow keeps to one GPU a process, cannot be loaded in two threads, and may end its
 * process, as a GPU's driver may.
 */
export const LINKS: Readonly<Record<BackendName, StartLink>> = {
  simd: startThread,
  wasm: startThread,
  'cpu-js': startThread,
  webgpu: startProcess,
  tensorflow: startProcess,
};

/** The part of `train`'s options that decides how many devices compute. */
export interface DeviceOptions {
  readonly device?: Device;
  readonly devices?: readonly Device[];
  readonly microBatch?: number | 'auto';
}

const isGpu = ({ name }: Device) => /^(cuda|webgpu):/.test(name);

/**
 * What a worker asks for by `device()`: a CPU engine by its own name, since `cpu` would be the best
 * one.
 */
export const requestOf = ({ name, backend: engine }: Device): string =>
  name.startsWith('cuda:') ? name : engine;

/** `device 2 of 3, cuda:1` */
export function placeOf(device: Device, i: number, count: number): string {
  const what = device.name === 'cpu' ? `cpu (${device.backend})` : device.name;
  return `device ${i + 1} of ${count}, ${what}`;
}

/**
 * The devices that train together; undefined for one alone, which trains as ever.
 * @throws TypeError or RangeError when they cannot, or not with the other options
 */
export function checkDevices(
  where: string,
  { device, devices, microBatch }: DeviceOptions,
): readonly Device[] | undefined {
  if (devices === undefined) return undefined;
  const option = `${where}: option "devices"`;
  if (device)
    throw new TypeError(
      `${where}: expected "device" or "devices", got both; leave "device" out: the first of "devices" is it`,
    );
  if (devices.length === 0)
    throw new RangeError(
      `${option} must have a device at least, got none; await tryAllGpus() gives what is there`,
    );
  for (const [i, { backend: engine, name }] of devices.entries()) {
    if (!Object.hasOwn(LINKS, engine)) throw new TypeError(`${option}: ${unknown(engine)}`);
    if (isGpu(devices[i] as Device) && devices.findIndex((other) => other.name === name) < i)
      throw new RangeError(`${option} must have each GPU once, got ${name} twice; leave one out`);
  }
  if (devices.length === 1) return undefined;
  if (typeof microBatch === 'number')
    throw new RangeError(
      `${where}: option "microBatch" must be left out with many devices, got ${microBatch}; lower the batch size`,
    );
  return devices;
}

/**
 * The first device is this thread's, and libtensorflow stays on the GPU that it was loaded for.
 * @throws Error when another one computes here
 */
export function requireFirst(where: string, devices: readonly Device[], current: Device): void {
  const first = devices[0] as Device;
  if (first.name === current.name) return;
  const got = `this process computes on ${current.name}`;
  throw new Error(
    `${where}: option "devices": expected ${first.name} to compute here, but ${got}; put that one first`,
  );
}

function unknown(engine: string): string {
  const names = Object.keys(LINKS);
  const near = typeof engine === 'string' ? closest(engine, names) : undefined;
  return `expected devices of the engines ${names.join(', ')}, got ${formatValue(engine)}${near ? `; did you mean '${near}'?` : ''}`;
}
