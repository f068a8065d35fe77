/** The book's functions of plots that configure matplotlib, and of loading. */
import { availableParallelism } from 'node:os';
import type { ChartOptions } from '@deepend/plot';

/** Section 2.4: pictures are SVG already, in notebooks too, so that this does nothing. */
export const useSvgDisplay = (): void => {};

const PIXELS_PER_INCH = 100;

/**
 * Section 2.4: the size of a figure in inches, as options of a chart.
 * @example plot(x, y, d2l.setFigsize([3.5, 2.5]));
 */
export const setFigsize = (
  [width, height]: readonly [width: number, height: number] = [3.5, 2.5],
): Pick<ChartOptions, 'width' | 'height'> => ({
  width: width * PIXELS_PER_INCH,
  height: height * PIXELS_PER_INCH,
});

/**
 * Section 2.4: labels, limits, scales and legend of axes, as options of a chart.
 * @example plot(x, y, d2l.setAxes({ xlabel: 'x', xlim: [0, 10], yscale: 'log' }));
 */
export const setAxes = (
  axes: Pick<ChartOptions, 'xlabel' | 'ylabel' | 'xlim' | 'ylim' | 'xscale' | 'yscale' | 'legend'>,
): typeof axes => ({ ...axes });

/** Chinese edition, section 3.5: the number of threads that load data, 4 or the machine's. */
export const getDataloaderWorkers = (): number => Math.min(4, availableParallelism());
