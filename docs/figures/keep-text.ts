/**
 * Keeps a run of examples/text/language-model.ts for the site: `tsx docs/figures/keep-text.ts NAME
 * FOLDER COMMAND OUTPUT`, with the command that made the run and a file of what it printed, whose
 * last lines are the texts that it generated.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { EpochRecord } from 'deepend';
import { RUNS, type TextRun } from './results';

const NUM_TEXTS = 2;
const [name, folder, command, output] = process.argv.slice(2);
if (!name || !folder || !command || !output) {
  console.error('[figures] keep-text: expected a name, a folder, a command and a file of output');
  process.exit(1);
}
const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');
const { hardware, versions } = JSON.parse(read('config.json'));
const history = read('history.jsonl')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as EpochRecord);
const seconds = history.reduce((sum, record) => sum + record.seconds, 0);
const kept: TextRun = {
  ...{ command, hardware, versions },
  minutes: Number((seconds / 60).toFixed(1)),
  losses: history.map(({ loss }) => Number(loss.toFixed(5))),
  texts: readFileSync(output, 'utf8').trimEnd().split('\n').slice(-NUM_TEXTS),
};
writeFileSync(path.join(RUNS, `${name}.json`), `${JSON.stringify(kept)}\n`);
