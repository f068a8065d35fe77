/**
 * The engines that tests run on. One that is absent here is skipped, and the reason stands in the
 * test's name.
 */
import { activate, type BackendName, device } from '@deepend/device';

const ENGINES: readonly BackendName[] = ['cpu-js', 'simd', 'wasm', 'tensorflow'];

export interface TestEngine {
  readonly name: BackendName;
  /** Why it cannot be tested here. */
  readonly absent: string | undefined;
  readonly title: string;
}

/** Asks whether an engine computes here. */
export async function testEngine(name: BackendName): Promise<TestEngine> {
  const absent = await device(name).then(
    () => undefined,
    (error: Error) => error.message,
  );
  return { name, absent, title: absent ? `${name} (skipped: ${absent})` : name };
}

/** The engines on a CPU: what most tests run on. */
export const engines: readonly TestEngine[] = await Promise.all(ENGINES.map(testEngine));

export const use = (name: BackendName) => activate({ backend: name });
