import path from 'node:path';
import { saveNet } from '@deepend/models';
import { curves, toJsonl } from '@deepend/plot';
import type { Callback, EpochRecord, RunInfo } from '@deepend/trainer';
import fs from 'fs-extra';

/**
 * A callback that fills a run's directory: `config.json` before the first step; `history.jsonl`, a line an epoch; at the end
 * `curves.svg`, `curves.png` and `net/`, which stock TensorFlow.js loads. A run that was there before is replaced.
 * @param config whatever else `config.json` should tell: the loader's options, the net's
 * @throws Error before training when the folder cannot be written
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.05, callbacks: [saveRun('runs/resnet18')] });
 */
export function saveRun(dir: string, config: Readonly<Record<string, unknown>> = {}): Callback {
  const at = (name: string) => path.join(dir, name);
  const history: EpochRecord[] = [];
  let run: RunInfo | undefined;
  return {
    onTrainBegin: async (info) => {
      run = info;
      history.length = 0;
      await clear(dir);
      await writeWhole(at('config.json'), `${JSON.stringify(configOf(info, config), null, 2)}\n`);
    },
    onEpochEnd: async (record) => {
      history.push(record);
      await writeWhole(at('history.jsonl'), toJsonl(history));
    },
    onTrainEnd: async () => {
      const picture = curves(history);
      await picture.save(at('curves.svg'));
      await picture.save(at('curves.png'));
      if (run) await saveNet(run.net, at('net'));
    },
  };
}

function configOf(info: RunInfo, config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { net, device, ...numbers } = info;
  return { net: net.name, device: device.name, engine: device.engine, hardware: device.hardware, ...numbers, ...config };
}

/** Removes what an earlier run left, and nothing else: the folder may hold a person's notes. */
async function clear(dir: string): Promise<void> {
  try {
    await fs.ensureDir(dir);
    for (const name of ['config.json', 'history.jsonl', 'curves.svg', 'curves.png', 'net']) await fs.remove(path.join(dir, name));
  } catch (cause) {
    throw new Error(`[deepend] saveRun: cannot write ${dir}: ${(cause as Error).message}; name another folder`, { cause });
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  const part = `${file}.part`;
  try {
    await fs.writeFile(part, text);
    await fs.rename(part, file);
  } catch (cause) {
    await fs.remove(part).catch(() => {});
    throw new Error(
      `[deepend] saveRun: cannot write ${file}: ${(cause as Error).message}; free the disk or name another folder`,
      { cause },
    );
  }
}
