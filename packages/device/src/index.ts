/** Detects, explains and starts the best available TensorFlow.js backend. */
import { registerBackends } from './backends';

export type { Backend } from './backend';
export { BACKENDS } from './backends';
export { deviceNameFrom } from './choice';
export {
  activate,
  cpu,
  currentDevice,
  defaultDevice,
  device,
  tryAllGpus,
  tryGpu,
  unstartedDevice,
} from './devices';
export {
  type BackendReport,
  type BackendState,
  type DeviceReport,
  deviceReport,
  formatReport,
  listDevices,
} from './report';
export { toDevice } from './to-device';
export type {
  BackendName,
  CandidateName,
  ChoiceOptions,
  Device,
  DeviceMemory,
  DeviceName,
} from './types';
export { type CoreShare, shareCores, workerEnvironment } from './workers';

registerBackends();
