/**
 * A notebook without Jupyter: the module that tslab's kernel has loaded, and what a front end makes
 * of its messages.
 */
import { createRequire } from 'node:module';

interface Content {
  data: Record<string, string>;
  transient: { display_id: string };
}

export interface FakeNotebook {
  /** A cell begins to run. */
  runCell(): void;
  /** What stands below the cells: an output's last state, in the order in which outputs came. */
  outputs(): Record<string, string>[];
  /** Messages that were sent, first and later states alike. */
  messages: { update: boolean; bytes: number }[];
  end(): void;
}

export function fakeTslab(): FakeNotebook {
  const { cache } = createRequire(process.execPath);
  const file = '/usr/lib/node_modules/tslab/dist/jupyter.js';
  const module: { lastWriteDisplayData: unknown } = { lastWriteDisplayData: null };
  cache[file] = { exports: module } as NodeJS.Module;
  const shown = new Map<string, Record<string, string>>();
  const messages: FakeNotebook['messages'] = [];
  return {
    messages,
    runCell: () => {
      module.lastWriteDisplayData = (
        { data, transient: { display_id } }: Content,
        update: boolean,
      ) => {
        messages.push({ update, bytes: JSON.stringify(data).length });
        if (update !== shown.has(display_id))
          throw new Error(`update is ${update} for ${display_id}`);
        shown.set(display_id, data);
      };
    },
    outputs: () => [...shown.values()],
    end: () => {
      delete cache[file];
    },
  };
}
