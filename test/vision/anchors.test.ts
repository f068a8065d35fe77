/** Anchors, their targets and detections: the book's numbers, and laws. */
import {
  assignAnchors,
  boxIou,
  multiboxDetection,
  multiboxPrior,
  multiboxTarget,
  offsetBoxes,
  offsetInverse,
} from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';
import { d2l } from 'deepend';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/detection.json';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const { basics, target, detection } = golden;
const flat = (values: readonly number[]) => Float32Array.from(values);
const near = (values: ArrayLike<number>, expected: ArrayLike<number>, digits = 4) => {
  expect(values.length).toBe(expected.length);
  Array.from(values).forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] as number, digits);
  });
};

beforeAll(() => use('cpu-js'));

describe('multiboxPrior', () => {
  it("makes the book's anchors, on a map that is not square too", () => {
    near(multiboxPrior([3, 5], { sizes: [0.3, 0.6], ratios: [1, 2, 0.5] }), basics.anchors, 6);
    const map = tf.zeros([1, 3, 5, 1]);
    const anchors = d2l.multiboxPrior(map, [0.3, 0.6], [1, 2, 0.5]);
    expect(anchors.shape).toEqual([1, 60, 4]);
    near(anchors.dataSync(), basics.anchors, 6);
    tf.dispose([map, anchors]);
  });

  it('refuses sizes that are not positive, and a bad shape', () => {
    expect(() => multiboxPrior([2, 2], { sizes: [0], ratios: [1] })).toThrow('"sizes');
    expect(() => multiboxPrior([2, 2], { sizes: [], ratios: [1] })).toThrow('"sizes"');
    expect(() => multiboxPrior([2, 0], { sizes: [1], ratios: [1] })).toThrow('[height, width]');
  });
});

describe('assignAnchors', () => {
  it('assigns as the book does, and no box is left out', () => {
    const [anchors, boxes] = [flat(basics.anchors), flat(basics.truths)];
    expect([...assignAnchors(anchors, boxes)]).toEqual(basics.assigned);
    const assigned = assignAnchors(anchors, boxes, { iouThreshold: 0.4 });
    expect([...assigned]).toEqual(basics.assigned04);
    expect(new Set(assigned)).toEqual(new Set([-1, 0, 1, 2, 3]));
    const iou = boxIou(anchors, boxes);
    assigned.forEach((box, i) => {
      if (box >= 0) return;
      for (let j = 0; j < 4; j++) expect(iou[4 * i + j]).toBeLessThan(0.4);
    });
  });

  it('has room for more boxes than anchors, and for none', () => {
    const box = [0, 0, 1, 1];
    expect([...assignAnchors([box], [[0, 0, 1, 0.5], box, box])]).toEqual([1]);
    expect([...assignAnchors([box, box], [])]).toEqual([-1, -1]);
  });
});

describe('offsets', () => {
  it("are the book's, in each form", () => {
    const [a, b] = [flat(basics.a.slice(0, 16)), flat(basics.b)];
    near(offsetBoxes(a, b), basics.offsets);
    near(offsetInverse(flat(basics.a), flat(basics.moves)), basics.moved);
    const tensors = [basics.a, basics.moves].map((values) => tf.tensor2d(values, [5, 4]));
    const moved = offsetInverse(tensors[0] as tf.Tensor, tensors[1] as tf.Tensor);
    near(moved.dataSync(), basics.moved);
    const back = offsetBoxes(tensors[0] as tf.Tensor, moved);
    near(back.dataSync(), basics.moves, 3);
    tf.dispose([...tensors, moved, back]);
  });

  it('and their inverse are the identity', () => {
    const [a, b] = [flat(basics.a.slice(0, 16)), flat(basics.b)];
    near(offsetInverse(a, offsetBoxes(a, b)), b);
    near(offsetBoxes(a, a), new Float32Array(16), 4);
  });

  it('refuses other numbers of boxes than of anchors', () => {
    expect(() => offsetBoxes([[0, 0, 1, 1]], [])).toThrow('got 1 and 0');
    expect(() => offsetBoxes([[0, 0, 1, 1]] as never, flat([0, 0, 1, 1]) as never)).toThrow(
      'one form',
    );
  });

  it('refuses corners in the wrong order, and anchors without area', () => {
    expect(() => offsetBoxes([[0, 0, 1, 1]], [[0.5, 0, 0.1, 1]])).toThrow('x1 ≤ x2 and y1 ≤ y2');
    expect(() => offsetBoxes([[0, 0, 0, 1]], [[0, 0, 1, 1]])).toThrow(
      'anchors with a width and a height, got [0, 0, 0, 1] at 0',
    );
  });
});

describe('multiboxTarget', () => {
  const labelsOf = (values: number[], rows: number) =>
    tf.tensor3d(values, [values.length / rows / 5, rows, 5]);

  it('labels anchors as the book does', async () => {
    const labels = labelsOf(target.labels, 2);
    const made = multiboxTarget(flat(target.boxes), labels);
    near(made.offsets.dataSync(), target.offsets, 3);
    near(made.masks.dataSync(), target.masks);
    expect(made.classes.arraySync()).toEqual(target.classes);
    expect([made.classes.dtype, made.offsets.shape]).toEqual(['int32', [2, 20]]);
    const anchors = tf.tensor3d(target.boxes, [1, 5, 4]);
    const [offsets, masks, classes] = d2l.multiboxTarget(anchors, labels);
    near(offsets.dataSync(), target.offsets, 3);
    near(masks.dataSync(), target.masks);
    expect(classes.arraySync()).toEqual(target.classes);
    tf.dispose([labels, { ...made }, anchors, offsets, masks, classes]);
  });

  it('leaves rows of −1 out: they change nothing', () => {
    const padding = [-1, -1, -1, -1, -1];
    const padded = [target.labels.slice(0, 10), padding, padding, target.labels.slice(10), padding];
    const labels = labelsOf([...padded, padding].flat(), 4);
    const made = multiboxTarget(flat(target.boxes), labels);
    expect(made.classes.arraySync()).toEqual(target.classes);
    near(made.offsets.dataSync(), target.offsets, 3);
    const empty = labelsOf(padding, 1);
    const none = multiboxTarget(flat(target.boxes), empty);
    expect(none.masks.dataSync().every((value) => value === 0)).toBe(true);
    tf.dispose([labels, { ...made }, empty, { ...none }]);
  });

  it('refuses bad labels', () => {
    const anchors = flat(target.boxes);
    const given = (row: number[]) => () => multiboxTarget(anchors, tf.tensor3d([[row]]));
    expect(given([0.5, 0, 0, 1, 1])).toThrow('classes from 0, or −1 for padding, got 0.5');
    expect(given([0, 1, 0, 0, 1])).toThrow('boxes of image 0 of [x1, y1, x2, y2]');
    expect(given([0, 1, 0, 0])).toThrow('labels [batch, objects, 5]');
    expect(() => multiboxTarget(anchors, [[0, 0, 0, 1, 1]] as never)).toThrow('labels [batch');
    const labels = tf.tensor3d([[[0, 0, 0, 1, 1]]]);
    expect(() => multiboxTarget([[0.5, 0, 0.5, 1]], labels)).toThrow('a width and a height');
    const third = tf.tensor3d([[[2, 0, 0, 1, 1]]]);
    expect(() => multiboxTarget(anchors, third, { numClasses: 2 })).toThrow(
      'expected classes from 0 to 1, or −1 for padding, got 2 for object 0 of image 0',
    );
  });

  it('refuses pixels where anchors are fractions, and fractions where they are pixels', () => {
    const fractions = flat(target.boxes);
    const pixels = fractions.map((value) => 64 * value);
    const given = (anchors: Float32Array, x2: number) => () =>
      multiboxTarget(anchors, tf.tensor3d([[[0, 0, 0, x2, x2]]]));
    expect(given(fractions, 40)).toThrow(
      'boxes in the unit of the anchors, fractions of the image, got a coordinate of 40',
    );
    expect(given(pixels, 0.5)).toThrow('the unit of the anchors, pixels, got a coordinate of 0.5');
    tf.dispose({ ...given(pixels, 40)(), more: given(fractions, 1.1)().masks });
  });
});

describe('multiboxDetection', () => {
  const tensors = () => {
    const probs = tf.tensor3d(detection.probs, [2, 3, 4]); // the book's order
    return { probs, offsets: tf.tensor2d(detection.offsets, [2, 16]) };
  };

  it("finds the book's objects", () => {
    const { probs, offsets } = tensors();
    const anchors = tf.tensor3d(detection.anchors, [1, 4, 4]);
    const rows = d2l.multiboxDetection(probs, offsets, anchors, 0.5);
    expect(rows.shape).toEqual([2, 4, 6]);
    near(rows.dataSync(), detection.rows);
    const turned = tf.transpose(probs, [0, 2, 1]);
    const found = multiboxDetection(turned, offsets, flat(detection.anchors));
    const expected = [0, 1].map((image) =>
      [0, 1, 2, 3]
        .map((i) => detection.rows.slice(6 * (4 * image + i), 6 * (4 * image + i) + 6))
        .filter(([label]) => label !== -1),
    );
    found.forEach(({ boxes, labels, scores }, image) => {
      expect(labels).toEqual(expected[image]?.map(([label]) => label));
      near(scores, expected[image]?.map((row) => row[1] as number) ?? []);
      near(boxes.flat(), expected[image]?.flatMap((row) => row.slice(2)) ?? []);
    });
    tf.dispose([probs, offsets, anchors, rows, turned]);
  });

  it('keeps boxes of other classes with perClass, and refuses logits and other shapes', () => {
    const anchors = flat([0, 0, 1, 1, 0, 0, 1, 0.9]);
    const offsets = tf.zeros([1, 8]);
    const of = (values: number[][]) => tf.tensor3d([values]);
    const probs = of([
      [0, 0.9, 0.1],
      [0, 0.2, 0.8],
    ]);
    expect(multiboxDetection(probs, offsets, anchors)[0]?.labels).toEqual([0]);
    for (const move of [Number.NaN, 1000]) {
      const wild = tf.fill([1, 8], move);
      expect(() => multiboxDetection(probs, wild, anchors)).toThrow(
        `[vision] multiboxDetection: expected offsets of a trained detector, got ${move} for anchor 0`,
      );
      wild.dispose();
    }
    expect(multiboxDetection(probs, offsets, anchors, { perClass: true })[0]?.labels).toEqual([
      0, 1,
    ]);
    expect(() =>
      multiboxDetection(
        of([
          [3, 0],
          [0, 1],
        ]),
        offsets,
        anchors,
      ),
    ).toThrow('tf.softmax');
    expect(() => multiboxDetection(of([[1, 0]]), offsets, anchors)).toThrow(
      '[batch, 2, classes + 1]',
    );
  });

  it('keeps no tensor', () =>
    expectNoLeak(() => {
      const { probs, offsets } = tensors();
      const anchors = tf.tensor3d(detection.anchors, [1, 4, 4]);
      const labels = tf.tensor3d(target.labels, [2, 2, 5]);
      const made = [
        d2l.multiboxDetection(probs, offsets, anchors),
        ...d2l.multiboxTarget(anchors, labels),
        { ...multiboxTarget(flat(detection.anchors), labels) },
      ];
      tf.dispose([probs, offsets, anchors, labels, made]);
    }));
});
