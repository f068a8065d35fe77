/** Where a program runs: whether this process is a notebook's kernel, and showing things there. */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';

/** One thing in several MIME types; a notebook takes the richest that it can show. */
export type Bundle = object;

/** An output below a cell that can be replaced. */
export interface NotebookOutput {
  /**
   * Shows `bundle` in place of what was shown before; below the cell that runs now, if that is
   * another one.
   */
  show(bundle: Bundle): void;
  /** Replaces what was shown, also above the cell that runs now; does nothing before `show`. */
  refine(bundle: Bundle): void;
}

export interface Notebook {
  readonly kernel: 'tslab' | 'deno' | 'page';
  newOutput(): NotebookOutput;
}

/** What Jupyter's messages `display_data` and `update_display_data` hold. */
interface DisplayData {
  data: Bundle;
  metadata: object;
  transient: { display_id: string };
}

/**
 * A kernel's way to its front ends, and what tells one run of a cell from another, where the kernel
 * lets know.
 */
interface Channel {
  readonly kernel: Notebook['kernel'];
  readonly cell?: unknown;
  send(content: DisplayData, update: boolean): void;
}

/**
 * Each is asked in turn. The way standard output looks tells nothing: a kernel that a terminal
 * started has that terminal.
 */
const CHANNELS: readonly (() => Channel | undefined)[] = [tslab, deno, page];

/** The notebook whose kernel this process is; undefined in any other program. */
export function notebook(): Notebook | undefined {
  const found = channel();
  return found && { kernel: found.kernel, newOutput };
}

function channel(): Channel | undefined {
  for (const look of CHANNELS) {
    const found = look();
    if (found) return found;
  }
  return undefined;
}

function newOutput(): NotebookOutput {
  let shown: { id: string; cell: unknown } | undefined;
  const send = (now: Channel, bundle: Bundle, update: boolean) =>
    now.send({ data: bundle, metadata: {}, transient: { display_id: shown?.id ?? '' } }, update);
  return {
    show(bundle) {
      const now = channel();
      if (!now) return;
      const update = shown !== undefined && shown.cell === now.cell;
      if (!update) shown = { id: randomUUID(), cell: now.cell };
      send(now, bundle, update);
    },
    refine(bundle) {
      const now = channel();
      if (now && shown) send(now, bundle, true);
    },
  };
}

const TSLAB = /[\\/]tslab[\\/]dist[\\/]jupyter\.js$/;

interface TslabModule {
  /**
   * Sends to the cell that runs now: another function for each run of a cell, null before the
   * first.
   */
  lastWriteDisplayData?: ((content: DisplayData, update: boolean) => void) | null;
}

/**
 * tslab, by the module that serves Jupyter: a process that has it and has been sent a cell is a
 * kernel. Its public `display` does the
 * same with one MIME type at a time, and may be another copy's than the one that serves.
 */
function tslab(): Channel | undefined {
  const { cache } = createRequire(process.execPath); // the process's, from ES modules too
  for (const file of Object.keys(cache)) {
    if (!TSLAB.test(file)) continue;
    const { lastWriteDisplayData: send } = (cache[file]?.exports ?? {}) as TslabModule;
    if (typeof send === 'function') return { kernel: 'tslab', cell: send, send };
  }
  return undefined;
}

interface DenoJupyter {
  // Its types say a promise, Deno 2.9 gives none.
  broadcast(type: string, content: DisplayData): Promise<void> | void;
}

/** Deno, by the namespace that only its kernel has: elsewhere the property is absent or throws. */
function deno(): Channel | undefined {
  const { Deno } = globalThis as { Deno?: { jupyter?: DenoJupyter } };
  let jupyter: DenoJupyter | undefined;
  try {
    jupyter = Deno?.jupyter;
  } catch {}
  if (typeof jupyter?.broadcast !== 'function') return undefined;
  const { broadcast } = jupyter;
  return {
    kernel: 'deno',
    send: (content, update) => {
      const sent = broadcast(update ? 'update_display_data' : 'display_data', content);
      sent?.catch((error: unknown) => console.error(error)); // drawing does not wait
    },
  };
}

/** The page that started this worker: `deepend/browser` leaves its channel here. */
function page(): Channel | undefined {
  const channel = (globalThis as Record<symbol, unknown>)[Symbol.for('deepend.page')];
  return channel ? { kernel: 'page', send: (channel as Pick<Channel, 'send'>).send } : undefined;
}
