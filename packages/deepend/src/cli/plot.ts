/** `deepend plot`. It reads only histories, no model. */
import path from 'node:path';
import type { EpochRecord } from '@deepend/core';
import { plotRuns } from '@deepend/plot';
import type { Command } from 'commander';
import { runFile } from '../run/layout';
import { readHistory, readRunConfig } from '../run/read-run';

interface PlotFlags {
  out: string;
  what: string;
  over: string;
}

export function addPlot(command: Command): void {
  command
    .argument('<folders...>', 'folders of the runs')
    .option('--out <file>', 'svg, png, html or txt file to write', 'comparison.png')
    .option(
      '--what <column>',
      'loss, trainAcc, testAcc, testLoss, lr, samplesPerSecond or metrics.NAME',
      'testAcc',
    )
    .option('--over <column>', 'horizontal axis: epoch, or time for seconds', 'epoch')
    .action(async (folders: string[], { out, what, over }: PlotFlags) => {
      const histories = await Promise.all(folders.map(readNonemptyHistory));
      const names = distinctNames(folders);
      const runs = histories.map((history, i) => ({ name: names[i] ?? '', history }));
      await plotRuns(runs, { metric: what, over }).save(out);
      console.log(`the curves are in ${out}`);
    });
}

/** The folders' own names, or their paths where two have the same name. */
function distinctNames(folders: readonly string[]): string[] {
  const names = folders.map((folder) => path.basename(path.resolve(folder)));
  return names.map((name, i) =>
    names.filter((other) => other === name).length > 1 ? (folders[i] ?? name) : name,
  );
}

async function readNonemptyHistory(folder: string): Promise<EpochRecord[]> {
  const history = await readHistory(folder, 'deepend plot');
  if (history.length > 0) return history;
  await readRunConfig(folder, 'deepend plot'); // or an error that says that this is no run
  throw new Error(
    `${runFile(folder, 'history')}: expected the history of a run with at least one finished ` +
      'epoch, there is none yet',
  );
}
