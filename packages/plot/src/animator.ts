/** The book's `Animator`: a chart that is redrawn while a model trains. */
import type { TerminalOptions } from './characters';
import { drawChart } from './chart';
import { CURVE_NAMES, type HistoryRecord, withCurveLimits } from './curves';
import { LiveView } from './display';
import type { Figure } from './figure';
import {
  type ChartOptions,
  type ChartSettings,
  chartOptions,
  makeSeries,
  type Point,
} from './series';

const WHERE = '[plot] Animator';

/** The part of a step's record that the curves need. */
interface Step {
  epoch: number;
  step: number;
  numBatches: number;
  loss: number;
  trainAcc: number;
}

/**
 * A chart that grows: add points, and it is redrawn in the terminal or below a notebook's cell. The
 * book's `Animator`. As a callback of `train` it draws the book's three curves.
 * In the book: d2l 23.7, zh 3.6.
 * @example
 * const animator = new Animator({ xlabel: 'epoch', legend: ['train loss', 'train acc'] });
 * animator.add(1, [0.9, 0.7]);
 * await animator.save('curves.svg');
 */
export class Animator {
  /** A trainer reads this and leaves the last lines of the terminal to the chart. */
  readonly drawsLive = true;
  readonly #given: ChartSettings;
  readonly #view: LiveView;
  #options: ChartSettings;
  #columns: Point[][] = [];
  #numEpochs: number | undefined;
  #lastSeen = Number.NaN;

  /**
   * @param options those of `plot`
   * @param stream a terminal to draw on @default the notebook's cell if there is one, else
   *   process.stdout
   */
  constructor(options: ChartOptions = {}, stream?: NodeJS.WriteStream) {
    this.#given = chartOptions(WHERE, options);
    this.#options = this.#given;
    this.#view = new LiveView(() => this.figure(), stream);
  }

  /** Adds a point to each series and redraws. A series whose value is null gets no point. */
  add(x: number, ys: number | readonly (number | null)[]): void {
    this.#add(x, typeof ys === 'number' ? [ys] : ys);
    if (this.#numEpochs === undefined) this.#view.drawUntilStill();
    else this.draw(); // the PNG comes at the end of training
  }

  /** Draws the chart over the last drawing. Does nothing without a notebook and a terminal. */
  draw(): void {
    this.#view.draw();
  }

  /** The current chart as lines of text. */
  toText(size: TerminalOptions = {}): string {
    return this.figure().toText(size);
  }

  /** The current chart. */
  figure(): Figure {
    const { legend, title } = this.#options;
    const columns = legend ? legend.map((_, i) => this.#columns[i] ?? []) : this.#columns;
    const trains = this.#numEpochs !== undefined;
    const options = trains ? withCurveLimits(this.#options, columns) : this.#options;
    return drawChart(
      makeSeries(WHERE, columns, options),
      options,
      title ?? `Line chart of ${(legend ?? ['values']).join(', ')}`,
    );
  }

  /** Writes the current chart in the format of the file's extension. */
  save(file: string): Promise<void> {
    return this.figure().save(file);
  }

  /** Called by `train`. The axes are empty, or show the epochs of a run that is resumed. */
  onTrainBegin({
    numEpochs,
    history = [],
  }: {
    numEpochs: number;
    history?: readonly HistoryRecord[];
  }): void {
    this.#numEpochs = numEpochs;
    this.#options = { legend: CURVE_NAMES, xlabel: 'epoch', xlim: [0, numEpochs], ...this.#given };
    this.#columns = [];
    this.#lastSeen = Number.NaN;
    for (const { epoch, loss, trainAcc, testAcc } of history)
      this.#add(epoch, [loss, trainAcc, testAcc]);
    this.#view.begin();
    this.draw();
  }

  /**
   * Called by `train` after each step. The trainer reads new values from the device about five
   * times an epoch; a step whose values are not new adds no point.
   */
  onStep({ epoch, step, numBatches, loss, trainAcc }: Step): void {
    if (loss === this.#lastSeen) return;
    this.#lastSeen = loss;
    // The first step's values are those of a single batch; the last step's come with onEpochEnd.
    if (step === 1 || step === numBatches) return;
    this.add(epoch - 1 + step / numBatches, [loss, trainAcc, null]);
  }

  /** Called by `train` after each epoch. */
  onEpochEnd({ epoch, loss, trainAcc, testAcc }: HistoryRecord): void {
    if (this.#numEpochs === undefined) this.onTrainBegin({ numEpochs: epoch });
    this.add(epoch, [loss, trainAcc, testAcc]);
  }

  /** Called by `train`. In a notebook, the chart gets its PNG. */
  onTrainEnd(): void {
    this.#view.end();
  }

  #add(x: number, ys: readonly (number | null)[]): void {
    const { legend } = this.#options;
    if (legend && ys.length !== legend.length) {
      throw new RangeError(
        `${WHERE}: expected ${legend.length} values, one for each name of "legend", ` +
          `got ${ys.length}`,
      );
    }
    ys.forEach((y, i) => {
      this.#columns[i] ??= [];
      if (y !== null) this.#columns[i].push({ x, y });
    });
  }
}
