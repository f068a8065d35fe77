/** Data-parallel training over several devices of one machine. */

export { DeviceGroup, type GroupOptions } from './device-group';
export { checkDevices, requireFirst } from './devices';
