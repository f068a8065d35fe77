/** `npm run bench:figures -- runs/lenet ...` */
import { models } from 'deepend';
import {
  fastRuns,
  fastTable,
  figuresTable,
  keep,
  keptRuns,
  LANGUAGES,
  longRuns,
  longTable,
  readPage,
  withTable,
  writePage,
} from './figures';

keep(process.argv.slice(2));
const published = (model: string) =>
  (models.RECIPES as Record<string, models.Recipe>)[model]?.published;
for (const language of LANGUAGES) {
  const figures = figuresTable(keptRuns(), published, language);
  const page = withTable(readPage(language), 'figures', figures);
  const withFast = withTable(page, 'fast', fastTable(fastRuns(), language));
  writePage(language, withTable(withFast, 'long', longTable(longRuns(), language)));
}
