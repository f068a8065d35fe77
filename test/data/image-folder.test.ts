import { tmpdir } from 'node:os';
import path from 'node:path';
import { DataError, imageFolder } from '@deepend/data';
import fs from 'fs-extra';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hasRightsToTest, withoutRights } from '../helpers/rights';

let dir: string;
beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await fs.chmod(dir, 0o700);
  await fs.remove(dir);
});

/** Empty files, since nothing is decoded here. */
const fill = (...names: string[]) =>
  Promise.all(names.map((name) => fs.outputFile(path.join(dir, name), '')));
const names = (files: readonly string[]) => files.map((file) => path.relative(dir, file));

describe('imageFolder', () => {
  it('takes subfolders for classes, sorted, and images at any depth', async () => {
    await fill(
      'dog/2.JPG',
      'dog/10.png',
      'cat/deep/er/1.webp',
      'cat/a.jpeg',
      'Ant/x.png',
      'Ant/notes.txt',
      'readme.md',
      '.git/a.png',
      'dog/.hidden.png',
    );
    const set = await imageFolder(dir);
    expect(set.classNames).toEqual(['Ant', 'cat', 'dog']);
    expect(names(set.files)).toEqual([
      'Ant/x.png',
      'cat/a.jpeg',
      'cat/deep/er/1.webp',
      'dog/10.png',
      'dog/2.JPG',
    ]);
    expect([[...set.labels], set.channels, set.source]).toEqual([[0, 1, 1, 2, 2], 3, dir]);
    vi.spyOn(process.stderr, 'write').mockReturnValue(true); // of the class that has no such image
    expect(
      (await imageFolder(dir, { channels: 1, extensions: ['.png', 'jpg'], onError: 'skip' }))
        .channels,
    ).toBe(1);
  });

  it('reads what torchvision reads, and counts what it leaves out', async () => {
    const images = [
      'bmp',
      'gif',
      'jfif',
      'jpeg',
      'jpg',
      'pgm',
      'png',
      'ppm',
      'tif',
      'tiff',
      'webp',
    ];
    await fill(...images.map((ending) => `a/1.${ending}`), 'b/1.avif');
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const whole = await imageFolder(dir);
    expect([whole.files.length, whole.leftOut, said.mock.calls]).toEqual([12, undefined, []]);
    const others = ['a/notes.txt', 'a/1.HEIC', 'b/2.heic', 'b/deep/LICENSE', 'b/.hidden.png'];
    await fill(...others, 'b/.DS_Store', 'b/._1.avif', 'loose.png', 'readme.md');
    const { files, leftOut = [] } = await imageFolder(dir);
    expect(files).toEqual(whole.files);
    expect(said.mock.calls.join()).toMatch(
      /6 entries left out next to 12 images: \.heic 2, an image outside the class folders 1, \.txt 1, a hidden image 1, a file without extension 1; the first: .*loose\.png: an image outside/,
    );
    expect(names(leftOut.map(({ file }) => file)).sort()).toEqual([...others, 'loose.png'].sort());
  });

  it('numbers the classes by given names', async () => {
    await fill('train/cat/1.png', 'train/dog/1.png', 'train/fox/1.png');
    await fill('test/cat/1.png', 'test/fox/1.png');
    const { classNames = [] } = await imageFolder(path.join(dir, 'train'));
    const test = await imageFolder(path.join(dir, 'test'), { classNames });
    expect([test.classNames, [...test.labels]]).toEqual([
      ['cat', 'dog', 'fox'],
      [0, 2],
    ]);
    const reversed = { classNames: ['fox', 'dog', 'cat'] };
    const turned = await imageFolder(path.join(dir, 'test'), reversed);
    expect([names(turned.files), [...turned.labels]]).toEqual([
      ['test/fox/1.png', 'test/cat/1.png'],
      [0, 2],
    ]);
    await fill('test/cow/1.png');
    await expect(imageFolder(path.join(dir, 'test'), { classNames })).rejects.toThrow(
      /cow: expected a folder of one of the classes cat, dog, fox, got 'cow'; remove the folder, or/,
    );
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const skipped = await imageFolder(path.join(dir, 'test'), { classNames, onError: 'skip' });
    expect([...skipped.labels]).toEqual([0, 2]);
    expect(said.mock.calls.join()).toMatch(/1 entry left out/);
    await expect(imageFolder(dir, { classNames: ['a', 'b', 'a'] })).rejects.toThrow(
      /"classNames" must have each name once, got 'a' twice/,
    );
  });

  it('follows links, and stops at one that leads back', async () => {
    await fill('a/1.png', 'b/1.png', '../elsewhere.png');
    await fs.symlink(path.join(dir, 'a'), path.join(dir, 'b', 'of-a'));
    expect(names((await imageFolder(dir)).files)).toEqual(['a/1.png', 'b/1.png', 'b/of-a/1.png']);
    await fs.symlink(dir, path.join(dir, 'a', 'loop'));
    await expect(imageFolder(dir)).rejects.toThrow(
      /loop: expected a folder, got a circular link to a folder that contains it; remove the link/,
    );
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    // b/of-a leads into the same folder, from where the loop is met again.
    expect(names((await imageFolder(dir, { onError: 'skip' })).files)).toEqual([
      'a/1.png',
      'b/1.png',
      'b/of-a/1.png',
    ]);
    expect(said.mock.calls.join()).toMatch(
      /2 entries left out next to 3 images: .*; the first: .*loop: expected a folder/,
    );
    await fs.remove(path.join(dir, '..', 'elsewhere.png'));
  });

  it.each([
    ['a link to itself', 'a', /a loop of symbolic links \(ELOOP\)/],
    ['a link to nowhere', 'nowhere', /nothing there \(ENOENT\)/],
  ])('refuses %s', async (_, target, message) => {
    await fill('c/1.png', 'd/1.png');
    await fs.symlink(path.join(dir, 'c', target), path.join(dir, 'c', 'a'));
    await expect(imageFolder(dir)).rejects.toThrow(message);
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect((await imageFolder(dir, { onError: 'skip' })).files).toHaveLength(2);
  });

  it('refuses a name that is not UTF-8, or leaves it out when told so', async () => {
    await fill('a/1.png', 'b/1.png');
    const name = Buffer.concat([
      Buffer.from(path.join(dir, 'a', 'caf')),
      Buffer.from([0xe9]),
      Buffer.from('.png'),
    ]);
    await fs.promises.writeFile(name, '');
    await expect(imageFolder(dir)).rejects.toThrow(
      /expected a name in UTF-8, got the bytes 636166e92e706e67; rename it/,
    );
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect((await imageFolder(dir, { onError: 'skip' })).files).toHaveLength(2);
    expect(said.mock.calls.join()).toMatch(/1 entry left out next to 2 images/);
  });

  it('keeps the number of a class without images, when told so', async () => {
    await fill('a/1.png', 'c/1.png');
    await fs.ensureDir(path.join(dir, 'b'));
    await expect(imageFolder(dir)).rejects.toThrow(
      /b: expected images of a class \(\.jpg, \.jpeg, .*\.pnm\), got none; add some/,
    );
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const set = await imageFolder(dir, { onError: 'skip' });
    expect([set.classNames, [...set.labels]]).toEqual([
      ['a', 'b', 'c'],
      [0, 2],
    ]);
  });

  it.skipIf(!hasRightsToTest)('says so when it has no rights (needs users)', async () => {
    await fill('a/1.png', 'b/1.png');
    await fs.chmod(dir, 0o700);
    if (process.geteuid?.() !== 0) await fs.chmod(dir, 0);
    await withoutRights(() =>
      expect(imageFolder(dir)).rejects.toThrow(/no rights to it \(EACCES\); name another folder/),
    );
  });

  const cases: [string, string[], object, RegExp][] = [
    [
      'an empty folder',
      [],
      {},
      /expected a folder for each class, two or more, got none; name the folder whose subfolders/,
    ],
    ['images without classes', ['1.png', '2.png'], {}, /got none, and 2 images without a class/],
    [
      'one class only',
      ['photos/1.png'],
      {},
      /got one, photos; name the folder whose subfolders are the classes/,
    ],
    [
      'no image of the kind',
      ['a/1.heic', 'b/1.heic', 'b/2.txt'],
      { onError: 'skip' },
      /expected images \(\.jpg, .*\) in class folders, got none, but other entries \(\.heic 2, an entry with an error 2, \.txt 1\)/,
    ],
  ];
  it.each(cases)('refuses %s', async (_, files, options, message) => {
    await fill(...files);
    const error = await imageFolder(dir, options).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(message);
  });

  it('refuses options that are none', async () => {
    await expect(imageFolder(dir, { channels: 4 } as never)).rejects.toThrow(
      /"channels" must be 1 or 3, got 4/,
    );
    await expect(imageFolder(dir, { extensions: ['*.png'] })).rejects.toThrow(
      /"extensions.0" must be an extension/,
    );
    await expect(imageFolder(dir, { onError: 'ignore' } as never)).rejects.toThrow(
      /must be one of 'throw', 'skip'/,
    );
    await expect(imageFolder(path.join(dir, 'none'))).rejects.toThrow(/nothing there \(ENOENT\)/);
    await expect(imageFolder(3 as never)).rejects.toThrow(/expected the path of a folder, got 3/);
  });
});
