/** `npm run bench:figures -- runs/lenet ...` */
import { RECIPES, type Recipe } from 'deepend';
import { figuresTable, keep, keptRuns, readPage, withTable, writePage } from './figures';

keep(process.argv.slice(2));
const published = (model: string) => (RECIPES as Record<string, Recipe>)[model]?.published;
writePage(withTable(readPage(), figuresTable(keptRuns(), published)));
