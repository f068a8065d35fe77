/** mAP: the numbers of COCO's own evaluation, and cases that can be counted by hand. */
import { type Detections, meanAveragePrecision, type Truth } from '@deepend/vision';
import { describe, expect, it } from 'vitest';
import golden from '../golden/detection.json';

const { coco } = golden;
const detections = coco.detections as unknown as Detections[];
const truths = coco.truths as unknown as Truth[];
const LEFT = [0, 0, 1, 1] as const;
const RIGHT = [2, 0, 3, 1] as const;
const found = (...objects: [typeof LEFT | typeof RIGHT, label: number, score: number][]) => ({
  boxes: objects.map(([box]) => box),
  labels: objects.map(([, label]) => label),
  scores: objects.map(([, , score]) => score),
});

describe('meanAveragePrecision', () => {
  it("is pycocotools', with equal scores and a class without objects", () => {
    const { map, map50, map75, perClass, recall } = meanAveragePrecision(detections, truths);
    expect(map).toBeCloseTo(coco.map, 6);
    expect(map50).toBeCloseTo(coco.map50, 6);
    expect(map75).toBeCloseTo(coco.map75, 6);
    expect(recall).toBeCloseTo(coco.recall, 6);
    expect(perClass).toHaveLength(3);
    coco.perClass.forEach((value, i) => {
      if (value === null) expect(perClass[i]).toBeNaN();
      else expect(perClass[i]).toBeCloseTo(value, 6);
    });
  });

  it('is 1 for the truth itself, and for one threshold the mean at it', () => {
    const perfect = truths.map((truth) => ({ ...truth, scores: truth.labels.map(() => 1) }));
    expect(meanAveragePrecision(perfect, truths)).toMatchObject({ map: 1, map50: 1, recall: 1 });
    const { map, map50 } = meanAveragePrecision(detections, truths, { iouThresholds: [0.5] });
    expect(map).toBe(map50);
    expect(map).toBeCloseTo(coco.map50, 6);
  });

  it('counts a second detection of an object as wrong', () => {
    const truth: Truth[] = [{ boxes: [LEFT, RIGHT], labels: [0, 0] }];
    const ap = (...objects: Parameters<typeof found>) =>
      meanAveragePrecision([found(...objects)], truth).map50;
    // One of two objects: 51 of 101 recalls, from 0 to 0.5, have precision 1.
    expect(ap([LEFT, 0, 0.9])).toBeCloseTo(51 / 101, 10);
    expect(ap([LEFT, 0, 0.9], [LEFT, 0, 0.8], [RIGHT, 0, 0.7])).toBeCloseTo(
      (51 + (50 * 2) / 3) / 101,
      10,
    );
    expect(ap([LEFT, 1, 0.9])).toBe(0);
    expect(ap()).toBe(0);
  });

  it('looks only at the best of an image', () => {
    const truth: Truth[] = [{ boxes: [LEFT], labels: [0] }];
    const objects = [found([RIGHT, 0, 0.9], [LEFT, 0, 0.5])];
    expect(meanAveragePrecision(objects, truth).map50).toBeCloseTo(0.5, 10);
    expect(meanAveragePrecision(objects, truth, { maxDetections: 1 }).map50).toBe(0);
  });

  it('takes hundreds of thousands of images', () => {
    const count = 150_000;
    const truth = { boxes: [LEFT], labels: [0] };
    const empty = { boxes: [], labels: [] };
    const truths = Array.from({ length: count }, (_, i) => (i === 0 ? truth : empty));
    const detections = truths.map(({ labels }) => (labels.length ? found([LEFT, 0, 1]) : found()));
    expect(meanAveragePrecision(detections, truths).map50).toBe(1);
  });

  it('refuses other images, bad boxes and labels, and no objects at all', () => {
    const truth = { boxes: [LEFT], labels: [0] };
    const one = found([LEFT, 0, 1]);
    expect(() => meanAveragePrecision([], [truth])).toThrow('same images, got 0 and 1');
    expect(() => meanAveragePrecision([one], [{ boxes: [], labels: [] }])).toThrow('at least one');
    expect(() => meanAveragePrecision([one], [{ ...truth, labels: [0.5] }])).toThrow('got [0.5]');
    expect(() => meanAveragePrecision([one], [{ ...truth, labels: [2 ** 31] }])).toThrow(
      'from 0 to 65535',
    );
    expect(() => meanAveragePrecision([{ ...one, scores: [] }], [truth])).toThrow('a score for');
    expect(() => meanAveragePrecision([one], [{ boxes: [[1, 0, 0, 1]], labels: [0] }])).toThrow(
      'truths of image 0 of [x1, y1, x2, y2]',
    );
  });
});
