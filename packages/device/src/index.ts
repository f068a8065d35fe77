/** What can compute here, and starting it. */
export { activate, cpu, currentDevice, device, tryAllGpus, tryGpu } from './devices';
export type { Device, DeviceName, EngineName } from './types';
