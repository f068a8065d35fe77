/**
 * Tests of types that hold for values of another realm too, where `instanceof` is false. Jest and
 * `node:vm` run each file of tests in a realm of its own, with its own `Float32Array` and `Error`.
 */
const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

export const isUint8Array = (value: unknown): value is Uint8Array => tagOf(value) === 'Uint8Array';
export const isInt32Array = (value: unknown): value is Int32Array => tagOf(value) === 'Int32Array';
export const isFloat32Array = (value: unknown): value is Float32Array =>
  tagOf(value) === 'Float32Array';
export const isFloat64Array = (value: unknown): value is Float64Array =>
  tagOf(value) === 'Float64Array';
export const isSharedBuffer = (value: unknown): value is SharedArrayBuffer =>
  tagOf(value) === 'SharedArrayBuffer';
export const isDate = (value: unknown): value is Date => tagOf(value) === 'Date';
export const isError = (value: unknown): value is Error =>
  tagOf(value) === 'Error' || value instanceof Error;
