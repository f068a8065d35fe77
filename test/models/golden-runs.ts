/** What the tests of PyTorch's numbers share: reading test/golden, the net of a run, comparing. */
import { readFileSync } from 'node:fs';
import { type AnyModelOptions, createModel, listModels, registerModel } from '@deepend/models';
import {
  type BlockOrderName,
  cifarStem,
  classifier,
  type ResidualStageOptions,
  residualEnd,
  residualStage,
  type Shortcut,
  sequential,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { expect } from 'vitest';
import { fillNet, goldenBatch } from '../helpers/fill';

export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), 'utf8')) as T;
}

/** By parameter or layer in PyTorch's names. */
type Named<T> = Readonly<Record<string, T>>;

/** A run of make-golden.py. */
export interface Run {
  readonly id: string;
  readonly options?: AnyModelOptions;
  readonly shape: [batch: number, height: number, width: number, channels: number];
  readonly steps: number;
  /** Small enough for every backend. */
  readonly everywhere?: boolean;
  readonly logits: number[][];
}

/** A run with steps of SGD. */
export interface TrainingRun extends Run {
  readonly lr: number;
  /** In training mode, before the first step. */
  readonly trainingLogits: number[][];
  /** The norm of the first step's gradients. */
  readonly gradients: Named<number>;
  /** Of some batch normalizations after the first step, the first 16 channels. */
  readonly runningMean: Named<number[]>;
  readonly runningVar: Named<number[]>;
  readonly losses: number[];
  readonly trainedLogits: number[][];
}

export const trains = (run: Run): run is TrainingRun => run.steps > 0;

/** A bottleneck net of exported blocks, two stages of two: small enough for every block order. */
function bottleneckNet(
  options: { inputShape: [number, number, number]; numClasses: number } & Variant,
): LayersModel {
  const { inputShape, numClasses, blockOrder = 'original', ...variant } = options;
  const names = ['', 'conv1', 'bn1', 'relu', 'maxpool'] as const;
  const common = {
    ...variant,
    block: 'bottleneck',
    blockOrder,
    bias: false,
    normalizedProjection: true,
    blockName: String,
    projectionNames: ['downsample.0', 'downsample.1'],
  } satisfies ResidualStageOptions;
  return sequential(
    [
      cifarStem(16, { bias: false, names }),
      residualStage(64, 2, { ...common, firstBlock: true, name: 'layer1' }),
      residualStage(128, 2, { ...common, name: 'layer2' }),
      residualEnd(blockOrder, { norm: 'bn', relu: 'relu_end' }),
      classifier(numClasses, { names: ['', 'avgpool', 'fc'] }),
    ],
    { inputShape },
  );
}

interface Variant {
  blockOrder?: BlockOrderName;
  shortcut?: Shortcut;
  squeezeRatio?: number;
}

if (!listModels().includes('golden/bottleneck')) registerModel('golden/bottleneck', bottleneckNet);

/** The net of a run with its golden weights, and its batch. */
export function setUp(
  { id, options, shape }: Pick<Run, 'id' | 'options' | 'shape'>,
  { numClasses = 10 } = {},
) {
  const [, ...inputShape] = shape;
  const net = createModel(id, { ...options, inputShape, numClasses });
  fillNet(net);
  return { net, ...goldenBatch(shape, id, { numClasses }) };
}

/** The largest difference over the largest value. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: readonly number[],
  what: string,
  tolerance: number,
): void {
  const largest = Math.max(...expected.map(Math.abs));
  expect(actual.length, what).toBe(expected.length);
  const worst = Math.max(...expected.map((value, i) => Math.abs((actual[i] as number) - value)));
  expect(worst / largest, what).toBeLessThan(tolerance);
}
