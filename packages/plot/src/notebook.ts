/** Showing a figure where the program runs: below a notebook's cell, or on the terminal. */
import { notebook } from '@deepend/core';
import type { Figure } from './figure';

/**
 * Shows a figure: below the cell in a notebook (tslab's kernel or Deno's), as text on a terminal
 * or in a log.
 * @example
 * show(plot([1, 2, 3], [1, 4, 9]));
 */
export function show(figure: Figure): void {
  const kernel = notebook();
  if (kernel) kernel.newOutput().show(figure.mimeBundle());
  else
    process.stdout.write(
      `${figure.toText({ color: Boolean(process.stdout.isTTY) && !process.env.NO_COLOR })}\n`,
    );
}

/**
 * What `console.log` and the like print of a figure: a line. tslab prints the value of a cell's
 * last expression in this way and has no other
 * hook, so there a figure that is printed by itself, not as a part of something, is shown instead.
 * @param depth as `util.inspect` gives it: how far it would still go down, of `options.depth`
 */
export function printed(figure: Figure, depth: number, options: { depth?: number | null }): string {
  if (notebook()?.kernel === 'tslab' && depth === options.depth) {
    show(figure);
    return '';
  }
  return `Figure ${figure.width} × ${figure.height}: ${figure.description}`;
}
