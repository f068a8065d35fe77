/** Detects, explains and starts the best available TensorFlow.js backend. */
import { registerTensorflow } from './tensorflow/kernels';
import { registerWebgpu } from './webgpu/kernels';

export { type CoreShare, environmentApart, shareCores } from './apart';
export { activate, cpu, currentDevice, device, tryAllGpus, tryGpu } from './devices';
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

registerTensorflow();
registerWebgpu();
