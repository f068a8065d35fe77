/** Where this package is, for the workers that it starts. */
import { pathToFileURL } from 'node:url';

/** A URL of this package: CommonJS knows its file's name, ES modules know their URL. */
export const HERE =
  typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;
