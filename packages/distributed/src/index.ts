export { checkDevices, requireFirst } from './devices';
export { DeviceGroup } from './group';
