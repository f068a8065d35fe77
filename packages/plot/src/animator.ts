import type { TerminalOptions } from './characters';
import { drawChart } from './chart';
import type { Figure } from './figure';
import { LiveView } from './live';
import {
  type ChartOptions,
  type ChartSettings,
  chartOptions,
  makeSeries,
  type Point,
} from './series';
import type { HistoryRecord } from './types';

const WHERE = '[plot] Animator';
const CURVES = ['train loss', 'train acc', 'test acc'];

/** What a trainer tells of a step, as far as the curves need it. */
interface Step {
  epoch: number;
  step: number;
  numBatches: number;
  loss: number;
  trainAcc: number;
}

/**
 * A chart that grows while something runs: add points, see them at once in the terminal or below a
 * notebook's cell, save a figure. The book's
 * `Animator`. Given to `train` as a callback it draws the book's three curves.
 * @example
 * const animator = new Animator({ xlabel: 'epoch', legend: ['train loss', 'train acc', 'test acc']
 * });
 * animator.add(1, [0.9, 0.7, null]);
 * await animator.save('curves.svg');
 */
export class Animator {
  /** Tells a trainer that this callback draws as it goes, so that its own display leaves room. */
  readonly drawsLive = true;
  readonly #given: ChartSettings;
  readonly #view: LiveView;
  #options: ChartSettings;
  #columns: Point[][] = [];
  #numEpochs: number | undefined;
  #lastSeen = Number.NaN;

  /**
   * @param stream a terminal to draw on @default a notebook's cell where there is one, else
   * process.stdout
   */
  constructor(options: ChartOptions = {}, stream?: NodeJS.WriteStream) {
    this.#given = chartOptions(WHERE, options);
    this.#options = this.#given;
    this.#view = new LiveView(() => this.figure(), stream);
  }

  /** Adds a point to each series, and redraws. A null leaves its series as it is. */
  add(x: number, ys: number | readonly (number | null)[]): void {
    this.#add(x, typeof ys === 'number' ? [ys] : ys);
    this.draw();
  }

  /**
   * Draws the chart in place of the last one; does nothing where there is neither a notebook nor a
   * terminal.
   */
  draw(): void {
    this.#view.draw();
  }

  /** The chart as lines of text. */
  toText(size: TerminalOptions = {}): string {
    return this.figure().toText(size);
  }

  /** The chart as it is now. */
  figure(): Figure {
    const { legend, title } = this.#options;
    const columns = legend ? legend.map((_, i) => this.#columns[i] ?? []) : this.#columns;
    const series = makeSeries(WHERE, columns, this.#options);
    return drawChart(
      series,
      this.#options,
      title ?? `Line chart of ${(legend ?? ['values']).join(', ')}`,
    );
  }

  /** Writes the chart as it is now, as the file's extension says. */
  save(file: string): Promise<void> {
    return this.figure().save(file);
  }

  /**
   * A run begins: with empty axes, or with the epochs before it where it goes on from a checkpoint.
   */
  onTrainBegin({
    numEpochs,
    history = [],
  }: {
    numEpochs: number;
    history?: readonly HistoryRecord[];
  }): void {
    this.#numEpochs = numEpochs;
    this.#options = { legend: CURVES, xlabel: 'epoch', xlim: [0, numEpochs], ...this.#given };
    this.#columns = [];
    this.#lastSeen = Number.NaN;
    for (const { epoch, loss, trainAcc, testAcc } of history)
      this.#add(epoch, [loss, trainAcc, testAcc]);
    this.#view.begin();
    this.draw();
  }

  /** A point each time that a trainer has fetched new figures, some five times an epoch. */
  onStep({ epoch, step, numBatches, loss, trainAcc }: Step): void {
    if (loss === this.#lastSeen) return;
    this.#lastSeen = loss;
    if (step === 1 || step === numBatches) return; // figures of a single batch; and what the epoch's end tells anyway
    this.add(epoch - 1 + step / numBatches, [loss, trainAcc, null]);
  }

  onEpochEnd({ epoch, loss, trainAcc, testAcc }: HistoryRecord): void {
    if (this.#numEpochs === undefined) this.onTrainBegin({ numEpochs: epoch });
    this.add(epoch, [loss, trainAcc, testAcc]);
  }

  #add(x: number, ys: readonly (number | null)[]): void {
    const { legend } = this.#options;
    if (legend && ys.length !== legend.length) {
      throw new RangeError(
        `${WHERE}: expected ${legend.length} values, one for each name of "legend", got ${ys.length}`,
      );
    }
    ys.forEach((y, i) => {
      this.#columns[i] ??= [];
      if (y !== null) this.#columns[i].push({ x, y });
    });
  }
}
