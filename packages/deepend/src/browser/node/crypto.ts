export const randomUUID = (): string =>
  globalThis.crypto.randomUUID?.() ?? `${Math.random()}`.slice(2);
export function createHash(): never {
  throw new Error('hashes need Node.js');
}
export const getRandomValues = (array: Uint8Array): Uint8Array =>
  globalThis.crypto.getRandomValues(array as never);
export default { randomUUID, createHash, getRandomValues };
