/**
 * Compute shaders on the stock WebGPU backend's own queue. Stock's `runWebGPUProgram` writes one
 * new
 * tensor per shader; these write several, also in place. For `@tensorflow/tfjs-backend-webgpu`
 * 4.22.
 */
import type { FusedKernel, FusedKernelName } from '@deepend/compiler';
import type * as tf from '@tensorflow/tfjs-core';
import { env, util } from '@tensorflow/tfjs-core';

/** A WebGPU object that this module only passes on. */
type Handle = object;

interface Pipeline extends Handle {
  getBindGroupLayout(index: number): Handle;
}

interface Pass {
  setPipeline(pipeline: Pipeline): void;
  setBindGroup(index: number, group: Handle): void;
  dispatchWorkgroups(x: number, y: number, z: number): void;
}

interface TensorData {
  values: unknown;
  /** The type of the stored numbers; a cast from int32 to float32 does not change them. */
  readonly dtype: tf.DataType;
  readonly resource: Handle;
}

/** The part of the stock backend that this module uses. */
export interface GpuBackend extends tf.KernelBackend {
  readonly device: {
    createShaderModule(descriptor: { code: string; label: string }): Handle;
    createComputePipeline(descriptor: object): Pipeline;
    createBindGroup(descriptor: { layout: Handle; entries: object[] }): Handle;
  };
  readonly queue: { writeBuffer(buffer: Handle, offset: number, data: ArrayBuffer): void };
  readonly bufferManager: { acquireBuffer(size: number, usage: number): Handle };
  readonly tensorMap: { get(dataId: object): TensorData };
  readonly commandQueueOwnedIds: WeakSet<object>;
  readonly uniformPendingDisposal: Handle[];
  commandEncoder: { beginComputePass(descriptor: object): Pass };
  computePassEncoder: Pass | null;
  dispatchCountInPass: number;
  uploadToGPU(dataId: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  makeTensorInfo(shape: readonly number[], dtype: tf.DataType): tf.TensorInfo;
}

type Tensors = Readonly<Record<string, tf.TensorInfo | undefined>>;
type Numbers = Readonly<Record<string, number>>;

export interface Shader {
  /** For error messages. `name` and `variant` identify the code in the pipeline cache. */
  readonly name: string;
  readonly variant?: string;
  /**
   * Storage buffers by their names in the code. Undefined ones are not declared, so `variant` must
   * tell. A tensor is bound once only.
   */
  readonly writes: Tensors;
  readonly reads: Tensors;
  /** Uniforms: `u.name` in the code. */
  readonly integers?: Numbers;
  readonly floats?: Numbers;
  /** Declares float32 storage as `vec4<f32>`; the code says `number`. @default false */
  readonly vectors?: boolean;
  /** Threads per workgroup. @default 256 */
  readonly threads?: number;
  /** Workgroups along x and y. */
  readonly groups: readonly [number, number];
  /** WGSL before `main`: functions, workgroup memory. */
  readonly before?: () => string;
  /** The body of `main`: thread `lane` of workgroup `group`, of `groups` workgroups. */
  readonly main: () => string;
}

/** Threads per workgroup. */
export const THREADS = 256;
const UNIFORM_USE = 0x40 | 0x8; // GPUBufferUsage.UNIFORM | COPY_DST
const MOST_GROUPS = 65_535; // per axis; every device has as many

const pipelines = new WeakMap<Handle, Map<string, { pipeline: Pipeline; layout: Handle }>>();

/**
 * The workgroups for `count` threads. `INDEX` is the WGSL for thread `i` that ends after `count`.
 */
export const grid = (count: number): [number, number] => {
  const groups = Math.max(1, Math.ceil(count / THREADS));
  const across = Math.min(groups, MOST_GROUPS);
  return [across, Math.ceil(groups / across)];
};
export const INDEX = /* wgsl */ `
  let i = i32((group.y * groups.x + group.x) * ${THREADS}u + lane);
  if (i >= u.count) { return; }`;

const present = (tensors: Tensors) =>
  Object.entries(tensors).filter(
    (entry): entry is [string, tf.TensorInfo] => entry[1] !== undefined,
  );

/** Enqueues a shader. It neither waits nor reads back. */
export function launch(backend: GpuBackend, shader: Shader): void {
  const casts = present(shader.reads).filter(([, tensor]) => isOnlyCalledFloat(backend, tensor));
  const floats = casts.map(([name, tensor]) => [name, toFloats(backend, tensor)] as const);
  send(backend, { ...shader, reads: { ...shader.reads, ...Object.fromEntries(floats) } });
  for (const [, { dataId }] of floats) backend.disposeData(dataId);
}

const isOnlyCalledFloat = ({ tensorMap }: GpuBackend, { dtype, dataId }: tf.TensorInfo) =>
  dtype === 'float32' && tensorMap.get(dataId).dtype !== 'float32';

function toFloats(backend: GpuBackend, { shape, dataId }: tf.TensorInfo): tf.TensorInfo {
  const floats = output(backend, shape);
  const count = size(floats);
  send(backend, {
    name: 'toFloats',
    writes: { floats },
    reads: { integers: { shape, dataId, dtype: 'int32' } },
    integers: { count },
    groups: grid(count),
    main: () => `${INDEX}\n  floats[i] = f32(integers[i]);`,
  });
  return floats;
}

function send(backend: GpuBackend, shader: Shader): void {
  const storage = [...present(shader.writes), ...present(shader.reads)];
  for (const [, { dataId }] of storage) backend.uploadToGPU(dataId);
  const { pipeline, layout } = pipelineOf(backend, shader);
  const buffers = storage.map(([, { dataId }]) => backend.tensorMap.get(dataId).resource);
  const entries = [...buffers, uniformBuffer(backend, shader)].map((buffer, binding) => ({
    binding,
    resource: { buffer },
  }));
  // Their memory stays until the commands are submitted.
  for (const [, { dataId }] of storage) backend.commandQueueOwnedIds.add(dataId);
  // Values that were read back before are stale.
  for (const [, { dataId }] of present(shader.writes)) backend.tensorMap.get(dataId).values = null;
  backend.ensureCommandEncoderReady();
  backend.computePassEncoder ??= backend.commandEncoder.beginComputePass({});
  const pass = backend.computePassEncoder;
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, backend.device.createBindGroup({ layout, entries }));
  pass.dispatchWorkgroups(...shader.groups, 1);
  if (++backend.dispatchCountInPass < env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) return;
  backend.endComputePassEncoder();
  backend.submitQueue();
}

function pipelineOf({ device }: GpuBackend, shader: Shader) {
  const { name, variant = '', vectors = false } = shader;
  const known = pipelines.get(device) ?? new Map();
  pipelines.set(device, known);
  const places = [...present(shader.writes), ...present(shader.reads)].map(
    ([place, { dtype }]) => `${place}:${dtype}`,
  );
  const key = [name, variant, vectors, ...places].join();
  let made = known.get(key);
  if (!made) {
    const label = `deepend ${name}`;
    const module = device.createShaderModule({ code: codeOf(shader), label });
    const pipeline = device.createComputePipeline({
      compute: { module, entryPoint: 'main' },
      label,
      layout: 'auto',
    });
    made = { pipeline, layout: pipeline.getBindGroupLayout(0) };
    known.set(key, made);
  }
  return made;
}

function codeOf({
  writes,
  reads,
  integers = {},
  floats = {},
  vectors,
  threads = THREADS,
  before,
  main,
}: Shader): string {
  const element = ({ dtype }: tf.TensorInfo) => (dtype === 'float32' ? 'number' : 'i32');
  const declared = [
    ...present(writes).map(
      ([name, tensor]) => `var<storage, read_write> ${name}: array<${element(tensor)}>;`,
    ),
    ...present(reads).map(
      ([name, tensor]) => `var<storage, read> ${name}: array<${element(tensor)}>;`,
    ),
    'var<uniform> u: Uniforms;',
  ];
  const fields = [
    ...Object.keys(integers).map((name) => `${name}: i32`),
    ...Object.keys(floats).map((name) => `${name}: f32`),
  ];
  return /* wgsl */ `
alias number = ${vectors ? 'vec4<f32>' : 'f32'};
struct Uniforms { ${fields.join(', ')} }
${declared.map((text, binding) => `@group(0) @binding(${binding}) ${text}`).join('\n')}
${before?.() ?? ''}
@compute @workgroup_size(${threads})
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
${main()}
}`;
}

/** Four bytes per number, integers first, in the order of the struct. */
function uniformBuffer(backend: GpuBackend, { integers = {}, floats = {} }: Shader): Handle {
  const [whole, real] = [Object.values(integers), Object.values(floats)];
  const bytes = new ArrayBuffer(16 * Math.ceil((whole.length + real.length) / 4));
  new Int32Array(bytes).set(whole);
  new Float32Array(bytes).set(real, whole.length);
  const buffer = backend.bufferManager.acquireBuffer(bytes.byteLength, UNIFORM_USE);
  backend.queue.writeBuffer(buffer, 0, bytes);
  backend.uniformPendingDisposal.push(buffer);
  return buffer;
}

/** A new float32 tensor. */
export const output = (backend: GpuBackend, shape: readonly number[]): tf.TensorInfo =>
  backend.makeTensorInfo([...shape], 'float32');

/** Temporary memory that is released after `use`. */
export function scratch(
  backend: GpuBackend,
  size: number,
  use: (tensor: tf.TensorInfo) => void,
): void {
  const tensor = output(backend, [size]);
  try {
    use(tensor);
  } finally {
    backend.disposeData(tensor.dataId);
  }
}

/** A fused kernel of this backend. */
export type Kernel<K extends FusedKernelName> = FusedKernel<K, GpuBackend>;

export const size = ({ shape }: tf.TensorInfo): number => util.sizeFromShape([...shape]);
