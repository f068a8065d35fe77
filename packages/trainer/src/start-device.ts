/** The device that computes when a call names none. */
import { type Device, defaultDevice, toDevice } from '@deepend/device';
import type { AnyModel } from './model';

/**
 * The current device, if deepend or `tf.setBackend` chose it. Otherwise starts the best CPU backend
 * and moves the model there: TensorFlow.js's own default is plain JavaScript, which is much slower.
 */
export async function startDefaultDevice(
  model: AnyModel,
): Promise<Device & { readonly isDefault: boolean }> {
  const device = await defaultDevice();
  if (device.isDefault) await toDevice(model, device);
  return device;
}
