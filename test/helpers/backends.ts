/**
 * The backends that tests run on. One that is absent here is skipped, and the reason stands in the
 * test's name.
 */
import { activate, type BackendName, device } from '@deepend/device';

const BACKENDS: readonly BackendName[] = ['cpu-js', 'simd', 'wasm', 'tensorflow'];

export interface TestBackend {
  readonly name: BackendName;
  /** Why it cannot be tested here. */
  readonly absent: string | undefined;
  readonly title: string;
}

/** Asks whether an backend computes here. */
export async function testBackend(name: BackendName): Promise<TestBackend> {
  const absent = await device(name).then(
    () => undefined,
    (error: Error) => error.message,
  );
  return { name, absent, title: absent ? `${name} (skipped: ${absent})` : name };
}

/** The backends on a CPU: what most tests run on. */
export const backends: readonly TestBackend[] = await Promise.all(BACKENDS.map(testBackend));

export const use = (name: BackendName) => activate({ backend: name });
