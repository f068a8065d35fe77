/** Without room for WebAssembly's memory, as under `ulimit -v`, loaders compute in JavaScript. */
import { afterEach, expect, it, vi } from 'vitest';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

it('resizes to the same pixels when no memory of WebAssembly can be reserved', async () => {
  const images = Uint8Array.from({ length: 60 }, (_, i) => (i * 37) % 256);
  const resize = async () => {
    vi.resetModules();
    const { resizeImages } = await import('@deepend/data');
    return [...resizeImages(images, [10, 6, 1], [7, 9])];
  };
  const expected = await resize();
  const memory = vi.fn(function Memory() {
    throw new RangeError('WebAssembly.Memory(): could not allocate memory');
  });
  const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: object };
  const names = Object.getOwnPropertyDescriptors(wasm);
  vi.stubGlobal('WebAssembly', Object.create(null, { ...names, Memory: { value: memory } }));
  expect(await resize()).toEqual(expected);
  expect(memory).toHaveBeenCalledOnce();
});
