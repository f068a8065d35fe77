import { drawChart } from './chart';
import type { Picture } from './picture';
import { type ChartOptions, type ChartSettings, chartOptions, makeSeries, type Point } from './series';
import { type TerminalOptions, toTerminal } from './terminal';
import type { HistoryRecord } from './types';

const CURVES = ['train loss', 'train acc', 'test acc'];

/**
 * A chart that grows while something runs: add points, see them at once in the terminal, save SVG or PNG. The book's `Animator`.
 * Given to `train` as a callback it draws the book's three curves.
 * @example
 * const animator = new Animator({ xlabel: 'epoch', legend: ['train loss', 'train acc', 'test acc'] });
 * animator.add(1, [0.9, 0.7, null]);
 * await animator.save('curves.svg');
 */
export class Animator {
  /** Tells a trainer that this callback redraws the terminal, so that its own display leaves room. */
  readonly drawsLive = true;
  readonly #options: ChartSettings;
  readonly #columns: Point[][] = [];
  readonly #stream: NodeJS.WriteStream;
  #drawnLines = 0;
  #numEpochs: number | undefined;
  #lastSeen = Number.NaN;

  /** @param stream where `draw` draws, when it is a terminal @default process.stdout */
  constructor(options: ChartOptions = {}, stream: NodeJS.WriteStream = process.stdout) {
    this.#options = chartOptions('[plot] Animator', options);
    this.#stream = stream;
  }

  /** Adds a point to each series, and redraws. A null leaves its series as it is. */
  add(x: number, ys: number | readonly (number | null)[]): void {
    const values = typeof ys === 'number' ? [ys] : ys;
    const { legend } = this.#options;
    if (legend && values.length !== legend.length) {
      throw new RangeError(
        `[plot] Animator: expected ${legend.length} values, one for each name of "legend", got ${values.length}`,
      );
    }
    values.forEach((y, i) => {
      this.#columns[i] ??= [];
      if (y !== null) this.#columns[i].push({ x, y });
    });
    this.draw();
  }

  /** Draws the chart on the terminal in place of the last one; does nothing where there is no terminal. */
  draw(): void {
    if (!this.#stream.isTTY) return;
    const { columns = 80, rows = 24 } = this.#stream;
    const text = this.toText({ width: Math.min(columns - 1, 100), height: Math.min(18, rows - 2), color: true });
    const back = this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A\u001b[0J` : '';
    this.#stream.write(`${back}${text}\n`);
    this.#drawnLines = text.split('\n').length;
  }

  /** The chart as lines of text. */
  toText(size: TerminalOptions = {}): string {
    return toTerminal(this.#series(), this.#options, size);
  }

  /** The chart as it is now. */
  picture(): Picture {
    const options = this.#options;
    return drawChart(this.#series(), options, options.title ?? `Line chart of ${(options.legend ?? ['values']).join(', ')}`);
  }

  /** Writes the chart as it is now, as SVG or PNG by the file's extension. */
  save(file: string): Promise<void> {
    return this.picture().save(file);
  }

  onTrainBegin({ numEpochs }: { numEpochs: number }): void {
    this.#numEpochs = numEpochs;
    this.#options.legend ??= CURVES;
    this.#options.xlabel ??= 'epoch';
    this.#options.xlim ??= [0, numEpochs];
  }

  /** A point each time that a trainer has fetched new figures, some five times an epoch. */
  onStep({
    epoch,
    step,
    numBatches,
    loss,
    trainAcc,
  }: {
    epoch: number;
    step: number;
    numBatches: number;
    loss: number;
    trainAcc: number;
  }): void {
    if (loss === this.#lastSeen || step === 1 || step === numBatches) return;
    this.#lastSeen = loss;
    this.add(epoch - 1 + step / numBatches, [loss, trainAcc, null]);
  }

  onEpochEnd({ epoch, loss, trainAcc, testAcc }: HistoryRecord): void {
    if (this.#numEpochs === undefined) this.onTrainBegin({ numEpochs: epoch });
    this.add(epoch, [loss, trainAcc, testAcc]);
  }

  #series() {
    const names = this.#options.legend;
    const columns = names ? names.map((_, i) => this.#columns[i] ?? []) : this.#columns;
    return makeSeries('[plot] Animator', columns, this.#options);
  }
}
