/** `npm run bench:figures -- runs/lenet ...` */
import { models } from 'deepend';
import {
  fastRuns,
  fastTable,
  figuresTable,
  keep,
  keptRuns,
  longRuns,
  longTable,
  readPage,
  withTable,
  writePage,
} from './figures';

keep(process.argv.slice(2));
const published = (model: string) =>
  (models.RECIPES as Record<string, models.Recipe>)[model]?.published;
const page = withTable(readPage(), 'figures', figuresTable(keptRuns(), published));
writePage(withTable(withTable(page, 'fast', fastTable(fastRuns())), 'long', longTable(longRuns())));
