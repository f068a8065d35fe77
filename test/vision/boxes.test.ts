/** Boxes, IoU and suppression: the book's numbers, and laws that hold for all boxes. */
import { sfc32 } from '@deepend/data';
import {
  type Boxes,
  boxCenterToCorner,
  boxCornerToCenter,
  boxIou,
  clipBoxes,
  nms,
} from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/detection.json';
import { use } from '../helpers/backends';
import { runsOf } from '../helpers/full';
import { expectNoLeak } from '../helpers/leaks';

const { basics } = golden;
const flat = (values: readonly number[]) => Float32Array.from(values);
const rows = (values: ArrayLike<number>) =>
  Array.from({ length: values.length / 4 }, (_, i) =>
    Array.from({ length: 4 }, (__, j) => values[4 * i + j] as number),
  );
const tensor = (values: readonly number[]) => tf.tensor2d([...values], [values.length / 4, 4]);
const near = (values: ArrayLike<number>, expected: ArrayLike<number>, digits = 5) => {
  expect(values.length).toBe(expected.length);
  Array.from(values).forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] as number, digits);
  });
};

/** Random boxes: some small, some that touch, some without area. */
function randomBoxes(count: number, seed: number): Float32Array {
  const next = sfc32(seed);
  const step = () => Math.floor((next() / 2 ** 32) * 24) / 16; // multiples of 1/16 make ties
  const boxes = Array.from({ length: count }, () => {
    const [x, y] = [step(), step()];
    return [x, y, x + step() / 2, y + step() / 2];
  });
  return flat(boxes.flat());
}

beforeAll(() => use('cpu-js'));

describe('boxes of corners and of centers', () => {
  it("are the book's, in each form", () => {
    near(boxCornerToCenter(flat(basics.a)), basics.center);
    near(boxCornerToCenter(rows(basics.a)).flat(), basics.center);
    const [corners, centers] = [tensor(basics.a), tensor(basics.center)];
    const [there, back] = [boxCornerToCenter(corners), boxCenterToCorner(centers)];
    near(there.dataSync(), basics.center);
    near(back.dataSync(), basics.a);
    expect(there.shape).toEqual([5, 4]);
    tf.dispose([corners, centers, there, back]);
  });

  it('are inverse, for tensors of any rank too', () => {
    const boxes = randomBoxes(60, 3);
    near(boxCenterToCorner(boxCornerToCenter(boxes)), boxes);
    const cube = tf.tensor(boxes, [3, 20, 4]);
    const back = boxCenterToCorner(boxCornerToCenter(cube));
    expect(back.shape).toEqual([3, 20, 4]);
    near(back.dataSync(), boxes);
    tf.dispose(back);
    tf.dispose(cube);
  });

  it('are clipped to the image', () => {
    const size = [10, 20] as const;
    expect(clipBoxes([[-1, -2, 25, 12]], { size })).toEqual([[0, 0, 20, 10]]);
    expect([...clipBoxes(flat([-1, 0.5, 0.5, 2]))]).toEqual([0, 0.5, 0.5, 1]);
    const clipped = clipBoxes(tf.tensor2d([[-1, -2, 25, 12]]), { size });
    expect([...clipped.dataSync()]).toEqual([0, 0, 20, 10]);
  });

  it('refuses what is no box', () => {
    const bad: [unknown, string][] = [
      [[[1, 2, 3]], 'a list of lists of four numbers'],
      [flat([1, 2, 3]), '4 * n numbers'],
      [[[0, 0, Number.NaN, 1]], 'four finite numbers, got [0, 0, NaN, 1] at 0'],
      ['box', "got 'box'"],
    ];
    for (const [boxes, message] of bad)
      expect(() => boxCornerToCenter(boxes as Boxes)).toThrow(message);
    expect(() => clipBoxes([[0, 0, 1, 1]], { sise: [1, 1] } as never)).toThrow('"size"');
  });
});

describe('boxIou', () => {
  it("is the book's, in each form", () => {
    near(boxIou(flat(basics.a), flat(basics.b)), basics.iou);
    near(boxIou(rows(basics.a), rows(basics.b)).flat(), basics.iou);
    const [a, b] = [tensor(basics.a), tensor(basics.b)];
    const iou = boxIou(a, b);
    expect(iou.shape).toEqual([5, 4]);
    near(iou.dataSync(), basics.iou);
    tf.dispose([a, b, iou]);
  });

  it('is symmetric, 1 for a box with itself, from 0 to 1, and without area 0', () => {
    for (let seed = 0; seed < runsOf(40); seed++) {
      const boxes = randomBoxes(30, seed);
      const iou = boxIou(boxes, boxes);
      const t = tf.tensor2d(boxes, [30, 4]);
      const asTensor = boxIou(t, t);
      near(asTensor.dataSync(), iou);
      tf.dispose([t, asTensor]);
      for (let i = 0; i < 30; i++) {
        const [x1, y1, x2, y2] = boxes.subarray(4 * i, 4 * i + 4) as unknown as number[];
        const hasArea = (x2 as number) > (x1 as number) && (y2 as number) > (y1 as number);
        expect(iou[31 * i]).toBe(hasArea ? 1 : 0);
        for (let j = 0; j < 30; j++) {
          expect(iou[30 * i + j]).toBe(iou[30 * j + i]);
          expect(iou[30 * i + j]).toBeGreaterThanOrEqual(0);
          expect(iou[30 * i + j]).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  it('has a gradient that agrees with finite differences', () => {
    const b = tensor(basics.b);
    const sum = (a: tf.Tensor) => tf.sum(boxIou(a, b)) as tf.Scalar;
    const a = tensor(basics.a);
    const gradient = tf.grad(sum)(a).dataSync();
    for (let i = 0; i < basics.a.length; i++) {
      const at = (step: number) =>
        sum(tensor(basics.a.map((value, j) => (j === i ? value + step : value)))).dataSync()[0];
      const slope = ((at(1e-3) as number) - (at(-1e-3) as number)) / 2e-3;
      expect(gradient[i]).toBeCloseTo(slope, 1);
    }
  });

  it('refuses boxes of two forms, and corners in the wrong order', () => {
    expect(() => boxIou([[0, 0, 1, 1]] as never, flat([0, 0, 1, 1]))).toThrow('one form');
    expect(() => boxIou([[1, 0, 0, 1]], [[0, 0, 1, 1]])).toThrow('boxes1 of [x1, y1, x2, y2]');
    expect(() => boxIou([[0, 0, 1, 1]], [[0, 1, 1, 0]])).toThrow('boxes2 of [x1, y1, x2, y2]');
    expect(boxIou([[0, 0, 1, 1]], [])).toEqual([[]]);
  });

  it('keeps no tensor', () =>
    expectNoLeak(() => {
      const a = tensor(basics.a);
      tf.dispose([boxIou(a, a), boxCornerToCenter(a), boxCenterToCorner(a), clipBoxes(a), a]);
    }));
});

describe('nms', () => {
  it.each(Object.entries(golden.nms.kept))("keeps the book's boxes at %s", (threshold, kept) => {
    const { boxes, scores } = golden.nms;
    const options = { iouThreshold: Number(threshold) };
    expect([...nms(flat(boxes), scores, options)]).toEqual(kept);
    expect([...nms(rows(boxes), Float32Array.from(scores), options)]).toEqual(kept);
    const tensors = [tensor(boxes), tf.tensor1d(scores)] as const;
    expect([...nms(...tensors, options)]).toEqual(kept);
    tf.dispose([...tensors]);
  });

  /** The definition, without a grid. */
  function plain(boxes: Float32Array, scores: Float32Array, iouThreshold: number): number[] {
    const order = Array.from(scores, (_, i) => i).sort(
      (a, b) => (scores[b] as number) - (scores[a] as number) || a - b,
    );
    const iou = boxIou(boxes, boxes);
    const kept: number[] = [];
    for (const i of order)
      if (kept.every((j) => (iou[i * scores.length + j] as number) <= Math.fround(iouThreshold)))
        kept.push(i);
    return kept;
  }

  it('is what its definition says, for boxes of all sizes and thresholds', () => {
    for (let seed = 0; seed < runsOf(60); seed++) {
      const next = sfc32(100 + seed);
      const real = () => next() / 2 ** 32;
      const n = 20 + 30 * (seed % 9);
      const side = [0.01, 0.1, 0.5, 2][seed % 4] as number;
      const boxes = new Float32Array(4 * n);
      for (let i = 0; i < n; i++) {
        const [x, y, w, h] = [real(), 0.3 * real(), side * real() ** 3, side * real()];
        boxes.set([x, y, x + w, y + h], 4 * i);
      }
      const scores = Float32Array.from({ length: n }, () => Math.round(20 * real()) / 20);
      const iouThreshold = [0, 0.05, 0.3, 0.5, 0.7, 0.9, 1][seed % 7] as number;
      const kept = nms(boxes, scores, { iouThreshold });
      expect([...kept]).toEqual(plain(boxes, scores, iouThreshold));
      const again = nms(
        flat(Array.from(kept).flatMap((i) => [...boxes.subarray(4 * i, 4 * i + 4)])),
        Array.from(kept, (i) => scores[i] as number),
        { iouThreshold },
      );
      expect([...again]).toEqual(Array.from(kept, (_, i) => i)); // a fixed point
    }
  });

  it('keeps boxes of other classes, drops low scores, stops at the most', () => {
    const boxes = [
      [0, 0, 2, 2],
      [0, 0, 2, 1.9],
      [0, 0, 1.9, 2],
      [3, 3, 4, 4],
    ];
    const scores = [0.8, 0.9, 0.7, 0.1];
    expect([...nms(boxes, scores)]).toEqual([1, 3]);
    expect([...nms(boxes, scores, { labels: [0, 1, 1, 0] })]).toEqual([1, 0, 3]);
    expect([...nms(boxes, scores, { scoreThreshold: 0.2 })]).toEqual([1]);
    expect([...nms(boxes, scores, { maxDetections: 1 })]).toEqual([1]);
    expect([...nms([], [])]).toEqual([]);
  });

  it('refuses bad input', () => {
    const box = [[0, 0, 1, 1]];
    expect(() => nms(box, [1, 2])).toThrow('scores for 1 boxes, got 2');
    expect(() => nms(box, [Number.NaN])).toThrow('scores that are numbers, got NaN at 0');
    expect(() => nms([[1, 0, 0, 1]], [1])).toThrow('x1 ≤ x2');
    expect(() => nms(box, [1], { labels: [] })).toThrow('labels for 1 boxes');
    expect(() => nms(box, [1], { iouThreshold: 2 })).toThrow('"iouThreshold"');
    expect(() => nms(box, [1], { threshold: 0.5 } as never)).toThrow('no option "threshold"');
  });
});
