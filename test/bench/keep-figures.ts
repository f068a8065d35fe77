/** `npm run bench:figures -- runs/lenet ...` */
import { models } from 'deepend';
import {
  fastRuns,
  fastTable,
  figuresTable,
  keep,
  keptRuns,
  readPage,
  withTable,
  writePage,
} from './figures';

keep(process.argv.slice(2));
const published = (model: string) =>
  (models.RECIPES as Record<string, models.Recipe>)[model]?.published;
const page = withTable(readPage(), 'figures', figuresTable(keptRuns(), published));
writePage(withTable(page, 'fast', fastTable(fastRuns())));
