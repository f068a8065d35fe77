/** The weights of an `nn.Module`, whose state dict has PyTorch's names and layouts already. */
import type { ModuleLike } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { NonFiniteWatch } from './non-finite';
import { type TensorToWrite, writeSafetensors } from './safetensors';
import type { Parameter } from './weight-layouts';

/** The names and shapes of a module's state dict, and how each tensor is written. */
export function moduleParameters(module: ModuleLike): Parameter[] {
  const owners = new Map<string, { name: string }>(); // one object for each module inside
  const state = module.stateDict();
  const parameters = Object.entries(state).map(([name, { shape, size, dtype }]): Parameter => {
    const owner = name.slice(0, Math.max(0, name.lastIndexOf('.')));
    const layer = owners.get(owner) ?? { name: owner || module.name };
    owners.set(owner, layer);
    const write = (value: tf.Tensor) => module.loadStateDict({ [name]: value }, { strict: false });
    const variable = { write, read: () => state[name] } as unknown as Parameter['variable'];
    const isInteger = dtype === 'int32';
    return { name, layer, variable, shape, torch: { shape, view: [1, 1, size] }, isInteger };
  });
  tf.dispose(state);
  return parameters;
}

/** Writes a module's state dict as a safetensors file, float32. */
export async function writeModuleWeights(
  module: ModuleLike,
  file: string,
  options: { where: string; metadata: Readonly<Record<string, string>> },
): Promise<void> {
  const state = module.stateDict();
  try {
    const watch = new NonFiniteWatch(options.where);
    const tensors: TensorToWrite[] = Object.entries(state).map(([name, tensor], i) => ({
      name,
      shape: tensor.shape,
      values: async () => {
        const values = Float32Array.from(await tensor.data());
        watch.check(i, name, values);
        return values;
      },
    }));
    await writeSafetensors(file, tensors, options);
    watch.warn();
  } finally {
    tf.dispose(state);
  }
}
