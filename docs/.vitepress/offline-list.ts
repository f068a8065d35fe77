/** Writes the list of the site's files, which the service worker keeps. */
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const KEPT = /\.(?:html|js|css|svg|png|json|ico)$/;

/** @param folder the built site */
export function writeOfflineList(folder: string): void {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll(path.sep, '/'))
    .filter((file) => KEPT.test(file) && file !== 'offline.js')
    .sort();
  writeFileSync(path.join(folder, 'offline.json'), JSON.stringify(['', ...files]));
}
