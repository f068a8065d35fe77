/** The book's `ProgressBoard`: curves that grow point by point, each under its own name. */
import { checkOptions, rule } from '@deepend/core';
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

const WHERE = '[plot] ProgressBoard';

/** A chart's, but for `legend`: the names come with the points. */
export interface ProgressBoardOptions extends Omit<ChartOptions, 'legend'> {
  /**
   * Whether it draws as points come; `figure`, `save` and `toText` work either way. @default true
   */
  display?: boolean;
}

const drawOptions = rule.object({ everyN: rule.positiveInteger().optional() });
const displayOption = rule.boolean().optional();

interface Curve {
  readonly points: Point[];
  /** Points that wait for their mean. */
  waiting: Point[];
}

/**
 * A chart that grows while something runs, seen at once in the terminal or below a notebook's cell.
 * The book's `ProgressBoard`.
 * @example
 * const board = new ProgressBoard({ xlabel: 'x' });
 * for (let x = 0; x < 10; x += 0.1) {
 *   board.draw(x, Math.sin(x), 'sin', { everyN: 2 });
 *   board.draw(x, Math.cos(x), 'cos', { everyN: 10 });
 * }
 */
export class ProgressBoard {
  readonly #options: ChartSettings;
  readonly #display: boolean;
  readonly #curves = new Map<string, Curve>();
  readonly #view: LiveView;

  /**
   * @param stream a terminal to draw on @default a notebook's cell where there is one, else
   * process.stdout
   */
  constructor(options: ProgressBoardOptions = {}, stream?: NodeJS.WriteStream) {
    const { display = true, ...chart } = options;
    checkOptions(WHERE, rule.object({ display: displayOption }), { display });
    if ('legend' in chart) {
      throw new TypeError(
        `${WHERE}: there is no option "legend"; a curve has the name that "draw" is given`,
      );
    }
    this.#options = chartOptions(WHERE, chart);
    this.#display = display;
    this.#view = new LiveView(() => this.figure(), stream);
  }

  /**
   * Adds a point to the curve of this name, and redraws. With `everyN`, so many points become one,
   * their mean; those that are too few for a mean
   * wait for more.
   * @param options.everyN @default 1
   */
  draw(x: number, y: number, label: string, options: { everyN?: number } = {}): void {
    const { everyN = 1 } = checkOptions(`${WHERE}.draw`, drawOptions, options);
    const curve = this.#curve(label);
    curve.waiting.push({ x, y });
    if (curve.waiting.length < everyN) return;
    curve.points.push(meanOf(curve.waiting));
    curve.waiting = [];
    if (this.#display) this.#view.draw();
  }

  /** The chart as lines of text. */
  toText(size: TerminalOptions = {}): string {
    return this.figure().toText(size);
  }

  /** The chart as it is now. */
  figure(): Figure {
    const names = [...this.#curves.keys()];
    return drawChart(
      this.#series(),
      this.#options,
      this.#options.title ?? `Line chart of ${names.join(', ') || 'nothing yet'}`,
    );
  }

  /** Writes the chart as it is now, as the file's extension says. */
  save(file: string): Promise<void> {
    return this.figure().save(file);
  }

  #curve(label: string): Curve {
    const known = this.#curves.get(label);
    if (known) return known;
    const curve = { points: [], waiting: [] };
    this.#curves.set(label, curve);
    return curve;
  }

  #series() {
    const columns = [...this.#curves.values()].map(({ points }) => points);
    return makeSeries(WHERE, columns, { ...this.#options, legend: [...this.#curves.keys()] });
  }
}

function meanOf(points: readonly Point[]): Point {
  const mean = (value: (point: Point) => number) =>
    points.reduce((sum, point) => sum + value(point), 0) / points.length;
  return { x: mean(({ x }) => x), y: mean(({ y }) => y) };
}
