/** The book's `ProgressBoard`: named curves that grow point by point. */
import { checkOptions, rule } from '@deepend/core';
import type { TerminalOptions } from './characters';
import { drawChart } from './chart';
import { LiveView } from './display';
import type { Figure } from './figure';
import {
  type ChartOptions,
  type ChartSettings,
  chartOptions,
  makeSeries,
  type Point,
} from './series';

const WHERE = '[plot] ProgressBoard';

/** The options of `plot` except `legend`: each curve is named when its points are drawn. */
export interface ProgressBoardOptions extends Omit<ChartOptions, 'legend'> {
  /**
   * Whether to draw when a point is added; `figure`, `save` and `toText` work either way. @default
   * true
   */
  display?: boolean;
}

const drawOptions = rule.object({ everyN: rule.positiveInteger().optional() });
const displayOption = rule.boolean().optional();

interface Curve {
  readonly points: Point[];
  /** Points not yet averaged, fewer than `everyN`. */
  waiting: Point[];
}

/**
 * A chart that grows: draw points, and it is redrawn in the terminal or below a notebook's cell.
 * The book's `ProgressBoard` (d2l 3.2).
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
   * @param stream a terminal to draw on @default the notebook's cell if there is one, else
   *   process.stdout
   */
  constructor(options: ProgressBoardOptions = {}, stream?: NodeJS.WriteStream) {
    const { display = true, ...chart } = options;
    checkOptions(WHERE, rule.object({ display: displayOption }), { display });
    if ('legend' in chart) {
      throw new TypeError(
        `${WHERE}: there is no option "legend"; name each curve in the third argument of "draw"`,
      );
    }
    this.#options = chartOptions(WHERE, chart);
    this.#display = display;
    this.#view = new LiveView(() => this.figure(), stream);
  }

  /**
   * Adds a point to the curve with this name and redraws. With `everyN`, each n points are drawn as
   * one, their mean; the last fewer than n points are not drawn until more come.
   * @param options.everyN @default 1
   */
  draw(x: number, y: number, label: string, options: { everyN?: number } = {}): void {
    const { everyN = 1 } = checkOptions(`${WHERE}.draw`, drawOptions, options);
    const curve = this.#findCurve(label);
    curve.waiting.push({ x, y });
    if (curve.waiting.length < everyN) return;
    curve.points.push(averagePoints(curve.waiting));
    curve.waiting = [];
    if (this.#display) this.#view.drawUntilStill();
  }

  /** The current chart as lines of text. */
  toText(size: TerminalOptions = {}): string {
    return this.figure().toText(size);
  }

  /** The current chart. */
  figure(): Figure {
    const names = [...this.#curves.keys()];
    const columns = [...this.#curves.values()].map(({ points }) => points);
    return drawChart(
      makeSeries(WHERE, columns, { ...this.#options, legend: names }),
      this.#options,
      this.#options.title ?? `Line chart of ${names.join(', ') || 'nothing yet'}`,
    );
  }

  /** Writes the current chart in the format of the file's extension. */
  save(file: string): Promise<void> {
    return this.figure().save(file);
  }

  #findCurve(label: string): Curve {
    const known = this.#curves.get(label);
    if (known) return known;
    const curve = { points: [], waiting: [] };
    this.#curves.set(label, curve);
    return curve;
  }
}

function averagePoints(points: readonly Point[]): Point {
  const mean = (value: (point: Point) => number) =>
    points.reduce((sum, point) => sum + value(point), 0) / points.length;
  return { x: mean(({ x }) => x), y: mean(({ y }) => y) };
}
