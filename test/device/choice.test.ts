import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { choose, ORDER } from '../../packages/device/src/choice';
import { gpusOfRank, parseGpus, visibleGpus } from '../../packages/device/src/hardware';
import { gpuAbsence } from '../../packages/device/src/tensorflow/native';

const WHERE = '[device] tryGpu';

describe('what is tried, and in what order', () => {
  it('is the best first where nobody says otherwise', () => {
    expect(choose(WHERE, {}, undefined)).toEqual({ order: ORDER });
    expect(ORDER).toEqual(['cuda', 'webgpu', 'simd', 'tensorflow', 'wasm', 'cpu-js']);
  });

  it('is what the variable says: a device, an order, or what is left out', () => {
    expect(choose(WHERE, {}, 'cuda:1')).toMatchObject({ fixed: 'cuda:1' });
    expect(choose(WHERE, {}, 'wasm, simd')).toMatchObject({ order: ['wasm', 'simd'] });
    expect(choose(WHERE, {}, '!webgpu,!cuda').order).toEqual([
      'simd',
      'tensorflow',
      'wasm',
      'cpu-js',
    ]);
    expect(choose(WHERE, {}, 'webgpu,simd,!webgpu').order).toEqual(['simd']);
  });

  it('is what the options say, whatever the variable says', () => {
    expect(choose(WHERE, { order: ['wasm', 'webgpu'] }, 'simd')).toMatchObject({
      order: ['wasm', 'webgpu'],
    });
    expect(choose(WHERE, { exclude: ['simd'] }, 'simd').order).not.toContain('simd');
  });

  it('refuses what makes no sense', () => {
    expect(() => choose(WHERE, {}, 'simd,wasn')).toThrow(
      /DEEPEND_DEVICE: expected names of cuda, .* got 'wasn'; did you mean 'wasm'/,
    );
    expect(() => choose(WHERE, {}, '!gpu')).toThrow(/got 'gpu'/);
    for (const variable of ['gpu,simd', '!gpu', 'simd,mps'])
      expect(() => choose(WHERE, {}, variable)).toThrow(
        /got '(gpu|mps)'; did you mean 'cuda' or 'webgpu'\? tryGpu\(\) takes the best GPU/,
      );
    expect(() => choose(WHERE, {}, 'gpu')).toThrow(/did you mean 'cuda:0' or 'webgpu:0'\?/);
    for (const options of [{ order: ['gpu'] }, { order: ['simd', 'cuda:0'] }, { exclude: ['gpu'] }])
      expect(() => choose(WHERE, options as never)).toThrow(
        /must be .*; did you mean 'cuda' or 'webgpu'\?/,
      );
    expect(() => choose(WHERE, { order: ['wasn' as never] })).toThrow(/did you mean 'wasm'\?$/);
    expect(() => choose(WHERE, {}, 'simd,!simd,wasm,!wasm')).toThrow(/leaves nothing/);
    expect(() => choose(WHERE, { order: ['simd'], exclude: ['simd'] })).toThrow(/leave nothing/);
    expect(() => choose(WHERE, { order: ['gpu' as never] })).toThrow(/option "order.*must be/);
    expect(() => choose(WHERE, { orders: [] } as never)).toThrow(/orders/);
  });
});

const MIB = 2 ** 20;

describe("the driver's list of GPUs", () => {
  it('gives names and memory, and no memory where the driver tells none', () => {
    const text = '0, NVIDIA H100 80GB HBM3, 81559, 4\n1, NVIDIA GB10, [N/A], [N/A]\n\n';
    expect(parseGpus(text)).toEqual([
      { id: '0', name: 'NVIDIA H100 80GB HBM3', memory: { total: 81559 * MIB, used: 4 * MIB } },
      { id: '1', name: 'NVIDIA GB10' },
    ]);
  });

  it('takes any text without an error', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('0', '1', ',', '\n', ' ', 'a', '[', '.') }),
        (text) => {
          for (const { id, name } of parseGpus(text)) {
            expect(id).toMatch(/^\d+$/);
            expect(name).not.toBe('');
          }
        },
      ),
    );
  });

  it('is what CUDA_VISIBLE_DEVICES leaves, in its order and up to the first that is not there', () => {
    const gpus = parseGpus('0, a, 1, 1\n1, b, 1, 1\n2, c, 1, 1');
    const names = (visible: string | undefined) =>
      visibleGpus(gpus, visible).map(({ name }) => name);
    expect(names(undefined)).toEqual(['a', 'b', 'c']);
    expect(names('2, 0')).toEqual(['c', 'a']);
    expect(names('1,-1,0')).toEqual(['b']);
    expect(names('')).toEqual([]);
  });
});

describe('why libtensorflow uses no GPU', () => {
  const missing = (library: string) =>
    `W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library '${library}'; dlerror: ${library}: cannot open shared object file`;

  it('names the libraries that it misses, and the versions that it wants', () => {
    const notes = [
      missing('libcudart.so.11.0'),
      missing('libcudnn.so.8'),
      missing('libcudart.so.11.0'),
      missing('libnvinfer.so.7'),
    ];
    expect(gpuAbsence(notes.join('\n'))).toBe(
      'libcudart.so.11.0, libcudnn.so.8 not found; it needs CUDA 11.2 and cuDNN 8.1: install those versions, or use webgpu',
    );
  });

  it('tells a missing driver, a CUDA that does not start and a full GPU apart', () => {
    expect(gpuAbsence(missing('libcuda.so.1'))).toMatch(/install the NVIDIA driver/);
    expect(
      gpuAbsence(
        'E cuda_driver.cc:271] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no device\nI x',
      ),
    ).toMatch(/CUDA does not start \(CUDA_ERROR_NO_DEVICE: no device\)/);
    expect(gpuAbsence('CUDA_ERROR_OUT_OF_MEMORY: out of memory')).toMatch(/no memory left/);
    expect(gpuAbsence('')).toMatch(/it sees no GPU; it needs CUDA 11.2 and cuDNN 8.1/);
  });
});

it('each rank of MPI has a GPU of its own, in turn', () => {
  const gpus = ['a', 'b'];
  expect([0, 1, 2].map((rank) => gpusOfRank(gpus, rank))).toEqual([['a'], ['b'], ['a']]);
  expect(gpusOfRank(gpus, undefined)).toEqual(gpus);
  expect(gpusOfRank([], 1)).toEqual([]);
});
