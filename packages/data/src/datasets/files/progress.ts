/** Shows the progress of downloads on stderr: a bar on a terminal, plain lines elsewhere. */
import { notebook } from '@deepend/core';

/** Shows the progress of one download. */
export interface Meter {
  /** Updates the number of bytes received so far. */
  at(bytes: number): void;
  stop(): void;
}

export interface Reporter {
  say(line: string): void;
  meter(what: string, total: number): Meter | Promise<Meter>;
}

const SILENT: Reporter = { say: () => {}, meter: () => ({ at: () => {}, stop: () => {} }) };

/** @param progress false shows nothing */
export function reporter(progress: boolean): Reporter {
  if (!progress) return SILENT;
  // A notebook would keep every state of the bar.
  return { say, meter: process.stderr.isTTY && !notebook() ? bar : lines };
}

function say(line: string): void {
  process.stderr.write(`deepend: ${line}\n`);
}

async function bar(what: string, total: number): Promise<Meter> {
  const { default: cliProgress } = await import('cli-progress'); // only a download needs it
  const format = `${what} {bar} {percentage} % of ${megabytes(total)}, {eta_formatted} left`;
  const shown = new cliProgress.SingleBar(
    { format, stream: process.stderr, hideCursor: null },
    cliProgress.Presets.shades_classic,
  );
  shown.start(total, 0);
  return { at: (bytes) => shown.update(bytes), stop: () => shown.stop() };
}

/** Prints one line at the start and one at each quarter, so that logs stay short. */
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
