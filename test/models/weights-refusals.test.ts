/** What loadWeights refuses, what it passes over, and that an error changes nothing. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LoadWeightsOptions, loadWeights, saveWeights } from '@deepend/models';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

let dir: string;
const at = (name: string) => path.join(dir, name);
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

/** conv1, bn1 and fc of a small net. */
function smallNet({ seed = 1, numClasses = 4, filters = 3 } = {}): tfl.LayersModel {
  const kernelInitializer = tfl.initializers.randomUniform({ minval: -1, maxval: 1, seed });
  return tfl.sequential({
    name: 'small',
    layers: [
      tfl.layers.conv2d({
        filters,
        kernelSize: 3,
        kernelInitializer,
        inputShape: [5, 5, 1],
        name: 'conv1',
      }),
      tfl.layers.batchNormalization({ name: 'bn1' }),
      tfl.layers.globalAveragePooling2d({ name: 'pool' } as never),
      tfl.layers.dense({ units: numClasses, kernelInitializer, name: 'fc' }),
    ],
  });
}

const PARAMETERS = [
  'conv1.weight',
  'conv1.bias',
  'bn1.weight',
  'bn1.bias',
  'bn1.running_mean',
  'bn1.running_var',
  'fc.weight',
  'fc.bias',
];

interface Entry {
  dtype: string;
  shape: number[];
  values: Uint8Array;
}

const counter: Entry = { dtype: 'I64', shape: [], values: new Uint8Array(8) };
const zeros = (...shape: number[]): Entry => ({
  dtype: 'F32',
  shape,
  values: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)),
});

/** The small net's file from saveWeights, as entries to change. */
async function entries(net = smallNet({ seed: 2 })): Promise<Map<string, Entry>> {
  await saveWeights(net, at('plain'));
  const file = await fs.readFile(at('plain'));
  const start = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, start).toString()) as Record<
    string,
    Entry & { data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [begin, end],
          },
        ]) => [name, { dtype, shape, values: file.subarray(start + begin, start + end) }],
      ),
  );
}

async function write(tensors: Map<string, Entry>): Promise<string> {
  let offset = 0;
  const header = Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, values }]) => {
      const begin = offset;
      offset += values.length;
      return [name, { dtype, shape, data_offsets: [begin, offset] }];
    }),
  );
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await fs.writeFile(
    at('changed.safetensors'),
    Buffer.concat([length, text, ...[...tensors.values()].map(({ values }) => values)]),
  );
  return at('changed.safetensors');
}

const valuesOf = (net: tfl.LayersModel) =>
  net.weights.map((weight) => [...weight.read().dataSync()]);
const kernelOf = (net: tfl.LayersModel, layer: string) => [
  ...(net.getLayer(layer).weights[0]?.read().dataSync() ?? []),
];

type Change = (tensors: Map<string, Entry>) => void;
const rename =
  (from: string, to: string): Change =>
  (tensors) => {
    tensors.set(to, tensors.get(from) as Entry);
    tensors.delete(from);
  };
const all =
  (...changes: Change[]): Change =>
  (tensors) =>
    changes.forEach((change) => void change(tensors));

const REFUSED: [string, Change, LoadWeightsOptions, RegExp][] = [
  [
    'a file without a parameter',
    (t) => t.delete('fc.bias'),
    {},
    /the parameters of the model 'small' and no others, got a file without 'fc.bias'; build the model that the file is of, or load .*\{ strict: false \}/,
  ],
  [
    'a file with one more',
    (t) => t.set('fc2.weight', zeros(1)),
    {},
    /got left over 'fc2.weight'; build/,
  ],
  [
    'another name',
    rename('conv1.weight', 'conv.weight'),
    {},
    /got a file without 'conv1.weight' and left over 'conv.weight'; is 'conv.weight' the model's 'conv1.weight'\?/,
  ],
  ...[{}, { strict: false }].map((options): (typeof REFUSED)[number] => [
    `names of which none is the model's, ${JSON.stringify(options)}`,
    (t) => PARAMETERS.forEach((name) => void rename(name, `net.${name}`)(t)),
    options,
    /is 'net.conv1.weight' the model's 'conv1.weight'\? build the model that the file is of, since no name is the same/,
  ]),
  [
    'a name with and without a prefix',
    (t) => t.set('module.fc.bias', zeros(4)),
    {},
    /left over 'module.fc.bias'/,
  ],
  [
    'many left over',
    (t) => {
      for (let i = 0; i < 25; i++) t.set(`extra.${i}`, zeros(1));
    },
    {},
    /left over 'extra.0', .*'extra.9', \.\.\. \(25 in all\)/,
  ],
  [
    'another shape',
    (t) => t.set('conv1.weight', zeros(3, 1, 5, 5)),
    {},
    /tensor 'conv1.weight': expected shape \[3, 1, 3, 3\], as layer 'conv1' has it, got \[3, 1, 5, 5\]; build the model with the sizes/,
  ],
  [
    'a kernel whose axes lie as here',
    (t) => t.set('conv1.weight', zeros(3, 3, 1, 3)),
    {},
    /expected shape \[3, 1, 3, 3\], .*, got \[3, 3, 1, 3\]/,
  ],
  [
    'another shape, not strict',
    (t) => t.set('bn1.weight', zeros(5)),
    { strict: false },
    /tensor 'bn1.weight': expected shape \[3\]/,
  ],
  [
    'another shape behind the head',
    (t) => t.set('bn1.weight', zeros(5)),
    { skipHead: true },
    /tensor 'bn1.weight': expected shape \[3\]/,
  ],
  [
    'a head of another size',
    all(
      (t) => t.set('fc.weight', zeros(9, 3)),
      (t) => t.set('fc.bias', zeros(9)),
    ),
    {},
    /tensor 'fc.weight': expected shape \[4, 3\].* got \[9, 3\]; leave the head as it is with \{ skipHead: true \}/,
  ],
  [
    'a head of another size, not strict',
    (t) => t.set('fc.bias', zeros(9)),
    { strict: false },
    /tensor 'fc.bias': expected shape \[4\]/,
  ],
  [
    'a parameter of integers',
    (t) => t.set('fc.bias', { dtype: 'I32', shape: [4], values: new Uint8Array(16) }),
    {},
    /tensor 'fc.bias': expected F32, F16, BF16 or F64, got I32; save it as float32/,
  ],
  [
    'an auxiliary classifier of another name',
    (t) => t.set('aux3.fc.weight', zeros(1)),
    {},
    /left over 'aux3.fc.weight'/,
  ],
];

describe('loadWeights', () => {
  it.each(REFUSED)(
    'refuses %s, and leaves the net as it was',
    async (_, change, options, message) => {
      const tensors = await entries();
      change(tensors);
      const net = smallNet();
      const before = valuesOf(net);
      const loading = loadWeights(net, await write(tensors), options);
      await expect(loading).rejects.toThrow(message);
      await expect(loading).rejects.toThrow(/^\[models\] loadWeights: .*changed\.safetensors: /);
      expect(valuesOf(net)).toEqual(before);
    },
  );

  it('refuses options that it does not have', async () => {
    await expect(
      loadWeights(smallNet(), at('plain'), { strickt: false } as object),
    ).rejects.toThrow(/did you mean "strict"\?/);
    await expect(loadWeights(smallNet(), at('plain'), { skipHead: 1 } as never)).rejects.toThrow(
      /"skipHead" must be true or false/,
    );
  });

  it.each(['module.', '_orig_mod.', 'module._orig_mod.', '_orig_mod.module.', 'module.module.'])(
    "leaves out the prefix of PyTorch's wrappers: %s",
    async (prefix) => {
      const tensors = await entries();
      for (const name of PARAMETERS) rename(name, `${prefix}${name}`)(tensors);
      tensors.set('n_averaged', counter).set(`${prefix}bn1.num_batches_tracked`, counter);
      const net = smallNet();
      expect(await loadWeights(net, await write(tensors))).toEqual({
        loaded: PARAMETERS,
        missing: [],
        leftOver: [],
        skipped: [],
      });
      expect(valuesOf(net)).toEqual(valuesOf(smallNet({ seed: 2 })));
    },
  );

  it('leaves out the prefix of a compiled part', async () => {
    const tensors = await entries();
    rename('conv1.weight', 'conv1._orig_mod.weight')(tensors);
    expect((await loadWeights(smallNet(), await write(tensors))).loaded).toEqual(PARAMETERS);
  });

  it("keeps such names that are the model's own", async () => {
    const layer = tfl.layers.dense({ units: 2, inputShape: [2], name: 'module.fc' });
    const net = tfl.sequential({ layers: [layer] });
    await saveWeights(net, at('own'));
    const { loaded } = await loadWeights(net, at('own'));
    expect(loaded).toEqual(['module.fc.weight', 'module.fc.bias']);
  });

  it("passes over counters and GoogLeNet's auxiliary classifiers", async () => {
    const tensors = await entries();
    tensors
      .set('bn1.num_batches_tracked', counter)
      .set('aux1.conv.conv.weight', zeros(2))
      .set('aux2.fc2.bias', zeros(2));
    const net = smallNet();
    expect(await loadWeights(net, await write(tensors))).toEqual({
      loaded: PARAMETERS,
      missing: [],
      leftOver: [],
      skipped: [],
    });
    expect(valuesOf(net)).toEqual(valuesOf(smallNet({ seed: 2 })));
  });

  it('wants auxiliary classifiers in the file where the net has them', async () => {
    const net = tfl.sequential({
      layers: [tfl.layers.dense({ units: 2, inputShape: [2], name: 'aux1.fc' })],
    });
    await saveWeights(net, at('aux'));
    const file = await fs.readFile(at('aux'), 'latin1');
    await fs.writeFile(at('aux'), file.replace('aux1.fc.bias', 'aux1.fd.bias'), 'latin1');
    await expect(loadWeights(net, at('aux'))).rejects.toThrow(
      /without 'aux1.fc.bias' and left over 'aux1.fd.bias'/,
    );
  });

  it('loads what has the same name when it is not strict', async () => {
    const tensors = await entries();
    all(rename('conv1.weight', 'stem.weight'), (t) => t.delete('bn1.running_var'))(tensors);
    const net = smallNet();
    expect(await loadWeights(net, await write(tensors), { strict: false })).toEqual({
      loaded: PARAMETERS.filter((name) => name !== 'conv1.weight' && name !== 'bn1.running_var'),
      missing: ['conv1.weight', 'bn1.running_var'],
      leftOver: ['stem.weight'],
      skipped: [],
    });
    expect(kernelOf(net, 'conv1')).toEqual(kernelOf(smallNet(), 'conv1'));
    expect(kernelOf(net, 'fc')).toEqual(kernelOf(smallNet({ seed: 2 }), 'fc'));
  });

  it.each([9, 4])(
    'leaves the head as it was built when asked, for a head of %i classes',
    async (numClasses) => {
      const net = smallNet();
      const file = await write(await entries(smallNet({ seed: 2, numClasses })));
      const { loaded, missing, leftOver, skipped } = await loadWeights(net, file, {
        skipHead: true,
      });
      expect({ loaded, missing, leftOver }).toEqual({
        loaded: PARAMETERS.slice(0, -2),
        missing: [],
        leftOver: [],
      });
      expect(skipped).toEqual(['fc.weight', 'fc.bias']);
      expect(kernelOf(net, 'fc')).toEqual(kernelOf(smallNet(), 'fc'));
      expect(kernelOf(net, 'conv1')).toEqual(kernelOf(smallNet({ seed: 2 }), 'conv1'));
    },
  );

  it('needs no head in the file when it leaves the head', async () => {
    const tensors = await entries();
    all(
      (t) => t.delete('fc.weight'),
      (t) => t.delete('fc.bias'),
    )(tensors);
    const { loaded, skipped } = await loadWeights(smallNet(), await write(tensors), {
      skipHead: true,
    });
    expect([...loaded, ...skipped]).toEqual(PARAMETERS);
  });

  it('reads float16, bfloat16 and float64', async () => {
    const tensors = await entries();
    const bits = { F16: [0x3c00, 0xc000, 0x3800, 0], BF16: [0x3f80, 0xc000, 0x3f00, 0] }; // 1, −2, 0.5, 0
    const net = smallNet();
    const bias = async (entry: Entry) => {
      await loadWeights(net, await write(tensors.set('fc.bias', entry)));
      return [...(net.getLayer('fc').weights[1]?.read().dataSync() ?? [])];
    };
    for (const [dtype, words] of Object.entries(bits)) {
      expect(
        await bias({ dtype, shape: [4], values: new Uint8Array(Uint16Array.from(words).buffer) }),
      ).toEqual([1, -2, 0.5, 0]);
    }
    const doubles = Float64Array.from([1, -2, 0.1, 1e-300]);
    const expected = [...doubles].map(Math.fround);
    expect(
      await bias({ dtype: 'F64', shape: [4], values: new Uint8Array(doubles.buffer) }),
    ).toEqual(expected);
  });
});

describe('saveWeights', () => {
  it('says so where no file can be', async () => {
    await fs.writeFile(at('file'), '');
    await expect(saveWeights(smallNet(), at('file/net'))).rejects.toThrow(
      /\[models\] saveWeights: cannot write .*net: .*; choose another place/,
    );
    await fs.ensureDir(at('folder'));
    await expect(saveWeights(smallNet(), at('folder'))).rejects.toThrow(
      /cannot write .*folder: .*; choose another place/,
    );
    expect((await fs.readdir(dir)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
