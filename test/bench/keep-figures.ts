/** `npm run bench:figures -- runs/lenet ...` */
import { models } from 'deepend';
import { figuresTable, keep, keptRuns, readPage, withTable, writePage } from './figures';

keep(process.argv.slice(2));
const published = (model: string) =>
  (models.RECIPES as Record<string, models.Recipe>)[model]?.published;
writePage(withTable(readPage(), figuresTable(keptRuns(), published)));
