/** `nn.Module`: what a walk finds, state dicts, modes, and what it refuses. */
import { isModule, manualSeed } from '@deepend/compiler';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));
beforeEach(() => manualSeed(0));

class Leaf extends nn.Module {
  readonly weight: tf.Variable;
  readonly count = 3;

  constructor(size = 2) {
    super();
    this.weight = nn.parameter([size], { init: 'ones' });
  }

  forward(x: tf.Tensor): tf.Tensor {
    return tf.mul(x, this.weight);
  }
}

class Tree extends nn.Module {
  readonly label = 'no part of the module';
  readonly layers: unknown[] = [new Leaf(), [new Leaf(3)]];
  readonly byName = new Map<string, Leaf>([['first', new Leaf()]]);
  readonly heads = { left: new Leaf(), sizes: [1, 2] };
  readonly mean: tf.Variable;
  scale: unknown = nn.parameter([1]);
  head: unknown = new Leaf(4);

  constructor() {
    super();
    this.mean = tf.tidy(() => nn.buffer(tf.zeros([2])));
  }

  forward(x: tf.Tensor): tf.Tensor {
    return x;
  }
}

const namesOf = (named: [string, unknown][]) => named.map(([name]) => name);

describe('a walk', () => {
  it('finds parameters, buffers and children in properties, arrays, maps and objects', () => {
    const tree = new Tree();
    expect(namesOf(tree.namedParameters())).toEqual([
      'scale',
      'layers.0.weight',
      'layers.1.0.weight',
      'byName.first.weight',
      'heads.left.weight',
      'head.weight',
    ]);
    expect(namesOf(tree.namedBuffers())).toEqual(['mean']);
    expect(namesOf(tree.namedChildren())).toEqual([
      'layers.0',
      'layers.1.0',
      'byName.first',
      'heads.left',
      'head',
    ]);
    expect(namesOf(tree.namedModules())[0]).toBe('');
    expect(tree.modules()).toHaveLength(6);
    expect(tree.weights.map(({ name, shape }) => [name, shape]).slice(0, 3)).toEqual([
      ['scale', [1]],
      ['mean', [2]],
      ['layers.0.weight', [2]],
    ]);
    expect(isModule(tree)).toBe(true);
    tree.dispose();
  });

  it('finds what was added, replaced and removed since the last one', () => {
    const tree = new Tree();
    const before = tree.parameters();
    expect(tree.parameters()).toEqual(before);
    (tree.layers[1] as unknown[]).push(new Leaf());
    tree.byName.delete('first');
    tree.scale = null;
    tree.head = new Leaf(5);
    expect(namesOf(tree.namedParameters())).toEqual([
      'layers.0.weight',
      'layers.1.0.weight',
      'layers.1.1.weight',
      'heads.left.weight',
      'head.weight',
    ]);
    expect(tree.parameters().at(-1)?.shape).toEqual([5]);
    tree.dispose();
    tf.dispose(before);
  });

  it('counts a parameter that two modules share once, and names it twice in the state', () => {
    const tree = new Tree();
    const shared = tree.heads.left;
    tree.head = shared;
    tree.scale = shared.weight;
    expect(namesOf(tree.namedParameters())).not.toContain('heads.left.weight');
    expect(namesOf(tree.namedParameters())).toContain('scale');
    const state = tree.stateDict();
    expect(Object.keys(state)).toEqual(
      expect.arrayContaining(['scale', 'heads.left.weight', 'head.weight']),
    );
    expect(tree.modules().filter((module) => module === shared)).toHaveLength(1);
    tf.dispose(state);
    tree.dispose();
  });

  it.each([
    [
      'a parameter',
      (tree: Tree) => (tree.scale = 5),
      /\[nn\] Tree: .*"scale" held a parameter .* 5/,
    ],
    ['a module', (tree: Tree) => (tree.head = 5), /"head" held the module Leaf .* by 5; assign/],
    ['a module in an array', (tree: Tree) => (tree.layers[0] = 0), /"layers.0" held the module/],
    ['modules in an array', (tree: Tree) => (tree.layers[1] = 7), /"layers.1" held modules/],
    ['a tensor', (tree: Tree) => (tree.scale = tf.scalar(1)), /"scale" held a parameter/],
  ])('refuses a number in the place of %s, each time', (_, overwrite, message) => {
    const tree = new Tree();
    tree.parameters();
    overwrite(tree);
    expect(() => tree.parameters()).toThrow(message);
    expect(() => tree.stateDict()).toThrow(message);
  });

  it('refuses a module that contains itself', () => {
    const tree = new Tree();
    tree.heads.left = tree as unknown as Leaf;
    expect(() => tree.parameters()).toThrow(/"heads.left" contains itself/);
  });
});

describe('state', () => {
  it('goes out and back in', () => {
    const [from, to] = [new Tree(), new Tree()];
    (from.scale as tf.Variable).assign(tf.tensor([7]));
    const state = from.stateDict();
    expect(to.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });
    expect((to.scale as tf.Variable).dataSync()[0]).toBe(7);
    (from.scale as tf.Variable).assign(tf.tensor([8])); // the state is a copy
    expect(state.scale?.dataSync()[0]).toBe(7);
    to.setWeights(from.getWeights());
    expect((to.scale as tf.Variable).dataSync()[0]).toBe(8);
  });

  it('names what does not fit, and changes nothing', () => {
    const leaf = new Leaf();
    const other = tf.zeros([3]);
    expect(() => leaf.loadStateDict({ weigth: other })).toThrow(
      /lacks weight, and the module has no weigth \(is "weigth" meant for "weight"\?\)/,
    );
    expect(() => leaf.loadStateDict({ weight: other })).toThrow(
      /\[nn\] Leaf.loadStateDict: "weight" has the shape \[2\], got a tensor of shape \[3\]/,
    );
    expect(leaf.loadStateDict({ other }, { strict: false })).toEqual({
      missing: ['weight'],
      unexpected: ['other'],
    });
    expect(() => leaf.setWeights([])).toThrow(/expected 1 tensors/);
    expect(() => leaf.setWeights([other])).toThrow(/"weight" has the shape/);
    expect([...leaf.weight.dataSync()]).toEqual([1, 1]);
  });

  it('is freed with the module', () =>
    expectNoLeak(() => {
      const tree = new Tree();
      const state = tree.stateDict();
      tree.loadStateDict(state);
      tf.dispose(state);
      tree.setWeights(tree.getWeights());
      tree.dispose();
      tree.dispose();
    }));
});

describe('modes', () => {
  it('are set in all modules inside', () => {
    const tree = new Tree();
    expect(
      tree
        .eval()
        .modules()
        .some(({ training }) => training),
    ).toBe(false);
    expect(
      tree
        .train()
        .modules()
        .every(({ training }) => training),
    ).toBe(true);
    tree.requiresGrad(false);
    expect(tree.parameters().some(({ trainable }) => trainable)).toBe(false);
  });

  it('are named after the class, unless set', () => {
    const leaf = new Leaf();
    expect(leaf.name).toBe('Leaf');
    leaf.name = 'encoder';
    expect(leaf.name).toBe('encoder');
    expect(Object.keys(leaf)).not.toContain('name');
  });

  it('calls `apply` for children before their parents', () => {
    const order: string[] = [];
    const tree = new Tree();
    tree.apply((module) => order.push(module.name));
    expect(order).toEqual(['Leaf', 'Leaf', 'Leaf', 'Leaf', 'Leaf', 'Tree']);
  });
});

describe('parameters', () => {
  const bound = Math.sqrt(6 / (200 + 100));

  it.each([
    ['zeros', 0, 0],
    ['ones', 1, 0],
    ['uniform', 0.5, Math.sqrt(1 / 12)],
    ['normal', 0, 1],
    ['xavier-uniform', 0, bound / Math.sqrt(3)],
    ['xavier-normal', 0, Math.sqrt(2 / 300)],
    ['kaiming-uniform', 0, 1 / Math.sqrt(200) / Math.sqrt(3)],
    ['he-normal', 0, Math.sqrt(2 / 200)],
  ] as const)('are initialized by %s', (init, mean, deviation) => {
    const variable = nn.parameter([100, 200], { init, seed: 1 });
    const values = [...variable.dataSync()];
    const average = values.reduce((sum, value) => sum + value) / values.length;
    const square = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / values.length;
    expect(average).toBeCloseTo(mean, 1);
    expect(Math.sqrt(square)).toBeCloseTo(deviation, 2);
    variable.dispose();
  });

  it('depend on the seed', () => {
    const valuesOf = (seed?: number) => [...nn.parameter([3, 4], { seed }).dataSync()];
    expect(valuesOf(1)).toEqual(valuesOf(1));
    expect(valuesOf(1)).not.toEqual(valuesOf(2));
    const first = valuesOf();
    expect(valuesOf()).not.toEqual(first);
    manualSeed(0);
    expect(valuesOf()).toEqual(first);
  });

  it('take a function or a tensor, and may be frozen', () => {
    const tensor = tf.tensor([1, 2]);
    expect([...nn.parameter(tensor).dataSync()]).toEqual([1, 2]);
    tensor.dispose();
    const own = nn.parameter([2], { init: (shape) => [shape[0] as number, 5], trainable: false });
    expect([...own.dataSync()]).toEqual([2, 5]);
    expect(own.trainable).toBe(false);
    nn.init.fill(own, nn.init.constant(4));
    expect([...own.dataSync()]).toEqual([4, 4]);
  });

  it('keep another layout than the state dict', () => {
    class Turned extends nn.Module {
      readonly weight = nn.parameter([2, 3, 1], { layout: [1, 2, 0], seed: 1 });
      forward() {}
    }
    const turned = new Turned();
    expect(turned.weight.shape).toEqual([3, 1, 2]);
    const { weight } = turned.stateDict();
    expect(weight?.shape).toEqual([2, 3, 1]);
    expect([...(weight as tf.Tensor).dataSync()]).toEqual([
      ...nn.parameter([2, 3, 1], { seed: 1 }).dataSync(),
    ]);
    turned.loadStateDict({ weight: tf.reshape(tf.range(0, 6), [2, 3, 1]) });
    expect([...turned.weight.dataSync()]).toEqual([0, 3, 1, 4, 2, 5]);
  });

  it.each([
    [() => nn.parameter([2, -1]), /expected a tensor or a shape, .* got \[2, -1\]/],
    [() => nn.parameter(3 as never), /expected a tensor or a shape/],
    [() => nn.parameter([2], { init: 'xavier-uniform' }), /at least two axes.*got \[2\]/],
    [
      () => nn.parameter([2], { init: 'xavier' as never }),
      /option "init" must be .* 'xavier'|"xavier"/,
    ],
    [() => nn.parameter([2], { init: () => [1] }), /made 1 values for the shape \[2\]/],
    [() => nn.parameter(tf.zeros([2]), { init: 'ones' }), /leave out "init"/],
    [() => nn.buffer([1] as never), /\[nn\] buffer: expected a tensor/],
  ])('refuse %s', (make, message) => {
    expect(make).toThrow(message);
  });

  it('leave no tensor but their own', () =>
    expectNoLeak(() => {
      for (const scoped of [false, true]) {
        const make = () => nn.parameter([3, 4], { init: 'he-normal', layout: [1, 0] });
        const variable = scoped ? tf.tidy(make) : make();
        expect(variable.isDisposed).toBe(false);
        variable.dispose();
      }
    }));
});

it('refuses a model of layers in a property, whose weights it would not train', () => {
  class Wrapped extends nn.Module {
    readonly trunk = tfl.sequential({ layers: [tfl.layers.dense({ units: 2, inputShape: [3] })] });
    forward(x: tf.Tensor) {
      return this.trunk.predict(x);
    }
  }
  const net = new Wrapped();
  expect(() => net.parameters()).toThrow(
    /the field "trunk" holds sequential_\d+, a layer or model/,
  );
});
