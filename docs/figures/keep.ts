/**
 * Keeps a run's history for the site: `tsx docs/figures/keep.ts NAME FOLDER COMMAND`, with the
 * command that made the run, or an empty one where a page has its code.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RUNS } from './results';

const [name, folder, command] = process.argv.slice(2);
if (!name || !folder || command === undefined) {
  console.error('[figures] keep: expected a name, the folder of a run and its command');
  process.exit(1);
}
const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');
const { hardware, versions } = JSON.parse(read('config.json'));
const history = read('history.jsonl')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
mkdirSync(RUNS, { recursive: true });
const file = path.join(RUNS, `${name}.json`);
writeFileSync(file, `${JSON.stringify({ command, hardware, versions, history }, null, 1)}\n`);
