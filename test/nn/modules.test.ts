/** Modules: what they refuse, leaks, dropout, padding rows, seeds and constructors' arguments. */
import { manualSeed, withSeed } from '@deepend/compiler';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));
beforeEach(() => manualSeed(0));

const int32 = (values: number[], shape?: number[]) => tf.tensor(values, shape, 'int32');
const bool = (shape: number[]) => tf.zeros(shape, 'bool');

describe('bad input is refused', () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      'another last axis',
      () => new nn.Linear(128, 2).forward(tf.zeros([32, 64])),
      /\[nn\] Linear: expected inputs of 128 features in the last axis, got \[32, 64\]; build/,
    ],
    [
      'ids that are no integers',
      () => new nn.Embedding(4, 2).forward(tf.tensor([0.5])),
      /\[nn\] Embedding: expected integer ids \(int32\), got a float32 tensor \[1\]; make them/,
    ],
    ['an id outside', () => new nn.Embedding(4, 2).forward(int32([0, 4])), /from 0 to 3, .* got 4/],
    ['a negative id', () => new nn.Embedding(4, 2).forward(int32([-1])), /from 0 to 3, .* got -1/],
    [
      'images as an MLP has them',
      () => new nn.Conv2d(1, 6, 5).forward(tf.zeros([32, 784])),
      /\[nn\] Conv2d: expected inputs \[batch, height, width, channels\], got \[32, 784\]/,
    ],
    [
      "PyTorch's order of axes",
      () => new nn.Conv2d(1, 6, 5).forward(tf.zeros([32, 1, 28, 28])),
      /\[nn\] Conv2d: expected inputs of 1 channels in the last axis, got \[32, 1, 28, 28\]/,
    ],
    [
      'images smaller than the kernel',
      () => new nn.Conv2d(1, 6, 5).forward(tf.zeros([1, 4, 8, 1])),
      /the kernel reaches over 5 places, but inputs \[1, 4, 8, 1\] have 4 with padding/,
    ],
    [
      'images smaller than the window',
      () => new nn.MaxPool2d(3).forward(tf.zeros([1, 2, 2, 1])),
      /a window of 3 does not fit/,
    ],
    [
      'a state of another shape',
      () => new nn.GRU(2, 3).forward(tf.zeros([4, 5, 2]), tf.zeros([1, 4, 3])),
      /\[nn\] GRU: expected a state \[layers .* batch, hidden\] of shape \[1, 5, 3\], got \[1, 4, 3\]/,
    ],
    [
      'one state of two',
      () => new nn.LSTM(2, 3).forward(tf.zeros([4, 5, 2]), tf.zeros([1, 5, 3]) as never),
      /\[nn\] LSTM: expected a state \[h0, c0\], got \[1, 5, 3\]/,
    ],
    [
      'a length beyond the sequence',
      () => new nn.GRU(2, 3).forward(tf.zeros([4, 2, 2]), undefined, { lengths: int32([4, 5]) }),
      /\[nn\] GRU: expected lengths from 1 to 4, the time steps of inputs \[4, 2, 2\], got 5/,
    ],
    [
      'lengths of another batch',
      () => new nn.GRU(2, 3).forward(tf.zeros([4, 2, 2]), undefined, { lengths: int32([4]) }),
      /expected lengths \[batch\] of shape \[2\], got \[1\]/,
    ],
    [
      'lengths that are no integers',
      () => new nn.GRU(2, 3).forward(tf.zeros([4, 1, 2]), undefined, { lengths: tf.tensor([1.5]) }),
      /expected int32 lengths, got a float32 tensor/,
    ],
    [
      'a mask of another length',
      () => attend({ keyPaddingMask: bool([2, 4]) }),
      /expected keyPaddingMask of shape \[2, 3\], got \[2, 4\]/,
    ],
    [
      'an attention mask of another length',
      () => attend({ attnMask: bool([3, 2]) }),
      /expected attnMask of shape \[3, 3\] or \[4, 3, 3\], got \[3, 2\]/,
    ],
    [
      'a mask of integers',
      () => attend({ attnMask: tf.zeros([3, 3], 'int32') }),
      /attnMask must be bool .* got a int32 tensor/,
    ],
    [
      'a mask by another name',
      () => attend({ mask: bool([3, 3]) } as never),
      /there is no option "mask"; did you mean "attnMask"/,
    ],
    [
      'keys and values of other lengths',
      () => {
        const x = tf.zeros([3, 2, 4]);
        return new nn.MultiheadAttention(4, 2).forward(x, x, tf.zeros([2, 2, 4]));
      },
      /as many keys as values, got \[3, 2, 4\], \[3, 2, 4\], \[2, 2, 4\]/,
    ],
    [
      'one value a feature in training',
      () => new nn.BatchNorm1d(3).forward(tf.zeros([1, 3])),
      /expected more than one value for each feature in training, got \[1, 3\]/,
    ],
    [
      'images for sequences',
      () => new nn.BatchNorm1d(3).forward(tf.zeros([1, 2, 2, 3])),
      /expected inputs \[batch, features\] or \[batch, length, features\], got/,
    ],
    [
      'other last axes',
      () => new nn.LayerNorm([3, 4]).forward(tf.zeros([4, 3])),
      /last axes are \[3, 4\]/,
    ],
    ['a number', () => new nn.Linear(2, 2).forward(5 as never), /expected a tensor, got 5/],
  ])('%s', (_, run, message) => {
    expect(() => tf.tidy(() => void run())).toThrow(message);
  });

  const attend = (masks: nn.AttentionMasks) => {
    const x = tf.zeros([3, 2, 4]); // [time, batch, features]
    return new nn.MultiheadAttention(4, 2).forward(x, x, x, masks);
  };

  it.each<[string, () => unknown, RegExp]>([
    [
      'no features',
      () => new nn.Linear(0, 2),
      /inFeatures must be an integer of at least 1, got 0/,
    ],
    ['an unknown option', () => new nn.Linear(1, 2, { bia: false } as never), /no option "bia"/],
    ['heads that do not divide', () => new nn.MultiheadAttention(5, 2), /numHeads must divide/],
    [
      'groups that do not divide',
      () => new nn.Conv2d(3, 4, 1, { groups: 2 }),
      /"groups" must divide/,
    ],
    [
      'same padding with a stride',
      () => new nn.Conv2d(1, 1, 3, { padding: 'same', stride: 2 }),
      /needs stride 1/,
    ],
    ['dropout of one layer', () => new nn.LSTM(2, 3, { dropout: 0.5 }), /acts between layers/],
    [
      'projections, which are not here',
      () => new nn.LSTM(2, 3, { projSize: 2 } as never),
      /no option "projSize"/,
    ],
    [
      'a padding row outside',
      () => new nn.Embedding(3, 2, { paddingIdx: 3 }),
      /from -3 to 2, got 3/,
    ],
    ['a probability above 1', () => new nn.Dropout(1.5), /p must be a number of at least 0 and/],
    [
      'a step that is neither',
      () => new nn.Sequential(5 as never),
      /expected modules or functions/,
    ],
    [
      'a step named as a method',
      () => new nn.Sequential({ train: tf.relu }),
      /cannot be named "train"/,
    ],
    [
      'a layer instead of its maker',
      () => new nn.TransformerEncoder({} as never, 2),
      /a function that makes/,
    ],
    ['no size', () => new nn.Upsample({}), /one of the options "size" and "scaleFactor"/],
  ])('in a constructor: %s', (_, run, message) => {
    expect(run).toThrow(message);
  });

  it('a weight overwritten by a number', () => {
    const net = new nn.Sequential(new nn.Linear(2, 2));
    net.parameters();
    (net.at(0) as unknown as { weight: unknown }).weight = 5;
    expect(() => net.parameters()).toThrow(/"0.weight" held a parameter and was overwritten by 5/);
  });
});

describe('no tensor is left', () => {
  const x = () => tf.randomNormal([2, 8, 8, 4], 0, 1, 'float32', 1);
  const sequence = () => tf.randomNormal([3, 2, 4], 0, 1, 'float32', 1);
  it.each<[string, () => nn.Module, () => tf.Tensor]>([
    ['Linear', () => new nn.Linear(4, 3), sequence],
    ['Embedding', () => new nn.Embedding(4, 3, { paddingIdx: 0 }), () => int32([1, 0])],
    ['Conv2d', () => new nn.Conv2d(4, 4, 3, { groups: 2, dilation: 2 }), x],
    ['Conv1d', () => new nn.Conv1d(4, 4, 2), sequence],
    ['ConvTranspose2d', () => new nn.ConvTranspose2d(4, 2, 3, { padding: 1 }), x],
    ['BatchNorm2d', () => new nn.BatchNorm2d(4), x],
    ['LayerNorm', () => new nn.LayerNorm(4), x],
    ['GroupNorm', () => new nn.GroupNorm(2, 4), x],
    ['MaxPool2d', () => new nn.MaxPool2d(3, { padding: 1 }), x],
    ['AvgPool2d', () => new nn.AvgPool2d(3, { padding: 1, countIncludePad: false }), x],
    ['AdaptiveAvgPool2d', () => new nn.AdaptiveAvgPool2d(3), x],
    ['Upsample', () => new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' }), x],
    ['Flatten', () => new nn.Flatten(), x],
    ['Dropout', () => new nn.Dropout(0.5), x],
    ['Softmax', () => new nn.Softmax(1), x],
    ['GRU', () => new nn.GRU(4, 3, { numLayers: 2, dropout: 0.5, bidirectional: true }), sequence],
    ['LSTM', () => new nn.LSTM(4, 3, { batchFirst: true }), sequence],
    ['MultiheadAttention', () => new nn.MultiheadAttention(4, 2, { dropout: 0.5 }), sequence],
    [
      'TransformerEncoderLayer',
      () => new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 8 }),
      sequence,
    ],
    [
      'Sequential',
      () => new nn.Sequential(new nn.Linear(4, 3), tf.relu, new nn.Dropout()),
      sequence,
    ],
  ])('%s', (_, make, input) =>
    expectNoLeak(() => {
      const module = make();
      const given = input();
      const first = () => [module.forward(given)].flat(2)[0] as tf.Tensor;
      tf.dispose([module.forward(given)]);
      if (module.parameters().length > 0) {
        const { value, grads } = tf.variableGrads(() => tf.sum(first()), module.parameters());
        tf.dispose([value, grads]);
      }
      tf.dispose(given);
      module.dispose();
    }),
  );
});

describe('random numbers', () => {
  it('of initial weights come from the seed, or from the seeds of the process', () => {
    const valuesOf = (seed?: number) => {
      const gru = new nn.GRU(3, 4, { ...(seed === undefined ? {} : { seed }) });
      return gru.parameters().map((variable) => variable.dataSync().join());
    };
    expect(new Set(valuesOf(1)).size).toBe(4);
    expect(valuesOf(1)).toEqual(valuesOf(1));
    expect(valuesOf(1)).not.toEqual(valuesOf(2));
    const first = valuesOf();
    expect(valuesOf()).not.toEqual(first);
    manualSeed(0);
    expect(valuesOf()).toEqual(first);
  });

  it("of dropout come from the step's seed, and differ from call to call", () => {
    const dropout = new nn.Dropout(0.25);
    const x = tf.ones([4000]);
    const run = (seed: number) =>
      withSeed(seed, () =>
        [dropout.forward(x), dropout.forward(x)].map((y) => y.dataSync().join()),
      );
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expect(run(1)[0]).not.toBe(run(1)[1]);
    const y = dropout.forward(x);
    expect(tf.mean(y).dataSync()[0]).toBeCloseTo(1, 1);
    const kept = [...new Set(y.dataSync())].sort();
    expect(kept).toHaveLength(2);
    expect(kept[1]).toBeCloseTo(4 / 3, 5);
    expect([...dropout.eval().forward(x).dataSync()]).toEqual([...x.dataSync()]);
  });

  it("are within PyTorch's bounds", () => {
    const { weight, bias } = new nn.Linear(100, 400);
    const largest = (variable: tf.Variable | null) =>
      Math.max(...(variable as tf.Variable).dataSync().map(Math.abs));
    for (const variable of [weight, bias]) {
      expect(largest(variable)).toBeLessThan(0.1);
      expect(largest(variable)).toBeGreaterThan(0.09);
    }
  });
});

describe('an embedding', () => {
  it('keeps the row of its padding', () => {
    const module = new nn.Embedding(3, 2, { paddingIdx: -1 });
    expect(module.paddingIdx).toBe(2);
    expect(tf.max(tf.abs(tf.slice(module.weight, 2, 1))).dataSync()[0]).toBe(0);
  });

  it('takes vectors, frozen unless asked', () => {
    const vectors = tf.tensor([
      [1, 2],
      [3, 4],
    ]);
    const module = nn.Embedding.fromPretrained(vectors);
    expect(module.weight.trainable).toBe(false);
    expect([...module.forward(int32([1])).dataSync()]).toEqual([3, 4]);
    expect(nn.Embedding.fromPretrained(vectors, { freeze: false }).weight.trainable).toBe(true);
  });
});

describe('Sequential', () => {
  it('names parameters by their places or by given names', () => {
    const net = new nn.Sequential(new nn.Linear(3, 2), tf.relu, new nn.Linear(2, 1)).append(tf.neg);
    expect(net.namedParameters().map(([name]) => name)).toEqual([
      '0.weight',
      '0.bias',
      '2.weight',
      '2.bias',
    ]);
    expect(net).toHaveLength(4);
    expect(net.forward(tf.zeros([5, 3])).shape).toEqual([5, 1]);
    const named = new nn.Sequential({ hidden: new nn.Linear(3, 2), act: tf.relu });
    expect(named.namedParameters().map(([name]) => name)).toEqual(['hidden.weight', 'hidden.bias']);
  });
});

describe("a constructor's arguments", () => {
  it.each<[string, () => nn.Module]>([
    ['Linear', () => new nn.Linear(3, 2, { bias: false })],
    ['Embedding', () => new nn.Embedding(3, 2, { paddingIdx: 0 })],
    ['Conv2d', () => new nn.Conv2d(1, 2, [3, 1], { padding: 1 })],
    ['ConvTranspose2d', () => new nn.ConvTranspose2d(1, 2, 3, { stride: 2 })],
    ['LSTM', () => new nn.LSTM(2, 3, { numLayers: 2, dropout: 0.5 })],
    ['BatchNorm2d', () => new nn.BatchNorm2d(3, { momentum: null })],
    ['LayerNorm', () => new nn.LayerNorm(4, { bias: false })],
    ['MultiheadAttention', () => new nn.MultiheadAttention(4, 2, { kdim: 3 })],
    ['TransformerDecoderLayer', () => new nn.TransformerDecoderLayer(4, 2, { normFirst: true })],
    ['MaxPool2d', () => new nn.MaxPool2d(2, { stride: 1 })],
    ['GELU', () => new nn.GELU({ approximate: 'tanh' })],
  ])('are JSON and make the same module: %s', (_, make) => {
    const module = make();
    const config = JSON.parse(JSON.stringify(module.config()));
    const Class = module.constructor as new (...given: unknown[]) => nn.Module;
    const copy = new Class(...config);
    expect(copy.config()).toEqual(module.config());
    expect(copy.loadStateDict(module.stateDict())).toEqual({ missing: [], unexpected: [] });
  });
});

describe('modules that are made from others', () => {
  const layer = (index: number) =>
    new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 6, dropout: 0, seed: index });
  const decoderLayer = () => new nn.TransformerDecoderLayer(4, 2, { dimFeedforward: 6 });

  class Own extends nn.Module {
    readonly scale = nn.parameter([2]);
    override config() {
      return [];
    }
    override forward(x: tf.Tensor): tf.Tensor {
      return tf.mul(x, this.scale);
    }
  }

  it.each<[string, nn.Module]>([
    ['steps', new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU(), new nn.Linear(2, 2))],
    ['one step', new nn.Sequential(new nn.Linear(3, 2))],
    ['no step', new nn.Sequential()],
    ['named steps', new nn.Sequential({ hidden: new nn.Linear(3, 2), act: new nn.Tanh() })],
    ['steps inside steps', new nn.Sequential(new nn.Sequential(new nn.GELU()), new Own())],
    ['encoder', new nn.TransformerEncoder(layer, 2, { norm: new nn.LayerNorm(4) })],
    ['decoder', new nn.TransformerDecoder(decoderLayer, 2)],
  ])('declare their arguments: %s', (_, module) => {
    const config = JSON.parse(JSON.stringify(module.config())) as never[];
    const Class = module.constructor as new (...given: never[]) => nn.Module;
    const again = nn.withClasses({ ...nn, Own } as never, () => new Class(...config));
    const shapes = (each: nn.Module) =>
      each.namedParameters().map(([name, { shape }]) => [name, shape]);
    expect(shapes(again)).toEqual(shapes(module));
    expect(again.config()).toEqual(module.config());
    expect(again.modules().map((each) => each.constructor)).toEqual(
      module.modules().map((each) => each.constructor),
    );
  });

  it('declare none where a step has none', () => {
    expect(new nn.Sequential(new nn.Linear(3, 2), tf.relu).config()).toBeUndefined();
    expect(
      new nn.Sequential({ act: new nn.Tanh() }).append(new nn.ReLU()).config(),
    ).toBeUndefined();
  });

  it('refuse a class that is not known', () => {
    const config = new nn.Sequential(new Own()).config() as never[];
    expect(() => nn.withClasses({}, () => new nn.Sequential(...config))).toThrow(
      /\[nn\] Sequential: expected a module of a known class, got a 'Own'; pass its class/,
    );
  });
});

describe('cells', () => {
  it('refuse states and inputs of another shape', () => {
    const cell = new nn.GRUCell(3, 4);
    expect(() => cell.forward(tf.zeros([2, 4]))).toThrow(/\[nn\] GRUCell: expected inputs of 3/);
    expect(() => cell.forward(tf.zeros([2, 3]), tf.zeros([3, 4]))).toThrow(
      /a state \[batch, hidden\] of shape \[2, 4\], got \[3, 4\]/,
    );
    const lstm = new nn.LSTMCell(3, 4);
    expect(() => lstm.forward(tf.zeros([2, 3]), tf.zeros([2, 4]) as never)).toThrow(
      /\[nn\] LSTMCell: expected a state \[h, c\], got \[2, 4\]/,
    );
  });
});
