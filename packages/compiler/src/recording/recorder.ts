/** Records the kernels that a function launches, below TensorFlow.js's tape. */
import { mixSeed } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Patch, withPatches } from '../layer-walk';
import type { SeedState } from '../random-seeds';
import { type ActiveRecorder, type Check, type Draw, withRecorder } from './hooks';
import { Recording } from './recording';
import {
  type Attrs,
  dependsOnOthers,
  isVariable,
  type KernelStep,
  type Ref,
  type Step,
  type Value,
} from './steps';
import type { TraceEntry } from './trace';

/** What `runKernelFunc` takes: a registered kernel, or a function with its own gradient. */
interface KernelCall {
  readonly kernelName?: string;
  readonly inputs: tf.NamedTensorMap | tf.Tensor[];
  readonly attrs?: Attrs;
}

type Values = tf.TypedArray | readonly unknown[];

/** The parts of `tf.engine()` that a recording passes through. */
interface Engine {
  runKernelFunc(call: KernelCall): tf.Tensor | tf.Tensor[];
  saveTensorsForBackwardMode(tensors: tf.Tensor[]): tf.Tensor[];
  makeTensor(values: Values, shape: number[], ...rest: unknown[]): tf.Tensor;
  makeVariable(...given: unknown[]): tf.Variable;
  incRef(tensor: tf.Tensor, backend: unknown): void;
  readSync(dataId: object): unknown;
  read(dataId: object): unknown;
}

/** A constant that is computed once is kept up to this size; larger ones take too much memory. */
const LARGEST_KEPT = 65_536; // numbers

export interface RecorderOptions {
  /** The beginning of each error. */
  readonly where: string;
  /** What changes from step to step. */
  readonly inputs: readonly tf.Tensor[];
  /** The variables that the function may change. */
  readonly buffers: readonly tf.Variable[];
  /** Where the seeds of the step begin. */
  readonly seeds: SeedState;
}

/** One recording in progress. Call `run` once, then `finish` or `abort`. */
export class Recorder implements ActiveRecorder {
  readonly trace: TraceEntry[] = [];
  readonly #options: RecorderOptions;
  readonly #values: Value[] = [];
  readonly #refs = new Map<number, Ref>(); // by the tensor's id
  readonly #byData = new Map<object, { ref: Ref; shape: readonly number[] }[]>();
  readonly #steps: Step[] = [];
  readonly #draws: { seed: number; used: boolean }[] = [];
  /** What the tape saved of the kernel in progress: copies and their sources. */
  readonly #saved: [copy: tf.Tensor, source: tf.Tensor][] = [];
  /** Above 0 in a kernel or a check, whose own kernels are not recorded. */
  #depth = 0;
  #failure: Error | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
    options.inputs.forEach((tensor, index) => {
      this.#register(tensor, { kind: 'input', index });
    });
  }

  /** Runs a function and records what it computes. @throws Error for what cannot be replayed */
  run<T>(work: () => T): T {
    const result = withRecorder(this, () => withPatches(this.#patches(), work));
    if (this.#failure) throw this.#failure;
    const unused = this.#draws.some(({ used }) => !used);
    if (unused) {
      throw this.#refusal(
        'draws a seed (nextSeed) for numbers that a replay would repeat; draw them by ' +
          'drawTensor(seed, make) of @deepend/compiler or nn.functional.dropout',
      );
    }
    return result;
  }

  /** The recording, which gives these tensors. */
  finish(outputs: readonly tf.Tensor[]): Recording {
    return new Recording({
      values: this.#values,
      steps: this.#steps,
      outputs: outputs.map((tensor) => this.#refOf(tensor)),
      numDraws: this.#draws.length,
    });
  }

  /** Frees what was kept. */
  abort(): void {
    for (const value of this.#values) if (value.kind === 'constant') value.tensor.dispose();
  }

  seedGiven(seed: number): void {
    const { seed: base, given } = this.#options.seeds;
    // Another seed is that of a scope of the function's own: it stays the same.
    if (seed === mixSeed(base, given + this.#draws.length)) this.#draws.push({ seed, used: false });
  }

  check(tensors: readonly tf.Tensor[], check: Check): void {
    const values = tensors.map((tensor) => this.#refOf(tensor));
    this.#unseen(() => check(tensors));
    this.#steps.push({ kind: 'check', values, check });
    this.trace.push({ label: 'a check', data: { values } });
  }

  draw(seed: number, make: Draw): tf.Tensor {
    const tensor = this.#unseen(() => make(seed));
    const draw = this.#drawOf(seed);
    if (draw === undefined) {
      this.#register(tensor, this.#constant(tensor));
    } else {
      const output = this.#register(tensor, { kind: 'computed' });
      this.#steps.push({ kind: 'draw', draw, make, output });
    }
    this.trace.push({ label: 'random numbers', data: { draw: draw ?? seed, shape: tensor.shape } });
    return tensor;
  }

  #patches(): Patch[] {
    const engine = tf.engine() as unknown as Engine;
    const original = <K extends keyof Engine>(field: K) => engine[field].bind(engine) as Engine[K];
    const run = original('runKernelFunc');
    const save = original('saveTensorsForBackwardMode');
    const makeTensor = original('makeTensor');
    const makeVariable = original('makeVariable');
    const incRef = original('incRef');
    const [readSync, read] = [original('readSync'), original('read')];
    const random = Math.random;
    const replaced: Partial<Engine> = {
      runKernelFunc: (call) => this.#runKernel(call, run),
      saveTensorsForBackwardMode: (tensors) => {
        const copies = save(tensors);
        if (this.#depth === 1)
          copies.forEach((copy, i) => {
            this.#saved.push([copy, tensors[i] as tf.Tensor]);
          });
        return copies;
      },
      makeTensor: (values, shape, ...rest) => {
        const tensor = makeTensor(values, shape, ...rest);
        if (this.#depth === 0) this.#made(tensor, values);
        return tensor;
      },
      makeVariable: (...given) => {
        if (this.#depth === 0) throw this.#refusal('makes a variable; make it in the constructor');
        return makeVariable(...given);
      },
      incRef: (tensor, backend) => {
        if (this.#depth === 0) this.#assigned(tensor as tf.Variable);
        incRef(tensor, backend);
      },
      readSync: (dataId) => {
        if (this.#depth === 0) throw this.#refusal(READS);
        return readSync(dataId);
      },
      // Throwing here would only reject a promise that nobody may wait for.
      read: (dataId) => {
        if (this.#depth === 0) this.#refusal(READS);
        return read(dataId);
      },
    };
    const draw = () => {
      if (this.#depth === 0) throw this.#refusal(DRAWS);
      return random();
    };
    return [
      ...Object.entries(replaced).map(([field, value]) => ({ object: engine, field, value })),
      { object: Math, field: 'random', value: draw },
    ];
  }

  /** The first refusal, which `run` throws even where the function catches it. */
  #refusal(what: string): Error {
    this.#failure ??= new Error(
      `${this.#options.where}: forward or loss ${what}, or leave the module eager`,
    );
    return this.#failure;
  }

  #unseen<T>(work: () => T): T {
    this.#depth++;
    try {
      return work();
    } finally {
      this.#depth--;
    }
  }

  #runKernel(call: KernelCall, run: Engine['runKernelFunc']): tf.Tensor | tf.Tensor[] {
    const { kernelName: name, inputs: given } = call;
    if (this.#depth > 0 || name === undefined) return run(call);
    const inputs = Object.entries(given ?? {}).map(
      ([key, tensor]) => [key, tensor && this.#refOf(tensor)] as const,
    );
    this.#saved.length = 0;
    const result = this.#unseen(() => run(call));
    const outputs = Array.isArray(result) ? result : [result];
    this.#ran({ name, attrs: call.attrs, inputs, takesList: Array.isArray(given) }, outputs);
    for (const [copy, source] of this.#saved) this.#copied(copy, this.#refOf(source));
    return result;
  }

  #ran(call: Omit<KernelStep, 'kind' | 'draw' | 'outputs'>, outputs: tf.Tensor[]): void {
    const { name, attrs, inputs } = call;
    const source = inputs[0]?.[1];
    if (name === 'Identity' && source !== undefined) {
      this.#copied(outputs[0] as tf.Tensor, source);
      return;
    }
    const draw = typeof attrs?.seed === 'number' ? this.#drawOf(attrs.seed) : undefined;
    const seen = draw === undefined ? attrs : { ...attrs, seed: `draw ${draw}` };
    const shapes = outputs.map(({ shape }) => shape);
    this.trace.push({
      label: `the kernel ${name}`,
      data: { ...seen, 'source of inputs': inputs, 'output shapes': shapes },
    });
    const isFixed =
      draw === undefined &&
      !dependsOnOthers(name) &&
      outputs.length > 0 &&
      inputs.every(([, ref]) => ref === undefined || this.#values[ref]?.kind === 'constant') &&
      outputs.every(({ size }) => size <= LARGEST_KEPT);
    const refs = outputs.map((tensor) =>
      this.#register(tensor, isFixed ? this.#constant(tensor) : { kind: 'computed' }),
    );
    if (!isFixed) this.#steps.push({ kind: 'kernel', ...call, draw, outputs: refs });
  }

  /** A copy is its source, unless that may change before the copy is read. */
  #copied(copy: tf.Tensor, source: Ref): void {
    const value = this.#values[source];
    if (value?.kind !== 'held' || !value.isBuffer) {
      this.#name(copy, source);
      return;
    }
    const outputs = [this.#register(copy, { kind: 'computed' })];
    const inputs = [['x', source]] as const;
    const call = { name: 'Identity', attrs: undefined, draw: undefined, takesList: false };
    this.#steps.push({ kind: 'kernel', ...call, inputs, outputs });
  }

  /** A tensor was made from numbers. */
  #made(tensor: tf.Tensor, values: Values): void {
    this.#register(tensor, this.#constant(tensor));
    // Copied, since the caller may write into the array later.
    const kept = ArrayBuffer.isView(values) ? values.slice() : values;
    const label = `a constant tensor [${tensor.shape.join(', ')}]`;
    this.trace.push({ label, data: { dtype: tensor.dtype, values: kept } });
  }

  #assigned(variable: tf.Variable): void {
    if (!this.#options.buffers.includes(variable)) {
      throw this.#refusal(
        `changes the variable ${variable.name}, which is no buffer; make it by nn.buffer`,
      );
    }
    const found = this.#byData.get(variable.dataId) ?? [];
    const value = found.find(({ shape }) => tf.util.arraysEqual([...shape], variable.shape))?.ref;
    if (value === undefined) {
      throw this.#refusal('gives a buffer a tensor from outside; compute the value in forward');
    }
    this.#steps.push({ kind: 'assign', variable, value });
    this.trace.push({ label: 'the change of a buffer', data: { name: variable.id, value } });
  }

  #drawOf(seed: number): number | undefined {
    const found = this.#draws.findIndex((draw) => draw.seed === seed);
    if (found < 0) return undefined;
    (this.#draws[found] as { used: boolean }).used = true;
    return found;
  }

  #constant(tensor: tf.Tensor): Value {
    return { kind: 'constant', tensor: this.#unseen(() => tf.keep(tf.clone(tensor))) };
  }

  /** The value of a tensor. One that is not known was made before: a variable, or held by code. */
  #refOf(tensor: tf.Tensor): Ref {
    const known = this.#refs.get(tensor.id);
    if (known !== undefined) return known;
    const isBuffer = isVariable(tensor) && this.#options.buffers.includes(tensor);
    const label = isVariable(tensor) ? 'a variable' : 'a tensor from outside';
    this.trace.push({ label, data: { id: tensor.id } });
    return this.#register(tensor, { kind: 'held', tensor, isBuffer });
  }

  #register(tensor: tf.Tensor, value: Value): Ref {
    const ref = this.#values.push(value) - 1;
    this.#name(tensor, ref);
    return ref;
  }

  #name(tensor: tf.Tensor, ref: Ref): void {
    this.#refs.set(tensor.id, ref);
    const same = this.#byData.get(tensor.dataId) ?? [];
    this.#byData.set(tensor.dataId, [{ ref, shape: tensor.shape }, ...same]);
  }
}

const READS =
  'reads the values of a tensor (data, array), and what it computes may depend on them, which a ' +
  'replay would not see; compute with tensors, such as tf.where';
const DRAWS =
  'draws random numbers (Math.random, or an operation without a seed), which a replay would ' +
  'repeat; draw them by nn.functional.dropout, or by drawTensor(nextSeed(), make)';
