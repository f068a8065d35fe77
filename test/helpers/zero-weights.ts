import { vi } from 'vitest';

// To draw random weights would take most of the time of tests that do not depend on them.
vi.mock('../../packages/nn/src/random', async (importOriginal) => {
  const zeros = (size: number) => new Float32Array(size);
  return { ...(await importOriginal<object>()), uniform: zeros, normal: zeros };
});
