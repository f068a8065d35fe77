/**
 * What a person sees while data is fetched: a bar on a terminal, plain lines elsewhere, nothing at
 * all when told so. Always on stderr.
 */
import { notebook } from '@deepend/core';
import cliProgress from 'cli-progress';

/** One download under way. */
export interface Meter {
  /** How many bytes are there by now. */
  at(bytes: number): void;
  stop(): void;
}

export interface Reporter {
  say(line: string): void;
  meter(what: string, total: number): Meter;
}

const SILENT: Reporter = { say: () => {}, meter: () => ({ at: () => {}, stop: () => {} }) };

/** @param progress false for silence */
export function reporter(progress: boolean): Reporter {
  if (!progress) return SILENT;
  return { say, meter: process.stderr.isTTY && !notebook() ? bar : lines }; // a notebook would keep every state of the bar
}

function say(line: string): void {
  process.stderr.write(`deepend: ${line}\n`);
}

function bar(what: string, total: number): Meter {
  const format = `${what} {bar} {percentage} % of ${megabytes(total)}, {eta_formatted} to go`;
  const shown = new cliProgress.SingleBar(
    { format, stream: process.stderr, hideCursor: null },
    cliProgress.Presets.shades_classic,
  );
  shown.start(total, 0);
  return { at: (bytes) => shown.update(bytes), stop: () => shown.stop() };
}

/** A line at the start and at each quarter, so that a log stays short. */
function lines(what: string, total: number): Meter {
  let quarter = 0;
  say(`${what}: ${megabytes(total)}`);
  return {
    at: (bytes) => {
      const reached = Math.floor((4 * bytes) / total);
      if (reached > quarter) say(`${what}: ${25 * reached} %`);
      quarter = Math.max(quarter, reached);
    },
    stop: () => {},
  };
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
