/**
 * Keeps a run of a script of examples/text for the site: `tsx docs/figures/keep-text.ts NAME FOLDER
 * COMMAND OUTPUT`, with the command that made the run and a file of what it printed: the texts that
 * it generated stand behind its speed. Attention weights are kept where the run has them.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { EpochRecord } from 'deepend';
import { type AttentionWeights, RUNS, type TextRun } from './results';

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
const printed = readFileSync(output, 'utf8').trimEnd().split('\n');
const attentionOf = (file: string): AttentionWeights => {
  const found = JSON.parse(read(file)) as AttentionWeights;
  const rounded = (value: number) => Number(value.toFixed(4));
  const weights = found.weights.map((row) =>
    row.map((matrix) => matrix.map((line) => line.map(rounded))),
  );
  return { ...found, weights };
};
const seconds = history.reduce((sum, record) => sum + record.seconds, 0);
const testAcc = history.at(-1)?.testAcc;
const kept: TextRun = {
  ...{ command, hardware, versions },
  minutes: Number((seconds / 60).toFixed(1)),
  losses: history.map(({ loss }) => Number(loss.toFixed(5))),
  ...(typeof testAcc === 'number' && { testAcc }),
  texts: printed.slice(printed.findLastIndex((line) => /\/sec on /.test(line)) + 1),
  ...(existsSync(path.join(folder, 'attention.json')) && {
    attention: attentionOf('attention.json'),
  }),
};
writeFileSync(path.join(RUNS, `${name}.json`), `${JSON.stringify(kept)}\n`);
