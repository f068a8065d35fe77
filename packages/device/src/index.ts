/** What can compute here, and starting it. */
export { type CoreShare, environmentApart, shareCores } from './apart';
export { activate, cpu, currentDevice, device, tryAllGpus, tryGpu } from './devices';
export {
  type DeviceReport,
  deviceReport,
  type EngineReport,
  type EngineState,
  formatReport,
  listDevices,
} from './report';
export { toDevice } from './to-device';
export type {
  CandidateName,
  ChoiceOptions,
  Device,
  DeviceMemory,
  DeviceName,
  EngineName,
} from './types';
