/** The engines that tests run on. One that is absent here is skipped, and the reason stands in the test's name. */
import './software-gpu';
import { activate, device, type EngineName } from '@deepend/device';

const ENGINES: readonly EngineName[] = ['cpu-js', 'simd', 'wasm', 'tensorflow', 'webgpu'];

export interface TestEngine {
  readonly name: EngineName;
  /** Why it cannot be tested here. */
  readonly absent: string | undefined;
  readonly title: string;
}

/** Asks once for each engine whether it computes here. */
export const engines: readonly TestEngine[] = await Promise.all(
  ENGINES.map(async (name) => {
    const absent = await device(name).then(
      () => undefined,
      (error: Error) => error.message,
    );
    return { name, absent, title: absent ? `${name} (skipped: ${absent})` : name };
  }),
);

export const use = (name: EngineName) => activate({ engine: name });
