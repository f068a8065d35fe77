/** The gradient of batch normalization in training. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { overChannels, type Rows, rowsOf, SUMS, sumBlocks, sumsOfBlocks } from './channels';
import {
  type GpuBackend,
  grid,
  INDEX,
  type Kernel,
  launch,
  output,
  type Shader,
  scratch,
  size,
} from './launch';

/**
 * dβ = Σdz, dγ = Σdz·x̂, and dx = γ·invStd·(dz − dβ/n − x̂·dγ/n), written as
 * a·dz + b·(x − mean) + c with factors a, b, c per channel.
 */
const gradientOfChannels = (
  rows: Rows,
  tensors: { writes: Shader['writes']; reads: Shader['reads'] },
): Shader => ({
  name: 'normGradientOfChannels',
  ...tensors,
  ...overChannels(rows),
  before: () => SUMS,
  main: () => /* wgsl */ `${sumBlocks(2)}
  if (down == 0 && inside) {
    dBeta[c] = all.x;
    dGamma[c] = all.y;
    let n = f32(u.rows);
    let a = invStd[c]${tensors.reads.gamma ? ' * gamma[c]' : ''};
    factors[c] = a;
    factors[u.channels + c] = -a * invStd[c] * all.y / n;
    factors[2 * u.channels + c] = -a * all.x / n;
    factors[3 * u.channels + c] = mean[c];
  }`,
});

/** Whether the ReLU with output `y` lets a gradient pass. */
const passes = (y: string, ceiling?: number, number = 'number') =>
  ceiling === undefined
    ? `${y} > ${number}(0.0)`
    : `(${y} > ${number}(0.0)) & (${y} < ${number}(${ceiling}))`;

export const batchNormGradient: Kernel<'deepend.batchNormGradient'> = {
  run({ backend, inputs, attrs: { relu, ceiling, residual } }) {
    const { x, dy, mean, invStd, gamma } = inputs;
    const y = relu ? inputs.y : undefined;
    const rows = rowsOf(x);
    const dx = output(backend, x.shape);
    const dz = residual ? output(backend, x.shape) : undefined;
    const dGamma = output(backend, [rows.channels]);
    const dBeta = output(backend, [rows.channels]);
    const masked = `select(0.0, dy[at], ${passes('y[at]', ceiling, 'f32')})`;
    const each = `let z = ${relu ? masked : 'dy[at]'};
    mine += vec2<f32>(z, z * (x[at] - mean[c]) * invStd[c]);`;
    scratch(backend, 4 * rows.channels, (factors) => {
      scratch(backend, 2 * rows.blocks * rows.channels, (partials) => {
        const reads = { x, y, dy, mean, invStd };
        launch(
          backend,
          sumsOfBlocks(x, partials, { name: 'normGradientOfBlocks', reads, each, planes: 2 }),
        );
        const tensors = {
          writes: { dGamma, dBeta, factors },
          reads: { partials, mean, invStd, gamma },
        };
        launch(backend, gradientOfChannels(rows, tensors));
      });
      applyFactors(backend, { writes: { dx, dz }, reads: { x, y, dy, factors } }, ceiling);
    });
    return dz ? [dx, dGamma, dBeta, dz] : [dx, dGamma, dBeta];
  },
};

/** Writes dx, and dz for the shortcut. */
function applyFactors(
  backend: GpuBackend,
  { writes, reads }: Pick<Shader, 'writes' | 'reads'>,
  ceiling?: number,
): void {
  const x = reads.x as TensorInfo;
  const channels = x.shape.at(-1) ?? 1;
  const wide = channels % 4 === 0;
  const [step, count] = wide ? [channels / 4, size(x) / 4] : [channels, size(x)];
  launch(backend, {
    name: 'normGradient',
    variant: String(ceiling),
    writes,
    reads,
    integers: { count, channels: step },
    vectors: wide,
    groups: grid(count),
    main: () => /* wgsl */ `${INDEX}
  let c = i % u.channels;
  let z = ${reads.y ? `select(number(0.0), dy[i], ${passes('y[i]', ceiling)})` : 'dy[i]'};
  ${writes.dz ? 'dz[i] = z;' : ''}
  let centered = x[i] - factors[3 * u.channels + c];
  dx[i] = factors[c] * z + factors[u.channels + c] * centered + factors[2 * u.channels + c];`,
  });
}
