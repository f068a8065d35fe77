/** Scenes: boxes, masks and instances agree, rules are kept, bad options are refused. */
import { type Dataset, loadFashionMnist } from '@deepend/data';
import { boxIou, fashionScenes, type SceneLoaderOptions, sceneLoader } from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { smallClothes } from '../helpers/small-clothes';

beforeAll(() => use('cpu-js'));

const clothes = smallClothes();
const options = { batchSize: 20, numScenes: 20, size: [40, 56], target: 'both' } as const;

/** The first batch, as arrays. */
async function first(given: Partial<SceneLoaderOptions> = {}) {
  const loader = sceneLoader(clothes, { ...options, ...given, target: 'both' });
  for await (const { features, labels } of loader) {
    const read = {
      images: features.arraySync(),
      boxes: labels.boxes.arraySync(),
      masks: labels.masks.arraySync(),
      instances: labels.instances.arraySync(),
    };
    tf.dispose([features, labels as tf.NamedTensorMap]);
    return read;
  }
  throw new Error('no batch');
}

describe('sceneLoader', () => {
  it('has boxes that enclose the pixels of their instance, and its class', async () => {
    const { boxes, masks, instances } = await first({ objects: [2, 4], maxOverlap: 0.5 });
    let overlapping = 0;
    boxes.forEach((rows, scene) => {
      const objects = rows.filter(([label]) => label !== -1);
      expect(objects.length).toBeGreaterThanOrEqual(1);
      expect(
        rows
          .slice(objects.length)
          .flat()
          .every((value) => value === -1),
      ).toBe(true);
      objects.forEach(([label, x1, y1, x2, y2]) => {
        const inside = (x: number, y: number) =>
          x >= (x1 as number) && x <= (x2 as number) && y >= (y1 as number) && y <= (y2 as number);
        const ids = new Set<number>();
        instances[scene]?.forEach((row, y) => {
          row.forEach((id, x) => {
            if (id > 0 && masks[scene]?.[y]?.[x] === (label as number) + 1)
              if (inside((x + 0.5) / 56, (y + 0.5) / 40)) ids.add(id);
          });
        });
        expect(ids.size).toBeGreaterThanOrEqual(1);
        if (ids.size > 1) overlapping++;
      });
      // The tight boxes of the instances are the boxes.
      const tight = [...tightBoxes(instances[scene] as number[][])].sort();
      const given = objects.map((row) =>
        row
          .slice(1)
          .map((value) => value.toFixed(4))
          .join(),
      );
      expect(tight).toEqual(given.sort());
    });
    expect(overlapping).toBeGreaterThan(0);
  });

  it('keeps boxes apart with maxOverlap 0', async () => {
    const { boxes } = await first({ objects: [3, 3], maxOverlap: 0, objectSize: [10, 18] });
    for (const rows of boxes) {
      const objects = rows.filter(([label]) => label !== -1).map((row) => row.slice(1));
      const iou = boxIou(objects, objects);
      iou.forEach((row, i) => {
        row.forEach((value, j) => {
          expect(value).toBe(i === j ? 1 : 0);
        });
      });
    }
  });

  it('draws sizes, gray images and classes as asked', async () => {
    const { boxes, images, masks } = await first({
      ...{ channels: 1, objects: [1, 1], objectSize: [20, 20], classes: ['bar'], clutter: 0 },
    });
    expect(images[0]?.[0]?.[0]).toHaveLength(1);
    expect(new Set(masks.flat(2))).toEqual(new Set([0, 1]));
    for (const [[label, , y1, , y2]] of boxes as [number[]][]) {
      expect(label).toBe(0);
      expect(40 * ((y2 as number) - (y1 as number))).toBeCloseTo(20, 3);
    }
  });

  it('fills dark parts inside of a silhouette', async () => {
    const { boxes, masks } = await first({
      classes: ['disk'],
      objects: [1, 1],
      objectSize: [20, 20],
    });
    boxes.forEach((rows, scene) => {
      const [, x1, y1, x2, y2] = rows[0] as number[];
      const [x, y] = [
        28 * ((x1 as number) + (x2 as number)),
        20 * ((y1 as number) + (y2 as number)),
      ];
      expect(masks[scene]?.[Math.floor(y)]?.[Math.floor(x)]).toBe(1);
    });
  });

  it('names the background where classes are those of pixels', () => {
    const names = (target: 'boxes' | 'masks') =>
      sceneLoader(clothes, { ...options, target }).classNames;
    expect(names('boxes')).toEqual(['disk', 'bar']);
    expect(names('masks')).toEqual(['background', 'disk', 'bar']);
  });

  it.each([
    [{ size: 4 }, '"size" must be an integer from 8'],
    [{ objects: [3, 1] }, '"objects" must be [min, max]'],
    [{ objectSize: [10, 60] }, '"objectSize" must be at most 40 pixels'],
    [{ channels: 2 }, '"channels" must be 1 or 3'],
    [{ classes: ['disk', 'hat'] }, "got 'hat'; it has disk, bar"],
    [{ classes: ['disk', 'disk'] }, "'disk' twice"],
    [{ maxOverlap: 1 }, '"maxOverlap"'],
    [{ targets: 'boxes' }, 'did you mean "target"'],
  ])('refuses %o', (given, message) => {
    const bad = { ...options, ...given } as unknown as SceneLoaderOptions;
    expect(() => sceneLoader(clothes, bad)).toThrow(message);
  });

  it('refuses data without names, and in colour', () => {
    const { classNames: _, ...unnamed } = clothes;
    expect(() => sceneLoader(unnamed as Dataset, options)).toThrow('no names');
    const colored = { ...clothes, imageShape: [14, 7, 2] as const };
    expect(() => sceneLoader(colored as unknown as Dataset, options)).toThrow('2 channels');
  });
});

function* tightBoxes(instances: readonly number[][]) {
  const ids = new Set(instances.flat().filter((id) => id > 0));
  for (const id of ids) {
    const places = instances.flatMap((row, y) =>
      row.flatMap((value, x) => (value === id ? [[x, y] as const] : [])),
    );
    const [xs, ys] = [places.map(([x]) => x), places.map(([, y]) => y)];
    const box = [
      Math.min(...xs) / 56,
      Math.min(...ys) / 40,
      (Math.max(...xs) + 1) / 56,
      (Math.max(...ys) + 1) / 40,
    ];
    yield box.map((value) => value.toFixed(4)).join();
  }
}

const absent = await loadFashionMnist(1, { progress: false, download: false }).then(
  () => undefined,
  () => 'skipped: Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
);

describe.skipIf(absent)(`fashionScenes (${absent ?? 'real data'})`, () => {
  it('makes two sets of scenes of the size asked for', async () => {
    const sizes = { numTrain: 6, numTest: 5, size: 48 };
    const [trainIter, testIter] = await fashionScenes(4, { ...sizes, progress: false });
    expect([trainIter.numSamples, testIter.numSamples]).toEqual([6, 5]);
    expect(trainIter.classNames).toHaveLength(10);
    const seen: string[] = [];
    for (const iter of [testIter, testIter])
      for await (const { features, labels } of iter) {
        expect(features.shape.slice(1)).toEqual([48, 48, 3]);
        seen.push(labels.dataSync().join());
        tf.dispose([features, labels]);
      }
    expect(seen.slice(2)).toEqual(seen.slice(0, 2)); // the test set is always the same
  });

  it('refuses an option that it does not have', async () => {
    await expect(fashionScenes(4, { numScenes: 3 } as never)).rejects.toThrow('"numScenes"');
    await expect(fashionScenes(0)).rejects.toThrow('"batchSize"');
    await expect(fashionScenes(4, { shuffle: true } as never)).rejects.toThrow('shuffle');
  });
});
