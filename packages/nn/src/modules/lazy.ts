/**
 * Modules that learn their number of inputs from the first inputs, as PyTorch's lazy modules do. At
 * the first `forward` they become modules of the ordinary class.
 */
import type * as tf from '@tensorflow/tfjs-core';
import { construct, Module, markUnsized } from '../module';
import { checkTensor } from './checks';
import { Conv1d, Conv2d, ConvTranspose2d } from './conv';
import { Linear } from './linear';
import { BatchNorm1d, BatchNorm2d } from './norm';
import type { WeightOptions } from './seeded';

/** A class whose first argument is the last axis of its inputs. */
type Sized<Args extends unknown[], Made extends Module = Module> = new (
  size: number,
  ...args: Args
) => Made;

/** `Made` without its first argument. */
function lazy<Args extends unknown[], Made extends Module>(
  Made: Sized<Args, Made>,
): new (
  ...args: Args
) => Made {
  class Lazy extends Module {
    readonly #args: Args;

    constructor(...args: Args) {
      super();
      // Wrong arguments are refused here, and the numbers drawn for it are of another stream.
      new Made(groupsOf(args), ...reseeded(Made, args)).dispose();
      this.#args = args;
      markUnsized(this);
    }

    override forward(x: tf.Tensor): tf.Tensor {
      checkTensor(`[nn] ${this.name}`, x);
      construct(Made, [x.shape.at(-1) as number, ...this.#args], this);
      return this.forward(x); // now that of Made
    }
  }
  return Lazy as unknown as new (
    ...args: Args
  ) => Made;
}

type Options = { groups?: number } | undefined;

/** The least number of channels that can be divided. */
const groupsOf = (args: readonly unknown[]): number => (args.at(-1) as Options)?.groups ?? 1;

/** The arguments with a seed, where the class draws numbers: `options` is its last argument. */
function reseeded<Args extends unknown[]>(Made: Sized<Args>, args: Args): Args {
  const count = NUMBERS.get(Made) ?? 0;
  if (count === 0) return args; // normalization draws none
  const all: unknown[] = args;
  const options = all[count] as WeightOptions | undefined;
  // A function of initial values may expect the true size.
  const init = typeof options?.init === 'function' ? { init: 'zeros' } : {};
  return [...all.slice(0, count), { ...options, ...init, seed: 0 }] as Args;
}

/** Arguments between the size and the options of classes that draw numbers. */
const NUMBERS = new Map<unknown, number>([
  [Linear, 1],
  [Conv1d, 2],
  [Conv2d, 2],
  [ConvTranspose2d, 2],
]);

/**
 * `Linear(inFeatures, ...)` whose `inFeatures` is the last axis of the first inputs:
 * `torch.nn.LazyLinear`. It has no parameters before, so call the net once with an example, then
 * load weights or train.
 * @example
 * const net = new nn.Sequential(new nn.LazyLinear(256), new nn.ReLU(), new nn.LazyLinear(10));
 * net.forward(tf.zeros([2, 784])).dispose(); // now its parameters are there
 */
export class LazyLinear extends lazy(Linear) {}

/** `Conv1d(inChannels, ...)` without its first argument: `torch.nn.LazyConv1d`. */
export class LazyConv1d extends lazy(Conv1d) {}

/**
 * `Conv2d(inChannels, ...)` without its first argument: `torch.nn.LazyConv2d`.
 * @example
 * const conv = new nn.LazyConv2d(6, 5, { padding: 2 });
 * conv.forward(tf.zeros([32, 28, 28, 1])).shape; // [32, 28, 28, 6]
 */
export class LazyConv2d extends lazy(Conv2d) {}

/**
 * `ConvTranspose2d(inChannels, ...)` without its first argument: `torch.nn.LazyConvTranspose2d`.
 */
export class LazyConvTranspose2d extends lazy(ConvTranspose2d) {}

/** `BatchNorm1d(numFeatures, ...)` without its first argument: `torch.nn.LazyBatchNorm1d`. */
export class LazyBatchNorm1d extends lazy(BatchNorm1d) {}

/** `BatchNorm2d(numFeatures, ...)` without its first argument: `torch.nn.LazyBatchNorm2d`. */
export class LazyBatchNorm2d extends lazy(BatchNorm2d) {}
