/** Tables: reading, features for a model, folds and submissions. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  DataError,
  kFold,
  loadArray,
  type Table,
  TableEncoder,
  type TableOptions,
  table,
  writeSubmission,
} from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
beforeAll(() => use('cpu-js'));
afterAll(() => fs.remove(dir));

const write = async (content: string | Uint8Array, name = 'x.csv') => {
  await fs.writeFile(path.join(dir, name), content);
  return path.join(dir, name);
};
/** Values of each column by its name. */
const contents = (read: Table) =>
  Object.fromEntries(read.columns.map(({ name, values }) => [name, [...values]]));

const HOUSES = `Id,area,street,alley,price
1,120.5,Pave,NA,200
2,NA,Grvl,Grvl,100
3,80,Pave,,150
4,95,Pave,NA,175
`;
const houses = (options: TableOptions = {}) =>
  table(HOUSES, { target: 'price', id: 'Id', ...options });

describe('table', () => {
  it('reads numbers, categories and missing values', async () => {
    const read = await houses();
    expect(contents(read)).toEqual({
      area: [120.5, Number.NaN, 80, 95],
      street: ['Pave', 'Grvl', 'Pave', 'Pave'],
      alley: [null, 'Grvl', null, null],
    });
    expect(read.ids).toEqual(['1', '2', '3', '4']);
    expect(read.labels()).toEqual({ values: Float32Array.of(200, 100, 150, 175), shape: [4, 1] });
  });

  /** The same table, written in other ways. */
  const FORMS: [string, string | Uint8Array, TableOptions][] = [
    ['tabs', 'a\tb\n1.5\tx y\n\tz\n', {}],
    ['quotes, and a separator within them', '"a","b"\r\n"1.5","x y"\r\n"",z\r\n', {}],
    ['a byte order mark', '\ufeffa,b\n1.5,x y\n,z\n', {}],
    ['semicolons and decimal commas', 'a;b\n1,5;x y\n;z\n', { decimal: ',' }],
    ['spaces after the separator', 'a, b\n1.5, x y\n, z\n', {}],
    ['another separator', 'a:b\n1.5:x y\n:z\n', { separator: ':' }],
    ['other missing values', 'a,b\n1.5,x y\n?,z\n', { missing: ['?'] }],
    ['empty lines and cells at the end', 'a,b\n1.5,x y\n\n,z\n,\n,\n', {}],
    ['gzip', gzipSync('a,b\n1.5,x y\n,z\n'), {}],
    ['UTF-16', Buffer.from('\ufeffa,b\n1.5,x y\n,z\n', 'utf16le'), {}],
  ];
  it.each(FORMS)('reads %s', async (_, content, options) => {
    const expected = { a: [1.5, Number.NaN], b: ['x y', 'z'] };
    expect(contents(await table(await write(content), options))).toEqual(expected);
    if (typeof content === 'string')
      expect(contents(await table(content, options))).toEqual(expected);
  });

  it('reads what was written, whatever is in the cells', async () => {
    const cell = fc.string({ minLength: 1, maxLength: 6, unit: 'grapheme' });
    const rows = fc.array(fc.tuple(cell, fc.double({ noNaN: true, noDefaultInfinity: true })), {
      minLength: 1,
      maxLength: 8,
    });
    const property = fc.asyncProperty(rows, async (given) => {
      const lines = given.map(([text, number]) => `"${text.replaceAll('"', '""')}",${number}`);
      const options = { categorical: ['text'], missing: ['?'] };
      const read = await table(`text,number\n${lines.join('\n')}\n`, options);
      const texts = given.map(([text]) => (text === '?' ? null : text));
      expect(contents(read)).toEqual({ text: texts, number: given.map(([, number]) => number) });
    });
    await fc.assert(property, { seed: 23, numRuns: 60 });
  });

  it('keeps names that are numbers, and numbers files without names', async () => {
    expect(contents(await table('2019,2020\n1,2\n3,4\n'))).toEqual({ 2019: [1, 3], 2020: [2, 4] });
    const unnamed = await table('1\t2\n3\t4\n', { header: false });
    expect(contents(unnamed)).toEqual({ 0: [1, 3], 1: [2, 4] });
    const pandas = await table(',a\n0,5\n1,6\n', { ignore: ['Unnamed: 0'] });
    expect(contents(pandas)).toEqual({ a: [5, 6] });
  });

  it('takes numbers as categories where they are codes, and classes as a target', async () => {
    const text = 'code,x,kind\n20,1,setosa\n60,2,virginica\n20,3,setosa\n';
    const read = await table(text, { target: 'kind', categorical: ['code', 'kind'] });
    expect(contents(read)).toEqual({ code: ['20', '60', '20'], x: [1, 2, 3] });
    expect(read.classNames).toEqual(['setosa', 'virginica']);
    expect(read.labels()).toEqual({ values: Int32Array.of(0, 1, 0), shape: [3] });
    const test = 'x,code,kind\n5,60,virginica\n';
    const { values } = (await table(test, { like: read })).labels();
    expect([...values]).toEqual([1]);
    await expect(table('x,code,kind\n5,60,rosa\n', { like: read })).rejects.toThrow(
      "the table, line 2: expected a class of 'setosa', 'virginica', got 'rosa'",
    );
  });

  it("reads a test file by the training part's columns, in any order, without the target", async () => {
    const train = await houses();
    const test = await table('street,Id,alley,area\nPave,7,5,\n', { like: train });
    expect(test.columns.map(({ name }) => name)).toEqual(['area', 'street', 'alley']);
    expect(contents(test)).toEqual({ area: [Number.NaN], street: ['Pave'], alley: ['5'] });
    expect([test.ids, test.target]).toEqual([['7'], undefined]);
    expect(() => test.labels()).toThrow('expected a table with a target');
  });

  it('reads a test file as the training file was written', async () => {
    const format = { separator: '|', decimal: ',', missing: ['-1'] } as const;
    const train = await table('a|b\n-1|1,5\n2|2,5\n3|3,5\n', format);
    const test = await table('b|a\n-1|-1\n4,5|4\n', { like: train.select([1, 2]) });
    expect(contents(test)).toEqual({ a: [Number.NaN, 4], b: [Number.NaN, 4.5] });
    const other = await table('b;a\n-1;NA\n', { like: train, missing: ['NA'], separator: ';' });
    expect(contents(other)).toEqual({ a: [Number.NaN], b: [-1] });
  });

  it('leaves out spaces around cells, between tabs too', async () => {
    for (const separator of [',', '\t']) {
      const read = await table(`a${separator} b\n NA ${separator} x\n1${separator}x \n`);
      expect(contents(read)).toEqual({ a: [Number.NaN, 1], b: ['x', 'x'] });
    }
  });

  const REFUSED: [string, string, TableOptions, string][] = [
    ['a row of another length', 'a,b\n1,2\n3\n', {}, 'line 3: expected 2 cells, as in the first'],
    ['a quote without end', 'a,b\n1,"2\n3,4\n', {}, 'a quoted cell without an end'],
    [
      'a quote within a cell',
      'a,b\n1,"2"3\n',
      {},
      'line 2: expected cells, quoted or not, got a quote',
    ],
    ['a name twice', 'a,a\n1,2\n', {}, "got 'a' twice"],
    ['no rows', 'a,b\n', {}, 'expected rows below the names, got none'],
    [
      'a row of nothing',
      'a,b\n,\n1,2\n',
      {},
      'line 2: expected a sample, got a row of empty cells',
    ],
    [
      'words among numbers',
      'a\n1\n2\nx\n',
      {},
      "line 4: expected numbers in column 'a', as in 66 %",
    ],
    ['a word in a numeric column', 'a\nx\ny\n', { numeric: ['a'] }, 'line 2: expected numbers in'],
    ['decimal commas', 'a;b\n1,5;2\n2,5;3\n', {}, 'pass "decimal: \',\'"'],
    [
      'a target of words',
      'a,y\n1,x\n',
      { target: 'y' },
      "line 2: expected numbers in the target 'y'",
    ],
    [
      'a missing target',
      'a,y\n1,2\n3,NA\n',
      { target: 'y' },
      'line 3: expected a value of the target',
    ],
    ['thousands', 'a;b\n1,500;2\n12,500;3\n', {}, 'remove the commas if they separate thousands'],
    ['an infinite number', 'a\n1\n2\n1e999\n', {}, "line 4: expected numbers in column 'a'"],
  ];
  it.each(REFUSED)('refuses %s', async (_, text, options, message) => {
    const error = await table(text, options).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^\[data\] the table.*: expected .*, got .*; /);
  });

  it('refuses columns that are not there, and options that contradict each other', async () => {
    await expect(houses({ ignore: ['streat'] })).rejects.toThrow("did you mean 'street'?");
    await expect(houses({ ignore: ['price'] })).rejects.toThrow('"target" and "ignore"');
    await expect(houses({ numeric: ['area'], categorical: ['area'] })).rejects.toThrow("'area' in");
    await expect(table('a,b\n1,2\n', { decimal: ',', separator: ',' })).rejects.toThrow(
      'separator',
    );
    await expect(houses({ traget: 'price' } as TableOptions)).rejects.toThrow('"target"?');
    const like = await houses();
    await expect(houses({ like })).rejects.toThrow('option "target" comes from "like"');
    await expect(table('area,street\n1,Pave\n', { like })).rejects.toThrow(
      "all 3 columns of the training table, got none with the name 'alley'",
    );
    await expect(table('area,street,alley,pool\n1,Pave,,2\n', { like })).rejects.toThrow(
      "only columns of the training table, got 'pool' too",
    );
    await expect(table('area,street,alley\nlarge,Pave,\n', { like })).rejects.toThrow(
      "line 2: expected numbers in column 'area', got 'large'",
    );
    await expect(table('')).rejects.toThrow("expected a file or a table's text, got ''");
    await expect(table(path.join(dir, 'none.csv'))).rejects.toThrow('nothing there (ENOENT)');
    await expect(table(await write(Buffer.of(0x61, 0x0a, 0xff)))).rejects.toThrow('UTF-8');
  });

  it('selects rows and adds columns', async () => {
    const read = await houses();
    const part = read.select([3, 1]);
    expect(contents(part).street).toEqual(['Pave', 'Grvl']);
    expect([part.ids, [...part.labels().values], part.numRows]).toEqual([
      ['4', '2'],
      [175, 100],
      2,
    ]);
    const more = part.with({
      doubled: part.numbers('area').map((area) => 2 * area),
      alley: ['a', null],
    });
    expect(contents(more)).toMatchObject({ doubled: [190, Number.NaN], alley: ['a', null] });
    expect(() => read.select([4])).toThrow('expected rows from 0 to 3, got 4');
    expect(() => read.select([])).toThrow('got none');
    expect(() => read.numbers('street')).toThrow("got the categories of 'street'");
    expect(() => read.column('steet')).toThrow("did you mean 'street'?");
    expect(() => read.with({ x: [1] })).toThrow("expected 4 numbers or 4 strings for 'x'");
    expect(() => read.with({ price: [1, 2, 3, 4] })).toThrow("got the target 'price'");
  });
});

describe('TableEncoder', () => {
  it('learns means, categories and missing values', async () => {
    const read = await houses();
    const encoder = new TableEncoder().fit(read);
    expect(encoder.featureNames).toEqual([
      ...['area', 'area=missing', 'street=Grvl', 'street=Pave', 'alley=Grvl', 'alley=missing'],
    ]);
    const { values, shape } = encoder.transform(read);
    expect(shape).toEqual([4, 6]);
    // numpy: x = [120.5, 80, 95]; (x - x.mean()) / x.std(ddof=1)
    const area = [1.07445, 0, -0.90352, -0.17094];
    area.forEach((value, row) => {
      expect(values[6 * row]).toBeCloseTo(value, 4);
    });
    expect([...values.subarray(1, 6)]).toEqual([0, 0, 1, 0, 1]);
    expect([...values.subarray(7, 12)]).toEqual([1, 1, 0, 1, 0]);
  });

  it('uses nothing of what it transforms', async () => {
    const read = await houses();
    const encoder = new TableEncoder().fit(read.select([0, 2]));
    const all = encoder.transform(read.select([0, 2, 3])).values;
    const some = encoder.transform(read.select([0, 2])).values;
    expect(all.slice(0, some.length)).toEqual(some);
    expect(() => encoder.transform(read)).toThrow(
      "column 'street', row 2: expected one of the 1 categories of the training part, got 'Grvl'",
    );
    const ignoring = new TableEncoder({ unknown: 'ignore' }).fit(read.select([0, 2]));
    const { featureNames } = ignoring;
    expect(featureNames).toEqual(['area', 'street=Pave', 'alley=missing']);
    // A number that is missing is the training part's mean.
    expect([...ignoring.transform(read.select([1])).values]).toEqual([0, 0, 0]);
  });

  it('refuses a missing category where the training part has none', async () => {
    const train = await table('kind,x\na,1\nb,2\n');
    const test = await table('kind,x\n,1\n', { like: train });
    const encoder = new TableEncoder().fit(train);
    expect(() => encoder.transform(test)).toThrow("column 'kind', row 1: expected one of the 2");
    expect(() => encoder.transform(test)).toThrow('got a missing value');
  });

  it('takes logarithms of skewed columns, and medians', async () => {
    const rows = ['1,0,-1', '2,1,0', '3,NA,1', '4,100,50', '5,1,0'];
    const read = await table(`even,steep,negative\n${rows.join('\n')}\n`);
    const raw = { standardize: false, missingIndicators: false, impute: 'median' } as const;
    const skewed = new TableEncoder({ ...raw, log1p: 'skewed' }).fit(read).transform(read).values;
    const steep = [0, Math.log(2), Math.log(2), Math.log(101), Math.log(2)];
    const expected = [-1, 0, 1, 50, 0].flatMap((negative, i) => [i + 1, steep[i], negative]);
    skewed.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] as number, 5);
    });
    const named = new TableEncoder({ ...raw, log1p: ['negative'] }).fit(read);
    expect(() => named.transform(read)).toThrow(
      "column 'negative', row 1: expected a number above",
    );
    expect(() => new TableEncoder({ log1p: ['stepe'] }).fit(read)).toThrow("did you mean 'steep'?");
  });

  it('limits outliers', async () => {
    const read = await table('x\n1\n2\n3\n');
    const { values } = new TableEncoder({ clip: 0.5 }).fit(read).transform(read);
    expect([...values]).toEqual([-0.5, 0, 0.5]);
    expect(() => new TableEncoder({ clip: 1, standardize: false })).toThrow('"clip" limits');
  });

  it('gives finite numbers for constant and empty columns', async () => {
    const read = await table('constant,empty,x\n5,,1\n5,NA,2\n');
    const encoder = new TableEncoder().fit(read);
    expect([...encoder.transform(read).values].every(Number.isFinite)).toBe(true);
    expect(encoder.featureNames).toEqual(['constant', 'empty', 'empty=missing', 'x']);
  });

  it('is kept as JSON', async () => {
    const read = await houses();
    const encoder = new TableEncoder({ log1p: 'skewed' }).fit(read);
    const kept = TableEncoder.fromJSON(JSON.parse(JSON.stringify(encoder)));
    expect(kept.transform(read)).toEqual(encoder.transform(read));
    expect(kept.featureNames).toEqual(encoder.featureNames);
    const damaged = { settings: {}, columns: [{ name: 'area' }] };
    for (const state of [{}, damaged])
      expect(() => TableEncoder.fromJSON(state as never)).toThrow('expected what toJSON gave');
  });

  it('refuses to transform before it has learned, other kinds, and what is no table', async () => {
    const read = await houses();
    expect(() => new TableEncoder().transform(read)).toThrow('call fit(trainingTable) first');
    const encoder = new TableEncoder().fit(read);
    const other = await table('area,street,alley\nlarge,Pave,Grvl\n');
    expect(() => encoder.transform(other)).toThrow("expected a numeric column 'area'");
    expect(() => encoder.transform({} as Table)).toThrow('expected a table');
    expect(() => new TableEncoder({ impute: 'zero' } as never)).toThrow('"impute" must be one of');
  });

  it('feeds a loader', async () => {
    const read = await houses();
    const features = new TableEncoder().fit(read).transform(read);
    await expectNoLeak(async () => {
      for await (const batch of loadArray([features, read.labels()], 3)) {
        expect(batch.features.shape[1]).toBe(6);
        tf.dispose([batch.features, batch.labels]);
      }
    });
  });
});

describe('kFold', () => {
  it('puts each sample into one validation part', () => {
    const sizes = fc.record({
      n: fc.integer({ min: 2, max: 60 }),
      k: fc.integer({ min: 2, max: 8 }),
      shuffle: fc.boolean(),
      seed: fc.integer(),
    });
    const property = fc.property(sizes, ({ n, k, ...options }) => {
      fc.pre(k <= n);
      const folds = kFold(n, k, options);
      const all = folds.flatMap(({ validation }) => [...validation]);
      expect(all.toSorted((a, b) => a - b)).toEqual([...Array(n).keys()]);
      for (const { train, validation } of folds) {
        expect(new Set([...train, ...validation]).size).toBe(n);
        expect(Math.abs(validation.length - n / k)).toBeLessThan(1);
      }
    });
    fc.assert(property, { seed: 23, numRuns: 100 });
  });

  it('keeps the order on demand, and shuffles by a seed', () => {
    const folds = kFold(5, 2, { shuffle: false }).map(({ validation }) => [...validation]);
    expect(folds).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
    expect(kFold(50, 2, { seed: 1 })).toEqual(kFold(50, 2, { seed: 1 }));
    expect(kFold(50, 2, { seed: 1 })).not.toEqual(kFold(50, 2, { seed: 2 }));
    expect(() => kFold(5, 6)).toThrow('at most 5 folds for 5 samples, got 6');
    expect(() => kFold(5, 1)).toThrow('"k" must be an integer of at least 2');
  });
});

describe('writeSubmission', () => {
  it('writes columns that table reads again', async () => {
    const file = path.join(dir, 'submission.csv');
    const prices = Float32Array.of(1.5, 2);
    await writeSubmission(file, { Id: ['7', 'a "b", c'], SalePrice: prices });
    expect(await fs.readFile(file, 'utf8')).toBe('Id,SalePrice\n7,1.5\n"a ""b"", c",2\n');
    expect(contents(await table(file, { categorical: ['Id'] }))).toEqual({
      Id: ['7', 'a "b", c'],
      SalePrice: [1.5, 2],
    });
  });

  it('refuses columns of different lengths, and NaN', async () => {
    const file = path.join(dir, 'never.csv');
    await expect(writeSubmission(file, { Id: ['1', '2'], y: [1] })).rejects.toThrow("'y' for each");
    await expect(writeSubmission(file, { Id: ['1'], y: [Number.NaN] })).rejects.toThrow('in row 1');
    await expect(writeSubmission(file, {})).rejects.toThrow('at least one column');
    expect(await fs.pathExists(file)).toBe(false);
  });
});
