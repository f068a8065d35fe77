/** Which devices can train together in one process. */
import { closest, formatValue } from '@deepend/core';
import { BACKENDS, type Device } from '@deepend/device';
import type { Compression } from './mpi/sum-program';

/** The options of `train` that concern devices. */
export interface DeviceOptions {
  readonly device?: Device;
  readonly devices?: readonly Device[];
  readonly microBatch?: number | 'auto';
  readonly compression?: Compression;
}

const isGpu = ({ name }: Device) => /^(cuda|webgpu):/.test(name);

/** `device 2 of 3, cuda:1` */
export function describePlace(device: Device, i: number, count: number): string {
  const what = device.name === 'cpu' ? `cpu (${device.backend})` : device.name;
  return `device ${i + 1} of ${count}, ${what}`;
}

/**
 * Checks the devices that train together.
 * @returns undefined for a single device, which needs no group
 * @throws TypeError or RangeError when they cannot train together, or not with the other options
 */
export function checkDevices(
  where: string,
  { device, devices, microBatch, compression = 'none' }: DeviceOptions,
): readonly Device[] | undefined {
  if (devices === undefined) return undefined;
  const option = `${where}: option "devices"`;
  if (device)
    throw new TypeError(
      `${where}: expected "device" or "devices", got both; leave "device" out: it is the ` +
        `first of "devices"`,
    );
  if (devices.length === 0)
    throw new RangeError(
      `${option} must have at least one device, got none; tryAllGpus() returns those of this ` +
        `machine`,
    );
  for (const [i, { backend, name }] of devices.entries()) {
    if (!Object.hasOwn(BACKENDS, backend)) throw new TypeError(`${option}: ${unknown(backend)}`);
    if (isGpu(devices[i] as Device) && devices.findIndex((other) => other.name === name) < i)
      throw new RangeError(`${option} must have each GPU once, got ${name} twice; leave one out`);
  }
  if (devices.length === 1) return undefined;
  const single = devices.slice(1).find(({ backend }) => !BACKENDS[backend].runsInThreads);
  if (single)
    throw new TypeError(
      `${option}: expected devices after the first that compute in threads of this process ` +
        `(${names(({ runsInThreads }) => runsInThreads)}), got ${single.name}, which needs a ` +
        `process of its own; start one for each device: mpirun -n ${devices.length} node script.js`,
    );
  if (typeof microBatch === 'number')
    throw new RangeError(
      `${where}: option "microBatch" must be left out with many devices, got ${microBatch}; ` +
        `lower the batch size`,
    );
  if (compression !== 'none')
    throw new RangeError(
      `${where}: option "compression" must be left out with many devices of one process, which ` +
        `share memory, got '${compression}'; it is for ranks, which mpirun starts`,
    );
  return devices;
}

/**
 * Checks that the first device computes in this thread: libtensorflow stays on the GPU that it was
 * loaded for.
 * @throws Error when another device computes here
 */
export function requireFirst(where: string, devices: readonly Device[], current: Device): void {
  const first = devices[0] as Device;
  if (first.name === current.name) return;
  const got = `this process computes on ${current.name}`;
  throw new Error(
    `${where}: option "devices": expected ${first.name} to compute here, but ${got}; put ` +
      `that one first`,
  );
}

const names = (use: (row: (typeof BACKENDS)[keyof typeof BACKENDS]) => boolean): string =>
  Object.entries(BACKENDS)
    .filter(([, row]) => use(row))
    .map(([name]) => name)
    .join(', ');

function unknown(backend: string): string {
  const all = Object.keys(BACKENDS);
  const near = typeof backend === 'string' ? closest(backend, all) : undefined;
  const hint = near ? `; did you mean '${near}'?` : '';
  return `expected backends of ${all.join(', ')}, got ${formatValue(backend)}${hint}`;
}
