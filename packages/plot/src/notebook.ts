/** Showing a picture where the program runs: below a notebook's cell, or on the terminal. */
import { notebook } from '@deepend/core';
import type { Picture } from './picture';

/**
 * Shows a picture: below the cell in a notebook (tslab's kernel or Deno's), as text on a terminal
 * or in a log.
 * @example
 * show(plot([1, 2, 3], [1, 4, 9]));
 */
export function show(picture: Picture): void {
  const kernel = notebook();
  if (kernel) kernel.newOutput().show(picture.mimeBundle());
  else
    process.stdout.write(
      `${picture.toText({ color: Boolean(process.stdout.isTTY) && !process.env.NO_COLOR })}\n`,
    );
}

/**
 * What `console.log` and the like print of a picture: a line. tslab prints the value of a cell's
 * last expression in this way and has no other
 * hook, so there a picture that is printed by itself, not as a part of something, is shown instead.
 * @param depth as `util.inspect` gives it: how far it would still go down, of `options.depth`
 */
export function printed(
  picture: Picture,
  depth: number,
  options: { depth?: number | null },
): string {
  if (notebook()?.kernel === 'tslab' && depth === options.depth) {
    show(picture);
    return '';
  }
  return `Picture ${picture.width} × ${picture.height}: ${picture.description}`;
}
