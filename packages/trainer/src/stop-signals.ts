/** The signals that end a run in order: Ctrl-C, `kill`, and a terminal that closes. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Calls `stop` at the first of the signals. A second one ends the process, as it does by default.
 * @returns removes the listeners
 */
export function onStopSignal(stop: () => void): () => void {
  const remove = () => {
    for (const signal of SIGNALS) process.removeListener(signal, first);
  };
  const first = () => {
    remove();
    stop();
  };
  for (const signal of SIGNALS) process.on(signal, first);
  return remove;
}
