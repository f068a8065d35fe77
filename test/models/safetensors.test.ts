/**
 * Files in the safetensors format: as Python's own package writes them, round trips, and hostile
 * ones.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { readSafetensorsHeader } from '@deepend/models';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { FLOAT_DECODERS } from '../../packages/models/src/weights/float-formats';
import {
  isFloat,
  withSafetensors,
  writeSafetensors,
} from '../../packages/models/src/weights/safetensors';
import golden from '../golden/safetensors.json' with { type: 'json' };
import { runsOf } from '../helpers/full';

const DTYPES = path.join('test', 'golden', 'safetensors-dtypes.safetensors');
const NET = path.join('test', 'golden', 'safetensors-net.safetensors');

let dir: string;
const at = (name: string) => path.join(dir, name);
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

/** All tensors of a file as float32. */
const readAll = (file: string) =>
  withSafetensors(file, { where: `[models] test: ${file}` }, async ({ header, readFloats }) => {
    const values: Record<string, Float32Array> = Object.create(null); // so that `__proto__` is a name like others
    for (const tensor of header.tensors)
      if (isFloat(tensor)) values[tensor.name] = await readFloats(tensor);
    return { header, values };
  });

const NAN = 0x7fc00000;
/** A NaN's payload is nobody's promise. */
const bitsOf = (values: Float32Array) =>
  [...new Uint32Array(values.buffer, values.byteOffset, values.length)].map((bits, i) =>
    Number.isNaN(values[i]) ? NAN : bits,
  );

describe("files of Python's safetensors", () => {
  it('are read whole: names, types, shapes, metadata', async () => {
    const { metadata, tensors } = await readSafetensorsHeader(DTYPES);
    expect(metadata).toEqual({ note: 'grüße "你好"' });
    const [height, width] = [2, golden.bits.F32.length / 2];
    expect(
      Object.fromEntries(tensors.map(({ name, dtype, shape }) => [name, [dtype, shape]])),
    ).toEqual({
      ...Object.fromEntries(
        Object.keys(golden.bits).map((name) => [name, [name, [height, width]]]),
      ),
      'bn.num_batches_tracked': ['I64', []],
    });
    expect((await readSafetensorsHeader(NET)).tensors.map(({ name }) => name).sort()).toEqual(
      Object.keys(golden.layers).sort(),
    );
  });

  it.each(Object.entries(golden.bits))(
    "%s becomes PyTorch's float32, bit by bit",
    async (name, bits) => {
      const { values } = await readAll(DTYPES);
      expect(bitsOf(values[name] as Float32Array)).toEqual(
        bits.map((one) => ((one & 0x7fffffff) > 0x7f800000 ? NAN : one)),
      );
    },
  );

  it.each(Object.entries(golden.hashes) as ['F16' | 'BF16', string][])(
    "all 65,536 values of %s are PyTorch's",
    (dtype, hash) => {
      const floats = FLOAT_DECODERS[dtype](
        Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer,
      );
      const bytes = Buffer.from(Uint32Array.from(bitsOf(floats)).buffer);
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(hash);
    },
  );
});

const tensorsOf = fc.uniqueArray(
  fc.record({
    name: fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('__proto__', 'toString', '0', 'a"b\\c\n'),
    ),
    shape: fc.array(fc.nat(4), { maxLength: 4 }),
  }),
  { selector: ({ name }) => name, maxLength: 6 },
);
const metadataOf = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });

describe('writeSafetensors', () => {
  it('gives back what it was given', async () => {
    await fc.assert(
      fc.asyncProperty(tensorsOf, metadataOf, async (shapes, metadata) => {
        const tensors = shapes.map(({ name, shape }, t) => {
          const values = Float32Array.from(
            { length: shape.reduce((a, b) => a * b, 1) },
            (_, i) => 100 * t + i / 3,
          );
          return { name, shape, values };
        });
        const lazy = tensors.map(({ values, ...rest }) => ({
          ...rest,
          values: async () => values,
        }));
        await writeSafetensors(at('round'), lazy, { where: '[models] test', metadata });
        const { header, values } = await readAll(at('round'));
        expect(Object.entries(header.metadata)).toEqual(Object.entries(metadata));
        const byName = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
        expect([...byName.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
        for (const tensor of tensors) {
          expect(byName.get(tensor.name)).toMatchObject({ dtype: 'F32', shape: tensor.shape });
          expect(values[tensor.name]).toEqual(tensor.values);
        }
        const bytes = await fs.readFile(at('round'));
        expect(Number(bytes.readBigUInt64LE()) % 8).toBe(0);
      }),
      { numRuns: runsOf(200) },
    );
  });

  it('leaves the old file, and no other, where numbers cannot be had', async () => {
    await fs.outputFile(at('kept/weights'), 'old');
    const write = (values: () => Promise<Float32Array>) =>
      writeSafetensors(at('kept/weights'), [{ name: 'a', shape: [2], values }], {
        where: '[models] test',
        metadata: {},
      });
    const lost = write(() => Promise.reject(new Error('the device is lost')));
    await expect(lost).rejects.toThrow(
      /\[models\] test: cannot write .*weights: the device is lost; nothing was changed there/,
    );
    await expect(write(async () => new Float32Array(3))).rejects.toThrow(
      /tensor 'a': expected 2 numbers, got 3/,
    );
    expect(await fs.readdir(at('kept'))).toEqual(['weights']);
    expect(await fs.readFile(at('kept/weights'), 'utf8')).toBe('old');
  });
});

/** A file with this header and so many bytes behind it. */
function fileOf(header: string | object | Uint8Array, dataBytes = 0): Buffer {
  const text =
    header instanceof Uint8Array
      ? header
      : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

const f32 = (shape: unknown, data_offsets: unknown, dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets,
});
const length = (value: bigint, rest = 0) => {
  const bytes = Buffer.alloc(8 + rest);
  bytes.writeBigUInt64LE(value);
  return bytes;
};

const HOSTILE: [string, Buffer, RegExp][] = [
  ['nothing', Buffer.alloc(0), /at least 8 bytes, got 0/],
  ['seven bytes', Buffer.alloc(7), /at least 8 bytes, got 7/],
  [
    'a header longer than the file',
    length(1000n, 10),
    /a header of at most 10 bytes, got a length of 1000/,
  ],
  [
    'a header of 2^64 − 1 bytes',
    length(2n ** 64n - 1n, 100),
    /at most 100 bytes, got a length of 18446744073709551615/,
  ],
  ['no header', length(0n), /expected '\{' as its first character, got its end/],
  [
    "PyTorch's zip",
    Buffer.concat([Buffer.from('PK\x03\x04\0\0\x08\x08'), Buffer.alloc(50)]),
    /got a pickle of PyTorch's; convert it in Python:\n {2}import torch; from safetensors.torch import save_file\n {2}weights = torch\.load\(.*\n {2}save_file\(weights/,
  ],
  [
    "PyTorch's old pickle",
    Buffer.from([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9]),
    /got a pickle of PyTorch's/,
  ],
  ['no UTF-8', fileOf(Buffer.from([0x7b, 0xff, 0x7d])), /expected a header in UTF-8/],
  ['a byte order mark', fileOf('\ufeff{}'), /expected '\{' as its first character/],
  ['a space first', fileOf(' {}'), /expected '\{' as its first character, got ' \{\}'/],
  ['a list', fileOf('[]'), /expected '\{' as its first character/],
  [
    'a cut header',
    fileOf('{"a":{"dtype":"F32",'),
    /tensor 'a': header, character 20: expected a string, got its end/,
  ],
  ['a string without an end', fileOf('{"a'), /expected a string as JSON writes it/],
  ['a wrong escape', fileOf('{"\\x":1}'), /expected a string as JSON writes it, got '"\\x"'/],
  ['a line break in a string', fileOf('{"a\nb":1}'), /expected a string as JSON writes it/],
  ['text after the header', fileOf('{}{}'), /expected nothing after the last brace/],
  ['lists within lists', fileOf('['.repeat(100_000)), /expected '\{'/],
  ['a tensor that is a list', fileOf({ a: [] }), /tensor 'a': .*expected '\{', got '\[\]\}'/],
  [
    'a tensor twice',
    fileOf(
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
      8,
    ),
    /expected each name once, got 'a' twice/,
  ],
  [
    'a shape twice',
    fileOf('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,4]}}', 4),
    /tensor 'a': .*expected each name once, got 'shape' twice/,
  ],
  [
    'an unknown field',
    fileOf({ a: { ...f32([1], [0, 4]), stride: [1] } }, 4),
    /tensor 'a': .*expected 'dtype', 'shape' and 'data_offsets', got 'stride'/,
  ],
  [
    'an unknown type',
    fileOf({ a: f32([1], [0, 4], 'F31') }, 4),
    /tensor 'a': .*expected a dtype of F64, .*, got 'F31'/,
  ],
  [
    "an object's own word for a type",
    fileOf({ a: f32([1], [0, 4], 'constructor') }, 4),
    /expected a dtype of F64, .*, got 'constructor'/,
  ],
  [
    'no type',
    fileOf({ a: { shape: [1], data_offsets: [0, 4] } }, 4),
    /tensor 'a': .*expected a dtype of .*, got undefined/,
  ],
  [
    'no shape',
    fileOf({ a: { dtype: 'F32', data_offsets: [0, 4] } }, 4),
    /tensor 'a': .*expected a 'shape', got none/,
  ],
  [
    'no offsets',
    fileOf({ a: { dtype: 'F32', shape: [1] } }, 4),
    /tensor 'a': .*expected 'data_offsets' of two numbers, got undefined/,
  ],
  [
    'one offset',
    fileOf({ a: f32([1], [0]) }, 4),
    /expected 'data_offsets' of two numbers, got \[0\]/,
  ],
  ['three offsets', fileOf({ a: f32([1], [0, 4, 8]) }, 4), /expected at most 2 numbers, got more/],
  [
    'a negative size',
    fileOf({ a: f32([-1], [0, 4]) }, 4),
    /tensor 'a': .*expected an integer from 0 to 2\^53 − 1, got '-1\]/,
  ],
  ['a size of 1.5', fileOf({ a: f32([1.5], [0, 6]) }, 6), /expected '\]', got '.5\]/],
  [
    'a size of 1e3',
    fileOf('{"a":{"dtype":"U8","shape":[1e3],"data_offsets":[0,1000]}}', 1000),
    /expected '\]', got 'e3\]/,
  ],
  [
    'a size of 01',
    fileOf('{"a":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}}', 1),
    /expected '\]', got '1\]/,
  ],
  ['a size as text', fileOf({ a: f32(['1'], [0, 4]) }, 4), /expected an integer/],
  [
    'a size of 2^53',
    fileOf({ a: f32([2 ** 53], [0, 4]) }, 4),
    /expected an integer from 0 to 2\^53 − 1, got '900719925474'/,
  ],
  [
    'a shape without an end',
    fileOf(`{"a":{"dtype":"F32","shape":[${'1,'.repeat(1000)}`),
    /tensor 'a': .*expected at most 64 numbers, got more/,
  ],
  [
    'sizes whose product overflows',
    fileOf({ a: f32([2 ** 31, 2 ** 31, 2 ** 31], [0, 4]) }, 4),
    /tensor 'a': expected fewer than 2\^53 bits, got shape \[2147483648, 2147483648, 2147483648\]/,
  ],
  [
    'a product that overflows to 0',
    fileOf({ a: f32([2 ** 32, 2 ** 32, 0], [0, 0]) }),
    /expected fewer than 2\^53 bits/,
  ],
  [
    'a shape too large for its data',
    fileOf({ a: f32([1000, 1000], [0, 4]) }, 4),
    /tensor 'a': expected 4000000 bytes for F32 of shape \[1000, 1000\], got 4/,
  ],
  [
    'a shape too small for its data',
    fileOf({ a: f32([1], [0, 8]) }, 8),
    /expected 4 bytes for F32 of shape \[1\], got 8/,
  ],
  ['half a byte', fileOf({ a: f32([1], [0, 1], 'F4') }, 1), /expected 0.5 bytes for F4/],
  [
    'an end before the beginning',
    fileOf({ a: f32([1], [8, 4]) }, 8),
    /tensor 'a': expected data_offsets \[begin, end\] with begin ≤ end, got \[8, 4\]/,
  ],
  [
    'data beyond the file',
    fileOf({ a: f32([2], [0, 8]) }, 4),
    /tensor 'a': expected its data within the 4 bytes after the header, got bytes 0 to 8/,
  ],
  [
    'tensors that overlap',
    fileOf({ a: f32([2], [0, 8]), b: f32([2], [4, 12]) }, 12),
    /tensor 'b': expected its data to begin at byte 8, where the data before it ends, got 4/,
  ],
  [
    'two tensors in one place',
    fileOf({ a: f32([1], [0, 4]), b: f32([1], [0, 4]) }, 4),
    /tensor 'b': expected its data to begin at byte 4.*got 0/,
  ],
  [
    'a hole',
    fileOf({ a: f32([1], [0, 4]), b: f32([1], [8, 12]) }, 12),
    /tensor 'b': expected its data to begin at byte 4.*got 8/,
  ],
  [
    'a hole at the beginning',
    fileOf({ a: f32([1], [4, 8]) }, 8),
    /tensor 'a': expected its data to begin at byte 0/,
  ],
  [
    'data that no tensor has',
    fileOf({ a: f32([1], [0, 4]) }, 8),
    /expected 4 bytes after the header, as its tensors say, got 8/,
  ],
  [
    'data and no tensor',
    fileOf('{}', 1),
    /expected 0 bytes after the header, as its tensors say, got 1/,
  ],
  ['metadata that is a text', fileOf({ __metadata__: 'pt' }), /expected '\{', got '"pt"\}'/],
  ['metadata of numbers', fileOf({ __metadata__: { step: 3 } }), /expected a string, got '3\}\}'/],
];

describe('a hostile file', () => {
  it.each(HOSTILE)('%s', async (_, bytes, message) => {
    await fs.writeFile(at('hostile.safetensors'), bytes);
    const reading = readSafetensorsHeader(at('hostile.safetensors'));
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(
      /^\[models\] readSafetensorsHeader: .*hostile\.safetensors: /,
    );
  });

  it('a header above the 100 MB of the format', async () => {
    const file = await fs.open(at('sparse'), 'w');
    await fs.write(file, length(100_000_001n));
    await fs.ftruncate(file, 200_000_000); // takes no space on the disk
    await fs.close(file);
    await expect(readSafetensorsHeader(at('sparse'))).rejects.toThrow(
      /at most 100000000 bytes, got a length of 100000001/,
    );
  });

  it('something that is no file', async () => {
    await expect(readSafetensorsHeader(at('none'))).rejects.toThrow(
      /none: cannot be read \(ENOENT.*expected a safetensors file/,
    );
    await expect(readSafetensorsHeader(dir)).rejects.toThrow(
      /expected a safetensors file, got a folder or a device/,
    );
    await expect(readSafetensorsHeader('/dev/zero')).rejects.toThrow(/got a folder or a device/);
  });

  it('a pipe that nobody writes to', async () => {
    await promisify(execFile)('mkfifo', [at('pipe')]);
    await expect(readSafetensorsHeader(at('pipe'))).rejects.toThrow(/got a folder or a device/);
  });

  it('names its tensors in few characters', async () => {
    await fs.writeFile(at('long'), fileOf({ ['x'.repeat(1e6)]: 1 }));
    const error = await readSafetensorsHeader(at('long')).catch((caught: Error) => caught);
    expect((error as Error).message.length).toBeLessThan(400);
  });

  it('is closed again', async () => {
    await fs.writeFile(at('closed'), fileOf('[]'));
    const open = async () => (await fs.readdir('/proc/self/fd').catch(() => [])).length;
    await readSafetensorsHeader(at('closed')).catch(() => {});
    const before = await open();
    for (let i = 0; i < 50; i++) await readSafetensorsHeader(at('closed')).catch(() => {});
    expect(await open()).toBeLessThan(before + 50);
  });
});

/**
 * Reads it all and expects success, or an error of ours; a tensor's buffer is never larger than the
 * file.
 */
async function expectSane(bytes: Uint8Array): Promise<void> {
  const file = at('fuzz');
  await fs.writeFile(file, bytes);
  const outcome = await readAll(file).catch((error: Error) => error);
  if (outcome instanceof Error)
    expect(outcome.message).toMatch(/^\[models\] test: .*fuzz: .*(expected|cannot)/);
  else {
    const dataBytes = bytes.length - 8 - Number(Buffer.from(bytes).readBigUInt64LE());
    expect(outcome.header.tensors.reduce((sum, { begin, end }) => sum + end - begin, 0)).toBe(
      dataBytes,
    );
  }
}

describe('random bytes', () => {
  const sound = fileOf(
    {
      __metadata__: { format: 'pt' },
      a: f32([2, 3], [0, 24]),
      b: f32([], [24, 26], 'BF16'),
      c: f32([0], [26, 26]),
    },
    26,
  );
  const token = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a":',
    '"dtype":"F32"',
    '"shape":[1]',
    '"data_offsets":[0,4]',
    '0',
    '-1',
    '1e9',
    '9'.repeat(30),
    ' ',
    '\\u0000',
    'null',
    '"__metadata__":',
  );

  it('end in an error or in a header that fits the file', async () => {
    const anything = fc.uint8Array({ maxLength: 200 });
    const header = fc.uint8Array({ maxLength: 100 }).map((bytes) => fileOf(bytes));
    const tokens = fc
      .tuple(fc.array(token, { maxLength: 30 }), fc.nat(8))
      .map(([parts, data]) => fileOf(parts.join(''), data));
    await fc.assert(fc.asyncProperty(fc.oneof(anything, header, tokens), expectSane), {
      numRuns: runsOf(1000),
    });
  });

  it('in a sound file do no more', async () => {
    await expectSane(sound);
    const change = fc.tuple(
      fc.nat(sound.length - 1),
      fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('0123456789,:[]{}"'))),
    );
    const mutated = fc
      .tuple(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(40))
      .map(([changes, cut]) => {
        const bytes = Uint8Array.from(sound);
        for (const [place, value] of changes) bytes[place] = value;
        return bytes.subarray(0, bytes.length - (cut > 20 ? cut - 20 : 0));
      });
    await fc.assert(fc.asyncProperty(mutated, expectSane), { numRuns: runsOf(1000) });
  });

  it('never make it allocate more than the file has', async () => {
    const made: number[] = [];
    const Plain = globalThis.Uint8Array;
    const spy = vi.fn((size: number) => void made.push(size));
    globalThis.Uint8Array = new Proxy(Plain, {
      construct(target, args, newTarget) {
        if (typeof args[0] === 'number') spy(args[0]);
        return Reflect.construct(target, args, newTarget);
      },
    });
    try {
      for (const [, bytes] of HOSTILE) {
        await fs.writeFile(at('spied'), bytes);
        made.length = 0;
        await readSafetensorsHeader(at('spied')).catch(() => {});
        for (const size of made) expect(size).toBeLessThanOrEqual(Math.max(8, bytes.length));
      }
    } finally {
      globalThis.Uint8Array = Plain;
    }
    expect(spy).toHaveBeenCalled();
  });
});
