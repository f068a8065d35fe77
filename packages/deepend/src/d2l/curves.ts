/** The curves of a `d2l.Module` in one epoch: points for its board, and means. */
import type { Module } from './object-oriented';

/** A mean in which each value counts by its samples. */
interface Mean {
  total: number;
  weight: number;
  count: number;
  x: number;
}

interface Place {
  /** Samples of the batch. */
  readonly weight: number;
  /** Where a point of training is drawn, in epochs. */
  readonly trainX: number;
  /** Where a point of validation is drawn. */
  readonly valX: number;
  /** Batches of the epoch. */
  readonly numBatches: number;
}

const none = (): Mean => ({ total: 0, weight: 0, count: 0, x: 0 });

export class Curves {
  readonly #model: Module;
  /** What is not drawn yet. */
  readonly #waiting = new Map<string, Mean>();
  readonly #epoch = new Map<string, Mean>();

  constructor(model: Module) {
    this.#model = model;
  }

  /** Counts a value, and draws the mean of enough of them as a point. */
  add(label: string, value: number, { weight, trainX, valX, numBatches }: Place): void {
    const isTrain = label.startsWith('train_');
    const { plotTrainPerEpoch, plotValidPerEpoch, board } = this.#model;
    const perEpoch = isTrain ? plotTrainPerEpoch : plotValidPerEpoch;
    for (const means of [this.#waiting, this.#epoch]) {
      const { total, weight: all, count, x } = means.get(label) ?? none();
      const added = { total: total + value * weight, weight: all + weight, count: count + 1 };
      means.set(label, { ...added, x: x + (isTrain ? trainX : valX) });
    }
    const waiting = this.#waiting.get(label) as Mean;
    if (waiting.count < Math.max(1, Math.floor(numBatches / perEpoch))) return;
    board.draw(waiting.x / waiting.count, waiting.total / waiting.weight, label);
    this.#waiting.delete(label);
  }

  /** The mean of each curve over the epoch. */
  means(): Record<string, number> {
    const entries = [...this.#epoch].map(([label, { total, weight }]) => [label, total / weight]);
    return Object.fromEntries(entries);
  }
}
