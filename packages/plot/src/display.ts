/** Shows figures where the program runs: below a notebook's cell, or on the terminal. */
import { type Notebook, type NotebookOutput, notebook, registerLiveOutput } from '@deepend/core';
import type { Figure } from './figure';

/**
 * Shows a figure: below the cell in a notebook (tslab or Deno), as text on a terminal or in a log.
 * @example
 * show(plot([1, 2, 3], [1, 4, 9]));
 */
export function show(figure: Figure): void {
  const kernel = notebook();
  if (kernel) {
    kernel.newOutput().show(figure.notebookBundle());
    return;
  }
  const color = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
  process.stdout.write(`${figure.toText({ color })}\n`);
}

/**
 * What `util.inspect`, and so `console.log`, prints for a figure: one line. tslab prints the value
 * of a cell's last expression through `inspect` and has no other hook. There a figure that is
 * printed by itself, not within another object, is shown instead.
 * @param depth the depth that `util.inspect` has left, of `options.depth`
 */
export function inspectFigure(
  figure: Figure,
  depth: number,
  options: { depth?: number | null },
): string {
  if (notebook()?.kernel === 'tslab' && depth === options.depth) {
    show(figure);
    return '';
  }
  return `Figure ${figure.width} × ${figure.height}: ${figure.description}`;
}

// Jupyter's server passes on at most 1 MB a second, averaged over 3 seconds, and drops the rest.
const BURST = 1_000_000; // bytes
const RATE = 300; // bytes a millisecond
/** A chart that is drawn from a loop gets its PNG when it has not changed for this long. */
const STILL = 1_000; // milliseconds

/** Redraws a changing figure in place: over its last lines in a terminal, or in one cell output. */
export class LiveView {
  readonly #makeFigure: () => Figure;
  readonly #stream: NodeJS.WriteStream | undefined;
  #output: NotebookOutput | undefined;
  #drawnLines = 0;
  #allowance = BURST;
  #allowedAt = performance.now();
  #later: NodeJS.Timeout | undefined;
  #still: NodeJS.Timeout | undefined;
  readonly #live = { release: () => this.begin() };

  /**
   * @param makeFigure returns the figure to show now
   * @param stream a terminal; without it, a notebook is used if there is one, else standard output
   */
  constructor(makeFigure: () => Figure, stream: NodeJS.WriteStream | undefined) {
    this.#makeFigure = makeFigure;
    this.#stream = stream;
  }

  /** Makes the next drawing start in a new place: below the present cell, or on new lines. */
  begin(): void {
    this.#cancelStill();
    this.#output = undefined;
    this.#drawnLines = 0;
  }

  /** Draws over the last drawing. Does nothing without a notebook and a terminal. */
  draw(): void {
    const kernel = this.#stream ? undefined : notebook();
    if (kernel) this.#drawInNotebook(kernel);
    else this.#drawOnTerminal(this.#stream ?? process.stdout);
  }

  /** Draws, and adds a PNG in a notebook once the figure has not changed for a second. */
  drawUntilStill(): void {
    this.draw();
    this.#cancelStill();
    const output = this.#output;
    if (!output) return;
    const refine = async () => {
      const still = this.#still;
      const figure = this.#makeFigure();
      const png = await figure.toPng().catch(() => undefined); // it is shown as SVG then
      if (png && still === this.#still) output.refine(figure.mimeBundle({ png }));
    };
    this.#still = setTimeout(refine, STILL).unref();
  }

  /** Draws for the last time: in a notebook with a PNG. */
  end(): void {
    if (!this.#output) return;
    this.#cancelStill();
    if (this.#later) this.#send(this.#output); // what the rate limit has held back
    this.#output.refine(this.#makeFigure().notebookBundle());
  }

  #cancelStill(): void {
    clearTimeout(this.#still);
    this.#still = undefined;
  }

  /** Draws at once, or as soon as Jupyter's rate limit allows. */
  #drawInNotebook(kernel: Notebook): void {
    this.#output ??= kernel.newOutput();
    const now = performance.now();
    this.#allowance = Math.min(BURST, this.#allowance + RATE * (now - this.#allowedAt));
    this.#allowedAt = now;
    if (this.#allowance > 0) this.#send(this.#output);
    else this.#later ??= setTimeout(() => this.draw(), -this.#allowance / RATE + 1);
  }

  #send(output: NotebookOutput): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    const bundle = this.#makeFigure().mimeBundle();
    this.#allowance -= JSON.stringify(bundle).length;
    output.show(bundle);
  }

  #drawOnTerminal(stream: NodeJS.WriteStream): void {
    if (!stream.isTTY) return;
    const { columns = 80, rows = 24 } = stream;
    const size = {
      width: Math.min(columns - 1, 100),
      height: Math.max(4, Math.min(18, rows - 2)),
      color: !process.env.NO_COLOR,
    };
    const text = this.#makeFigure().toText(size);
    // \r first: a progress bar may have left the cursor within a line.
    const back = this.#drawnLines > 0 ? `\r\u001b[${this.#drawnLines}A\u001b[0J` : '';
    stream.write(`${back}${text}\n`);
    this.#drawnLines = text.split('\n').length;
    registerLiveOutput(this.#live);
  }
}
