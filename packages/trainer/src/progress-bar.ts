/** The line that shows the progress of an epoch on a terminal. */
import { registerLiveOutput } from '@deepend/core';

/** What the line says, in parts: it takes those that fit. */
export interface BarParts {
  readonly epoch: number;
  readonly numEpochs: number;
  readonly step: number;
  readonly numBatches: number;
  /** Such as `12 s to go`; empty before there is an estimate. */
  readonly toGo: string;
  readonly loss: number;
  readonly trainAcc: number;
  /** Of a language model. */
  readonly perplexity?: number;
}

const MIN_BAR = 8; // characters
const MAX_BAR = 24;

export function drawBar(
  { step, numBatches }: Pick<BarParts, 'step' | 'numBatches'>,
  width: number,
): string {
  const done = Math.round((width * step) / numBatches);
  return `${'█'.repeat(done)}${'░'.repeat(width - done)}`;
}

const figures = ({ loss, trainAcc, perplexity }: BarParts) =>
  perplexity === undefined
    ? `loss ${loss.toFixed(3)}, train acc ${trainAcc.toFixed(3)}`
    : `loss ${loss.toFixed(3)}, perplexity ${perplexity.toFixed(2)}`;
const shortFigures = (parts: BarParts) =>
  parts.perplexity === undefined
    ? `loss ${parts.loss.toFixed(3)} acc ${parts.trainAcc.toFixed(3)}`
    : `perplexity ${parts.perplexity.toFixed(2)}`;
const place = ({ epoch, numEpochs }: BarParts) => `epoch ${epoch}/${numEpochs}`;
const count = ({ step, numBatches }: BarParts) => `${step}/${numBatches}`;
const timed = ({ toGo }: BarParts) => (toGo === '' ? '' : `${toGo} | `);

function withBar(bar: string) {
  return (parts: BarParts) =>
    `${place(parts)} ${bar}${count(parts)} | ${timed(parts)}${figures(parts)}`;
}

/** From the widest to the narrowest; loss and accuracy are left out last. */
const LAYOUTS: readonly ((parts: BarParts) => string)[] = [
  withBar(''),
  (parts) => `${place(parts)} ${count(parts)} | ${figures(parts)}`,
  (parts) => `${parts.epoch}/${parts.numEpochs} ${count(parts)} ${shortFigures(parts)}`,
  shortFigures,
];

/** The line for a terminal with this many columns; the last column stays free. */
export function barLine(parts: BarParts, columns: number): string {
  const room = columns - 1;
  const width = Math.min(MAX_BAR, room - withBar(' ')(parts).length);
  if (width >= MIN_BAR) return withBar(`${drawBar(parts, width)} `)(parts);
  const texts = LAYOUTS.map((layout) => layout(parts));
  return texts.find((text) => text.length <= room) ?? (texts.at(-1) as string).slice(0, room);
}

const REDRAW_INTERVAL_MS = 100;
const CLEAR_LINE = '\r\u001b[K';

/** Draws the line over its last state; `release` and `clear` leave an empty line. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #isDrawn = false;
  #finish: (() => void) | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  update(parts: BarParts): void {
    const now = performance.now();
    if (now - this.#drawnAt < REDRAW_INTERVAL_MS && parts.step < parts.numBatches) return;
    this.#drawnAt = now;
    this.#finish ??= registerLiveOutput(this);
    this.#stream.write(`${CLEAR_LINE}${barLine(parts, this.#stream.columns || 80)}`);
    this.#isDrawn = true;
  }

  /** Leaves an empty line to print on. The next update draws at once. */
  release(): void {
    if (this.#isDrawn) this.#stream.write(CLEAR_LINE);
    this.#isDrawn = false;
    this.#drawnAt = Number.NEGATIVE_INFINITY;
  }

  /** Removes the line. */
  clear(): void {
    this.release();
    this.#finish?.();
    this.#finish = undefined;
  }
}
