/** Output that redraws itself in place on a terminal, and messages that must not disturb it. */

/** A progress line or a live chart on a terminal. */
export interface LiveOutput {
  /**
   * Leaves the cursor at the start of an empty line. The next drawing starts there, so that what is
   * printed in the meantime stays.
   */
  release(): void;
}

const KEY = Symbol.for('deepend.live-output');

/** What is drawn now, by all copies of this package in the process. */
function drawn(): Set<LiveOutput> {
  const holder = globalThis as { [KEY]?: Set<LiveOutput> };
  holder[KEY] ??= new Set();
  return holder[KEY];
}

/** Call it when the output is drawn. @returns call it when the output is finished */
export function registerLiveOutput(output: LiveOutput): () => void {
  drawn().add(output);
  return () => void drawn().delete(output);
}

/** Releases all live output: a message that is printed next is neither drawn over nor cut. */
export function releaseLiveOutput(): void {
  for (const output of drawn()) output.release();
}
