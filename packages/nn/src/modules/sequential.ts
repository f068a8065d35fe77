import { isModule } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { Module } from '../module';
import { buildModule, describeModules, isDescription } from './described';

/** A module, or a function without parameters, such as `tf.relu`. */
// biome-ignore lint/suspicious/noExplicitAny: every step has other inputs and outputs
export type Step = Module | ((...inputs: any[]) => any);

/**
 * Applies its steps one after the other. `torch.nn.Sequential`: parameters are named by the place,
 * `0.weight`, `2.weight`, or by the name where a record of steps is given.
 * @example
 * const net = new nn.Sequential(new nn.Linear(784, 256), new nn.ReLU(), new nn.Linear(256, 10));
 * @example
 * const named = new nn.Sequential({ hidden: new nn.Linear(784, 256), act: tf.relu });
 */
export class Sequential extends Module {
  readonly #names: string[] = [];

  /** @throws TypeError for a step that is neither a module nor a function */
  constructor(...steps: Step[] | [Readonly<Record<string, Step>>]) {
    super();
    const [first] = steps;
    const isOne = isStep(first) || isDescription(first);
    const isRecord = steps.length === 1 && !isOne && first instanceof Object;
    const named = isRecord ? Object.entries(first) : steps.map((step, i) => [String(i), step]);
    for (const [name, step] of named as [string, Step][])
      this.#add(name, isDescription(step) ? buildModule('[nn] Sequential', step) : step);
  }

  /** Undefined where a step is a function, or a module whose class declares no arguments. */
  override config(): readonly unknown[] | undefined {
    const { steps } = this;
    const described = steps.every((step) => isModule(step)) && describeModules(steps as Module[]);
    if (!described) return undefined;
    if (this.#names.every((name, i) => name === String(i))) return described;
    // A record has its numbers in front, in any order of adding.
    if (this.#names.some((name) => /^\d+$/.test(name))) return undefined;
    return [Object.fromEntries(this.#names.map((name, i) => [name, described[i]]))];
  }

  #add(name: string, step: Step): void {
    if (!isStep(step)) {
      throw new TypeError(
        `[nn] Sequential: expected modules or functions, got ${formatValue(step)} as "${name}"`,
      );
    }
    if (name in this) {
      throw new TypeError(
        `[nn] Sequential: a step cannot be named "${name}", which modules have; rename it`,
      );
    }
    this.#names.push(name);
    (this as unknown as Record<string, Step>)[name] = step;
  }

  get length(): number {
    return this.#names.length;
  }

  /** The steps in their order. */
  get steps(): Step[] {
    return this.#names.map((name) => (this as unknown as Record<string, Step>)[name] as Step);
  }

  /** The step at a place; -1 is the last. */
  at(index: number): Step | undefined {
    return this.steps.at(index);
  }

  /** Adds a step at the end. */
  append(step: Step): this {
    this.#add(String(this.length), step);
    return this;
  }

  [Symbol.iterator](): Iterator<Step> {
    return this.steps[Symbol.iterator]();
  }

  /** The first step takes all inputs, each other one what the step before it gave. */
  // biome-ignore lint/suspicious/noExplicitAny: the last step's output
  override forward(...inputs: any[]): any {
    return tf.tidy(() => {
      const [last] = this.steps.reduce((given, step) => [run(step, given)], inputs);
      return last;
    });
  }
}

const isStep = (value: unknown): value is Step => isModule(value) || typeof value === 'function';

const run = (step: Step, inputs: unknown[]): unknown =>
  typeof step === 'function' ? step(...inputs) : step.forward(...inputs);
