/** The models that `train` and its siblings take. */
import type { ModuleLike } from '@deepend/compiler';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/** A `tf.LayersModel`, which is compiled, or an `nn.Module`, which is computed as it is written. */
export type AnyModel = LayersModel | ModuleLike;
