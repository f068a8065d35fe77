/**
 * Draws the site's pictures and writes the outputs within its pages: `npm run docs:figures`, with
 * names to make only these.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { cpu } from 'deepend';
import { CHARTS } from './charts';
import { OUTPUTS, placesOf } from './outputs';
import { ROOT } from './results';

const asked = process.argv.slice(2);
const isAsked = ({ name }: { name: string }) => asked.length === 0 || asked.includes(name);

await cpu();
for (const { name, draw } of CHARTS.filter(isAsked)) {
  const svg = (await draw()).toSvg({ theme: 'auto' });
  writeFileSync(path.join(ROOT, `docs/images/${name}.svg`), svg);
  console.log(`docs/images/${name}.svg`);
}
for (const output of OUTPUTS.filter(isAsked))
  for (const { file, text } of placesOf(output)) {
    writeFileSync(file, text());
    console.log(`${path.relative(ROOT, file)}: ${output.name}`);
  }
