/** The device of a flag or a setting. */
import { type Device, device, deviceNameFrom, tryGpu } from '@deepend/device';

/** Starts the device that a setting names, and makes it current. */
export const startDevice = (name: string): Promise<Device> =>
  name === 'auto'
    ? tryGpu()
    : device(deviceNameFrom(name, { where: '[deepend] device:', others: ['auto'] }));
