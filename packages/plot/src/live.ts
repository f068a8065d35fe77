/**
 * Where a figure that changes is seen as it changes: the lines of a terminal, or an output of a
 * notebook.
 */
import { type Notebook, type NotebookOutput, notebook } from '@deepend/core';
import type { Figure } from './figure';

// Jupyter's server passes on at most 1 MB a second, counted over 3 seconds, and drops what is
// beyond.
const BURST = 1_000_000; // bytes
const RATE = 300; // bytes a millisecond

export class LiveView {
  readonly #figure: () => Figure;
  readonly #stream: NodeJS.WriteStream | undefined;
  #output: NotebookOutput | undefined;
  #drawnLines = 0;
  #allowance = BURST;
  #allowedAt = performance.now();
  #later: NodeJS.Timeout | undefined;

  /**
   * @param figure what is to be seen now
   * @param stream a terminal of the caller's choice; without it a notebook comes first, then
   *   standard output
   */
  constructor(figure: () => Figure, stream: NodeJS.WriteStream | undefined) {
    this.#figure = figure;
    this.#stream = stream;
  }

  /**
   * What is drawn next stands in a new place: below the present cell, or below all that the
   * terminal shows.
   */
  begin(): void {
    this.#output = undefined;
    this.#drawnLines = 0;
  }

  /**
   * Draws in place of the last drawing; does nothing where there is neither a notebook nor a
   * terminal.
   */
  draw(): void {
    const kernel = this.#stream ? undefined : notebook();
    if (kernel) this.#drawWithin(kernel);
    else this.#drawOnTerminal(this.#stream ?? process.stdout);
  }

  /** At once, or as soon as there is room for it. */
  #drawWithin(kernel: Notebook): void {
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
    const bundle = this.#figure().mimeBundle();
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
    const text = this.#figure().toText(size);
    // From the line's start: a progress bar may stand where the chart ended.
    const back = this.#drawnLines > 0 ? `\r\u001b[${this.#drawnLines}A\u001b[0J` : '';
    stream.write(`${back}${text}\n`);
    this.#drawnLines = text.split('\n').length;
  }
}
